import Type, { type Static } from "typebox";
import { Amount, Count, Id, maybe, oneOf, record, Text, Time } from "../primitives.ts";
import { EffectId } from "./entries.ts";

/** Prices that the engine computed may have more digits than a border lets in. */
const Price = Type.String({ pattern: "^-?\\d{1,40}(\\.\\d{1,40})?$", title: "amount" });
const CallId = Type.String({ pattern: "^[A-Za-z0-9_-]{1,200}$", title: "call id" });

/**
 * To a backup provider: this has been booked on your account by stage 4 of a liquidation, within the capacity that you registered. The
 * position is yours already; what is asked for is that you know of it. Told again under the same id until it is answered.
 */
export const Takeover = record({
  id: CallId,
  attempt: Count,
  shard: Id,
  saga: EffectId,
  step: Count,
  /** The provider's own. */
  account: Id,
  instrument: Id,
  /** What the provider did: `buy` took over a long position. */
  side: oneOf("buy", "sell"),
  qty: Amount,
  price: Price,
  mark: Price,
  /** When it was booked, UTC ms of the market's clock, and as which fact of the shard. */
  t: Time,
  factSeq: Count,
});
export type Takeover = Static<typeof Takeover>;

/** `accepted`: the provider has it in its books. `refused`: it disputes it; nothing is undone by that, a person is told. */
export const TakeoverReply = record({
  id: CallId,
  state: oneOf("accepted", "refused"),
  reason: maybe(Text),
});
export type TakeoverReply = Static<typeof TakeoverReply>;
