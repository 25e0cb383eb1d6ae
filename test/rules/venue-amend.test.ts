import { expect, test } from "vitest";
import type { Approval } from "#libs/contracts/log.ts";
import { amended } from "#apps/venue/matching/amend.ts";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import { type Floor, orderKey } from "#apps/venue/matching/floor.ts";
import { venueParts } from "../support/venue.ts";

const { floor: made } = venueParts(undefined, ["0"]);
const approval = (id: string): Approval => ({ request: `r-${id}`, epoch: 1, until: 9 });

interface More {
  readonly reduceOnly?: boolean;
}

function place(
  floor: Floor,
  account: string,
  id: string,
  side: "buy" | "sell",
  lots: number,
  limit: number,
  more: More = {},
) {
  const terms = {
    account,
    id,
    instrument: "BTC-PERP",
    side,
    lots,
    limit,
    market: false,
    ioc: false,
    reduceOnly: false,
  };
  return applyCommand(floor, { c: "place", t: 1, terms: { ...terms, ...more }, approval: approval(id) }).reply;
}

/** As the venue does it: what is not less is asked about first, here `asked` lots. */
function amend(floor: Floor, account: string, id: string, total: number | null, limit: number | null, asked?: number) {
  const order = floor.orders.get(orderKey(account, id));
  const next = order === undefined ? null : amended(order, total, limit);
  const needed = next === null || !next.less || asked !== undefined;
  const leave = needed ? { ...approval(`${id}-2`), lots: asked ?? next?.open ?? 1 } : null;
  const { entries, reply } = applyCommand(floor, { c: "amend", t: 2, account, id, total, limit, approval: leave });
  return { reply, entries: entries.map(({ entry }) => entry) };
}

/** Whom a seller at 90 ticks would meet. */
const bids = (floor: Floor): string[] => [...floor.book("BTC-PERP").against("sell", 90)].map(({ id }) => id);

function queueOfThree(): Floor {
  const floor = made();
  for (const id of ["one", "two", "three"]) place(floor, "a1", id, "buy", 4, 100);
  return floor;
}

test("less keeps its place and needs no approval; more, and another price, go to the back", () => {
  const floor = queueOfThree();
  const { reply, entries } = amend(floor, "a1", "one", 3, null);
  expect(reply).toEqual({ id: "one", state: "resting", filled: "0", codes: [] });
  expect(entries).toMatchObject([{ k: "order", id: "one", qty: "0.03", price: "50" }]);
  expect(entries[0]).not.toHaveProperty("approval");
  expect(bids(floor)).toEqual(["one", "two", "three"]);
  expect(amend(floor, "a1", "one", 4, null).entries).toMatchObject([{ k: "order", approval: { request: "r-one-2" } }]);
  expect(bids(floor)).toEqual(["two", "three", "one"]);
  amend(floor, "a1", "two", 2, 99);
  expect(bids(floor)).toEqual(["three", "one", "two"]);
});

test("a smaller order trades its smaller quantity, in its old place", () => {
  const floor = queueOfThree();
  amend(floor, "a1", "one", 1, null);
  place(floor, "a3", "taker", "sell", 3, 100);
  expect(floor.answered.get(orderKey("a1", "one"))).toMatchObject({ state: "filled", filled: "0.01" });
  expect(floor.orders.get(orderKey("a1", "two"))?.lots).toBe(2);
});

test("the quantity is that of the whole order: what has filled stays filled, and less than that ends the order", () => {
  const floor = queueOfThree();
  place(floor, "a3", "taker", "sell", 3, 100);
  expect(amend(floor, "a1", "one", 6, null).reply).toMatchObject({ state: "resting", filled: "0.03" });
  expect(floor.orders.get(orderKey("a1", "one"))).toMatchObject({ total: 6, lots: 3 });
  const { reply, entries } = amend(floor, "a1", "one", 3, null);
  expect(reply).toMatchObject({ state: "cancelled", filled: "0.03" });
  expect(entries).toMatchObject([{ k: "cancel", id: "one" }]);
  expect(entries[0]).not.toHaveProperty("request");
});

