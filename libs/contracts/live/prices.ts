import { type Static } from "typebox";
import { Amount, Count, Id, maybe, record, Time } from "../primitives.ts";

/** What one source says an asset is worth, USD; `t` is the source's own time. Sent as often as it likes: the newest counts. */
export const Quote = record({ price: Amount, size: maybe(Amount), t: Time });
export type Quote = Static<typeof Quote>;

/** The middle of an instrument's own book: it moves the basis, never an index. */
export const BookPrice = record({ instrument: Id, price: Amount, t: Time });
export type BookPrice = Static<typeof BookPrice>;

export const Epoch = record({ shard: Id, epoch: Count });
