import { type HandshakeReply, type OpenOrder, openOrdersMax } from "#libs/contracts/live/venue.ts";
import type { Floor } from "../matching/floor.ts";

/** A reply stays below the largest message of a default server. */
export const replyBytesMax = 900_000;

/** The first of them that fit into one reply, at least one. */
export function fitting<T>(items: readonly T[]): readonly T[] {
  let bytes = 0;
  const end = items.findIndex((item) => (bytes += JSON.stringify(item).length + 1) > replyBytesMax);
  return end < 0 ? items : items.slice(0, Math.max(1, end));
}

/** What rests of a shard's accounts, oldest first. */
export function openOrdersOf(floor: Floor, shard: string): readonly OpenOrder[] {
  const own = [...floor.orders.values()].filter(({ account }) => floor.owners.shardOf(account) === shard);
  return own.map(({ account, id, instrument, side, lots, price, reduceOnly }) => {
    const grid = floor.grid(instrument);
    return { account, id, instrument, side, qty: grid.qtyText(lots), price: grid.priceText(price), reduceOnly };
  });
}

/** The open orders of the moment that a handshake asked, while not all of them have been told. */
export interface Listing {
  readonly epoch: number;
  readonly lastSeq: number;
  readonly orders: readonly OpenOrder[];
}

export function pageOf(
  { orders, lastSeq }: Listing,
  from: number,
): Pick<HandshakeReply, "lastSeq" | "openOrders" | "next"> {
  const openOrders = fitting(orders.slice(from, from + openOrdersMax));
  const next = from + openOrders.length;
  return { lastSeq, openOrders, next: next < orders.length ? next : null };
}
