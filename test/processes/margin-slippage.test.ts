import { afterEach, beforeEach, expect, test } from "vitest";
import { reviewSlippage } from "#libs/adapters/postgres/index.ts";
import { eventually, liveShard, type LiveShard } from "../support/live-shard.ts";
import { check, half, metricOf, seed } from "../support/shard-entries.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let shard: LiveShard;

beforeEach(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
});
afterEach(async () => shard.stop());

test("the leader compares fills with the mark that it approved their order at, and keeps what it found", async () => {
  await seed(shard);
  const leader = await shard.start();
  await leader.whenMessage("ready");
  const order = { id: "o-t-1-alice", instrument: "BTC-PERP", side: "buy", qty: "1", price: "51000" };
  expect((await check(shard, "approved", "1", { order })).decision).toBe("accept");
  await shard.put("mark-price", { k: "frame", mark: { "BTC-PERP": "50200" } });
  await shard.trade(half("alice", "buy", "t-1", "1", "50600"));
  // Nobody has asked about the other side.
  await shard.trade(half("bob", "sell", "t-1", "1", "50600"));
  await shard.settled();
  const labels = 'instrument="BTC-PERP",kind="taker"';
  await eventually("the metric", async () => (await metricOf(leader, "fill_slippage_ratio_count", labels)) === 1);
  expect(await metricOf(leader, "fill_slippage_ratio_sum", labels)).toBeCloseTo(0.012, 10);
  await leader.stop();
  const { rows } = await shard.db.query({ text: "SELECT account, kind, cost_usd, worst FROM fill_slippage" });
  expect(rows).toEqual([{ account: "alice", kind: "taker", cost_usd: "600", worst: "0.012" }]);
  // By the market's clock the day is another.
  expect(await reviewSlippage(shard.db, 10_000, 10)).toMatchObject([{ account: "alice", average: "0.012" }]);
});
