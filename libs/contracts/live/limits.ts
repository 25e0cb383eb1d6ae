import Type, { type Static } from "typebox";
import { Amount, Count, Id, maybe, nullable, oneOf, record, Time } from "../primitives.ts";

/** Accounts that are measured at once, and told of. */
export const limitAccountsMax = 500;
export const limitRowsMax = 200;

/** Whose limits are used how far? `from`: where the last answer says that the next accounts are; absent: the first. */
export const LimitsRequest = record({ from: maybe(Count) });
export type LimitsRequest = Static<typeof LimitsRequest>;

/** More than half of a limit: value and bound, and the one over the other, rounded up at four decimals; null: the bound is nothing. */
const LimitUseRow = record({
  account: Id,
  limit: Id,
  instrument: nullable(Id),
  value: Amount,
  bound: Amount,
  share: nullable(Amount),
  level: Type.String(),
});
export type LimitUseRow = Readonly<Static<typeof LimitUseRow>>;

/** What breakers, the fund's brake and limits of instruments are measured by. `of`: asset or instrument; "": the exchange. */
const ProgressRow = record({
  what: oneOf("fund_drawdown", "liquidation_rate", "price_move", "open_interest"),
  of: Type.String(),
  value: Amount,
  bound: Amount,
  share: Amount,
});
export type ProgressRow = Readonly<Static<typeof ProgressRow>>;

/** As of `seq`, the position in the shard's log, and its time `t`; the fullest accounts first. `next` null: those were the last. */
export const LimitsReplySchema = record({
  seq: Count,
  t: Time,
  accounts: Type.Array(LimitUseRow, { maxItems: limitRowsMax }),
  next: nullable(Count),
  /** Of the accounts that were measured for this answer together, USD. */
  sums: record({ accounts: Count, equity: Amount, im: Amount, notional: Amount, dayProfit: Amount }),
  exchange: Type.Array(ProgressRow),
});
export type LimitsReply = Readonly<Static<typeof LimitsReplySchema>>;