test("a price that crosses trades at once as a taker, under the order's own id and the amendment's request", () => {
  const floor = queueOfThree();
  place(floor, "a3", "offer", "sell", 3, 105);
  const { reply, entries } = amend(floor, "a1", "two", null, 105);
  expect(reply).toMatchObject({ state: "resting", filled: "0.03" });
  expect(entries).toMatchObject([
    { k: "fill", account: "a3", order: "offer", liquidity: "maker" },
    { k: "fill", account: "a1", order: "two", liquidity: "taker", qty: "0.03", request: "r-two-2" },
    { k: "order", account: "a1", id: "two", qty: "0.01", price: "52.5", approval: { request: "r-two-2" } },
  ]);
});

test("what the shard holds beyond the fills of a crossing amendment is taken back", () => {
  const floor = queueOfThree();
  place(floor, "a3", "offer", "sell", 3, 105);
  // Three of four lots at a price that fills all three: the shard would keep the fourth.
  expect(amend(floor, "a1", "two", 3, 105).entries.at(-1)).toMatchObject({
    k: "cancel",
    id: "two",
    request: "r-two-2",
  });
  place(floor, "a3", "more", "sell", 3, 105);
  // Seven were approved while four were open; three of them have filled since.
  place(floor, "a4", "taker", "sell", 3, 100);
  const { reply, entries } = amend(floor, "a1", "one", 6, 105, 6);
  expect(reply).toMatchObject({ state: "filled", filled: "0.06" });
  expect(entries.at(-1)).toMatchObject({ k: "cancel", id: "one", request: "r-one-2" });
});

test("an approval that is not used tells the order again as it stands, since a cancel would take it away", () => {
  const floor = made();
  place(floor, "a2", "in", "sell", 4, 100);
  place(floor, "a1", "long", "buy", 4, 100);
  place(floor, "a1", "out", "sell", 2, 110, { reduceOnly: true });
  // Approved for four, but the position has shrunk by one since.
  place(floor, "a3", "bid", "buy", 1, 100);
  place(floor, "a1", "less", "sell", 1, 100);
  const { reply, entries } = amend(floor, "a1", "out", 4, null);
  expect(reply).toMatchObject({ state: "rejected", codes: ["reduce_only_violation"] });
  expect(entries).toMatchObject([{ k: "order", id: "out", qty: "0.02", price: "55", reduceOnly: true }]);
  expect(entries[0]).not.toHaveProperty("approval");
  expect(amend(floor, "a1", "gone", 1, null).entries).toMatchObject([{ k: "cancel", id: "gone", request: "r-gone-2" }]);
});

test("an amendment makes no younger order: of reduce-only orders that lose their cover the last one placed goes", () => {
  const floor = made();
  place(floor, "a2", "in", "sell", 4, 100);
  place(floor, "a1", "long", "buy", 4, 100);
  place(floor, "a1", "first", "sell", 2, 110, { reduceOnly: true });
  place(floor, "a1", "second", "sell", 2, 111, { reduceOnly: true });
  amend(floor, "a1", "first", null, 112);
  place(floor, "a3", "bid", "buy", 2, 100);
  const { entries } = applyCommand(floor, {
    c: "place",
    t: 3,
    terms: {
      account: "a1",
      id: "less",
      instrument: "BTC-PERP",
      side: "sell",
      lots: 2,
      limit: 100,
      market: false,
      ioc: false,
      reduceOnly: false,
    },
    approval: approval("less"),
  });
  expect(entries.at(-1)?.entry).toMatchObject({ k: "cancel", id: "second" });
  expect(floor.orders.has(orderKey("a1", "first"))).toBe(true);
});

test("nothing but less is carried out without an approval", () => {
  const floor = queueOfThree();
  const unasked = { c: "amend", t: 2, account: "a1", id: "one", total: 5, limit: null, approval: null } as const;
  expect(applyCommand(floor, unasked)).toMatchObject({
    entries: [],
    reply: { state: "rejected", codes: ["unapproved"] },
  });
});
