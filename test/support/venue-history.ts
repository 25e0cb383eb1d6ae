import type { Command, Terms } from "#apps/venue/matching/commands.ts";
import type { Floor } from "#apps/venue/matching/floor.ts";

const accounts = ["a1", "a2", "a3", "a4", "a5"] as const;

/** A history without end and without chance: the same command for the same number and floor, over any restart. */
export function nthCommand(floor: Floor, n: number): Command {
  const t = 1_000 + n;
  const account = accounts[(n * 7) % accounts.length] as string;
  const approval = { request: `r${n}`, epoch: 1, until: t + 500 };
  const orders = [...floor.orders.values()];
  const order = orders[(n * 13) % Math.max(1, orders.length)];
  if (n % 11 === 0)
    return { c: "attest", t, shard: floor.owners.shards[n % floor.owners.shards.length] as string, from: 0, to: 4096 };
  if (n % 5 === 0 && order !== undefined) return { c: "cancel", t, account: order.account, id: order.id };
  if (n % 4 === 0 && order !== undefined) {
    const change = { account: order.account, id: order.id, total: order.total + 2, limit: order.price + (n % 3) - 1 };
    return { c: "amend", t, ...change, approval: { ...approval, lots: order.lots + 2 } };
  }
  const side = n % 2 === 0 ? "buy" : "sell";
  const terms: Terms = {
    account,
    id: `o${n}`,
    instrument: n % 3 === 0 ? "BTC-INV" : "BTC-PERP",
    side,
    lots: 1 + ((n * 5) % 9),
    limit: 95 + ((n * 17) % 11),
    market: false,
    ioc: n % 17 === 0,
    reduceOnly: false,
  };
  return { c: "place", t, terms, approval };
}
