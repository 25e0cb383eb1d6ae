import { afterEach, beforeEach, expect, test } from "vitest";
import type { AccountReply } from "#libs/contracts/live/margin.ts";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import { openOrdersMax } from "#libs/contracts/live/venue.ts";
import { expectExact } from "../support/exact.ts";
import { eventually, liveShard, type LiveShard } from "../support/live-shard.ts";
import { check, frame, httpOf, metricOf, question, resting, seed, trade } from "../support/shard-entries.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let shard: LiveShard;

beforeEach(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
  await seed(shard);
});
afterEach(async () => shard.stop());

const ordersOf = async (account: string): Promise<AccountReply["account"]["orders"]> =>
  (await shard.ask<AccountReply>("account", { account })).account.orders;

test("open orders that are alike, more than one page of them, are compared and found alike", async () => {
  const many = openOrdersMax + 50;
  await Promise.all(Array.from({ length: many }, async (_, at) => shard.trade(resting("alice", `o-${at}`, "100"))));
  await shard.trade({ k: "cancel", account: "alice", id: "o-7" });
  const app = await shard.start();
  await app.whenMessage("ready");
  const { openOrders } = await shard.settled();
  expect(openOrders).toEqual({ lastSeq: many + 1, compared: many - 1, count: 0, differences: [] });
  expect(await metricOf(app, "reconciliation_differences", 'kind="orders"')).toBe(0);
  await expectExact(shard);
});

test("open orders that differ are put right as the matching engine has them, told as an alarm, and replayed", async () => {
  for (const id of ["same", "gone", "more", "less", "moved"]) await shard.trade(resting("alice", id, "40000"));
  const { orders } = shard.partner;
  const of = (id: string) =>
    ({ account: "alice", id, instrument: "BTC-PERP", side: "buy", reduceOnly: false }) as const;
  orders.delete("alice gone");
  orders.set("alice more", { ...of("more"), qty: "0.03", price: "40000" });
  orders.set("alice less", { ...of("less"), qty: "0.0050", price: "40000.0" });
  orders.set("alice moved", { ...of("moved"), qty: "0.01", price: "41000" });
  orders.set("bob unknown", { ...of("unknown"), account: "bob", qty: "0.02", price: "39000" });
  const app = await shard.start();
  await app.whenMessage("ready");
  const { openOrders, openEffects } = await shard.settled();
  expect(openOrders).toMatchObject({ lastSeq: 5, compared: 5, count: 5 });
  expect(openOrders?.differences).toContain(
    "order alice gone: engine BTC-PERP buy 0.01 at 40000, matching engine nothing",
  );
  expect(openOrders?.differences).toContain(
    "order bob unknown: engine nothing, matching engine BTC-PERP buy 0.02 at 39000",
  );
  expect(await metricOf(app, "reconciliation_differences", 'kind="orders"')).toBe(5);
  expect(JSON.parse(await httpOf(app, "/health/ready"))).toMatchObject({ detail: { orderDifferences: 5 } });
  const held = new Map((await ordersOf("alice")).map(({ id, qty, price }) => [id, `${qty} at ${price ?? "-"}`]));
  expect(Object.fromEntries(held)).toEqual({
    same: "0.01 at 40000",
    more: "0.03 at 40000",
    less: "0.005 at 40000",
    moved: "0.01 at 41000",
  });
  expect((await ordersOf("bob")).map(({ id }) => id)).toEqual(["unknown"]);
  // What grew, moved or came without anybody's approval is asked back.
  expect(openEffects).toBe(3);
  const { rows } = await shard.db.query<{ orders: string[] }>({
    text: "SELECT array_agg(body ->> 'order' ORDER BY body ->> 'order') AS orders FROM effect WHERE answered_seq IS NULL",
  });
  expect(rows[0]?.orders).toEqual(["more", "moved", "unknown"]);
  const recorded = await eventually("the record", async () => {
    const found = await shard.db.query<{ differing: number }>({
      text: "SELECT differing::int FROM reconciliation WHERE kind = 'orders'",
    });
    return found.rows[0];
  });
  expect(recorded.differing).toBe(5);
  await expectExact(shard);
  await app.stop();
  await shard.put("mark-price", frame());
  const second = await shard.start();
  await second.whenMessage("ready");
  expect((await shard.settled()).openOrders).toMatchObject({ compared: 5, count: 0 });
  await expectExact(shard);
});

