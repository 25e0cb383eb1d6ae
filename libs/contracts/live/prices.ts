import { type Static } from "typebox";
import { Amount, Count, Id, maybe, record, Time } from "../primitives.ts";

/** What one source says an asset is worth, USD; `t` is the source's own time. Sent as often as it likes: the newest counts. */
export const Quote = record({ price: Amount, size: maybe(Amount), t: Time });
export type Quote = Static<typeof Quote>;

/**
 * The middle of an instrument's own book: it moves the basis, never an index. `depth`: contracts within 2 % of it on the thinner side, which
 * positions may be limited by (LIM-14).
 */
export const BookPrice = record({ instrument: Id, price: Amount, depth: maybe(Amount), t: Time });
export type BookPrice = Static<typeof BookPrice>;

export const Epoch = record({ shard: Id, epoch: Count });
/** A batch of a shard is in its journal, up to this position of the log. */
export const Committed = record({ shard: Id, epoch: Count, appliedSeq: Count });
