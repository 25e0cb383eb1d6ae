import type { Rational } from "#libs/decimal/index.ts";
import { type Binding, effective } from "#libs/domain/limits/effective.ts";
import { inUse } from "#libs/domain/limits/in-use.ts";
import { bounded } from "#libs/domain/pre-trade/codes.ts";
import { shareAgainst } from "#libs/domain/pre-trade/slippage.ts";
import { askFor } from "./breaker-windows.ts";
import type { Machine } from "./machine.ts";

const reason = "slippage";
const nobody = { account: "", key: null, entity: null };

/** A fill that has been booked. */
export interface BookedFill {
  readonly account: number;
  readonly instrument: number;
  readonly side: "buy" | "sell";
  readonly price: Rational;
}

/** LIM-46: a fill of an order that took: beyond what binds its account, the account is halted. */
export function watchSlippage(machine: Machine, fill: BookedFill): void {
  const { book, rules, t } = machine;
  if (!isWatched(machine) || book.isSystem(fill.account)) return;
  const account = book.accountId(fill.account);
  const subject = { account, key: null, entity: machine.entityOfAccount.get(account) ?? null };
  const instrument = machine.instrument(fill.instrument);
  const { account: most } = effective(rules.hierarchy, "maxSlippage", subject, instrument, t);
  judge(machine, "account", account, fill, most);
}

/** LIM-46: a fill of a liquidation: beyond what exchange and instrument permit, the instrument is halted, whose book is too thin. */
export function watchLiquidationSlippage(machine: Machine, fill: BookedFill): void {
  if (!isWatched(machine)) return;
  const instrument = machine.instrument(fill.instrument);
  const { account: most } = effective(machine.rules.hierarchy, "maxSlippage", nobody, instrument, machine.t);
  judge(machine, "instrument", instrument.id, fill, most);
}

const isWatched = ({ rules }: Machine): boolean =>
  rules.breakers.limitBreach !== null && inUse(rules.hierarchy, "maxSlippage");

function judge(
  machine: Machine,
  scope: "account" | "instrument",
  id: string,
  fill: BookedFill,
  most: Binding | null,
): void {
  const { limitBreach } = machine.rules.breakers;
  const mark = machine.book.market.markPrice(fill.instrument);
  if (most === null || mark === null || limitBreach === null) return;
  const share = shareAgainst(fill.side, fill.price, mark);
  if (!share.above(most.value)) return;
  const numbers = bounded(share, most.value, most.source);
  machine.fact("limit.breached", { scope, id, code: reason, ...numbers });
  askFor(machine, reason, scope, id, limitBreach.state);
  // A fill is no state that lasts: nothing goes on asking, and the halt runs out.
  askFor(machine, reason, scope, id, "normal");
}