test("the two are compared at the number that the matching engine said, though its later entries are in the log too", async () => {
  for (const id of ["a", "b"]) await shard.trade(resting("alice", id, "40000"));
  const then = [...shard.partner.orders];
  await shard.trade({ k: "cancel", account: "alice", id: "a" });
  await shard.trade(resting("alice", "c", "40000"));
  shard.partner.lastSeq = 2;
  shard.partner.orders.clear();
  for (const [key, order] of then) shard.partner.orders.set(key, order);
  const app = await shard.start();
  await app.whenMessage("ready");
  expect((await shard.settled()).openOrders).toMatchObject({ lastSeq: 2, compared: 2, count: 0 });
  expect((await ordersOf("alice")).map(({ id }) => id)).toEqual(["b", "c"]);
  await expectExact(shard);
});

test("an answer that the log has overtaken is asked for again", async () => {
  await shard.trade(resting("alice", "a", "40000"));
  let release = (): void => {};
  shard.partner.slow = new Promise((resolve) => {
    release = resolve;
  });
  const app = await shard.start();
  await eventually("the question", async () => Promise.resolve(shard.partner.epochs.length > 0));
  await shard.trade({ k: "cancel", account: "alice", id: "a" });
  await shard.trade(resting("alice", "b", "40000"));
  await eventually("the entries", async () => (await shard.status()).sources["venue"] === 3);
  release();
  await app.whenMessage("ready");
  expect(shard.partner.epochs.length).toBeGreaterThan(1);
  expect((await shard.settled()).openOrders).toMatchObject({ lastSeq: 3, compared: 1, count: 0 });
  await expectExact(shard);
});

test("an order that the engine has dropped and asked back is no difference while it still rests there", async () => {
  // Without a position there is nothing that it could reduce.
  await shard.trade(resting("alice", "a", "60000", { side: "sell", reduceOnly: true }));
  const app = await shard.start();
  await app.whenMessage("ready");
  expect((await shard.settled()).openEffects).toBe(1);
  await app.stop();
  await shard.put("mark-price", frame());
  const second = await shard.start();
  await second.whenMessage("ready");
  expect((await shard.settled()).openOrders).toMatchObject({ compared: 1, count: 0 });
  expect(await ordersOf("alice")).toEqual([]);
  await expectExact(shard);
});

test("a matching engine that has lost entries, or has another book altogether, halts the shard for a person", async () => {
  await trade(shard);
  const first = await shard.start();
  await first.whenMessage("ready");
  await trade(shard);
  await shard.settled();
  await expectExact(shard);
  await first.stop();
  shard.partner.lastSeq = 1;
  const second = await shard.start();
  const lost = await eventually("the halt", async () => {
    const status = await shard.status();
    return status.state === "halted_venue_mismatch" ? status : null;
  });
  expect(lost.why).toBe("the matching engine stands at 1, 4 of its entries are applied");
  expect((await shard.ask<Decision>("check", question("r-1", "0.1"))).codes).toEqual(["recovering"]);
  expect(await httpOf(second, "/health/ready")).toContain("the matching engine stands at 1");
  await second.stop();
  shard.partner.lastSeq = null;
  for (let at = 0; at <= 1_000; at += 1) {
    const order = { account: "bob", id: `x-${at}`, instrument: "BTC-PERP", side: "sell", qty: "0.01" } as const;
    shard.partner.orders.set(order.id, { ...order, price: "60000", reduceOnly: false });
  }
  const third = await shard.start();
  await eventually("the halt", async () => (await shard.status()).state === "halted_venue_mismatch");
  await third.stop();
  shard.partner.orders.clear();
  const fourth = await shard.start();
  await shard.put("mark-price", frame());
  await fourth.whenMessage("ready");
  expect((await check(shard, "r-2", "0.1")).decision).toBe("accept");
  await expectExact(shard);
});
