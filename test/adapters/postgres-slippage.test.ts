import { afterAll, beforeAll, expect, test } from "vitest";
import { FillSlippage } from "#apps/margin/fill-slippage.ts";
import { limits } from "#apps/margin/limits.ts";
import {
  addSlippage,
  type Database,
  openDatabase,
  pruneRecords,
  readAlarms,
  recordEvidence,
  reviewSlippage,
} from "#libs/adapters/postgres/index.ts";
import type { Effect } from "#libs/contracts/log.ts";
import { silentLogger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { rules, TestExchange } from "#test/support/exchange.ts";
import { migratedPostgres } from "#test/support/servers.ts";

let owner: Database;
let margin: Database;

beforeAll(async () => {
  const { url } = await migratedPostgres();
  owner = openDatabase({ url, name: "owner" });
  margin = openDatabase({ url: await urlAs("margin", url), name: "margin" });
}, 60_000);
afterAll(() => Promise.all([owner, margin].map((db) => db.close())));

const today = Date.UTC(2026, 0, 31);

/** X at 100, and what compares its fills. */
function measuring(shard: string, maxSlippage = "0.01") {
  const exchange = new TestExchange(rules({ liquidation: { maxSlippage } }));
  exchange.prices({ USDT: "1" }, {}, today);
  const metrics = createMetrics("test");
  const slippage = new FillSlippage({ db: margin, shard, logger: silentLogger, metrics });
  const { machine } = exchange.engine;
  return {
    exchange,
    metrics,
    slippage,
    approve: (id: string): void =>
      slippage.decided(machine, {
        request: id,
        account: "alice",
        order: { id, instrument: "X", side: "buy", qty: "1", price: "110" },
      }),
    fill: (order: string, price: string, qty = "1", liquidity: "taker" | "maker" = "taker"): void => {
      const place = { account: "alice", instrument: "X", side: "buy", trade: "t", order } as const;
      slippage.applied(machine, { k: "fill", ...place, qty, price, liquidity, t: today }, []);
    },
    close: (fills: readonly { readonly qty: string; readonly price: string }[], move: string): void => {
      const effect = {
        id: "s-1",
        effect: "close",
        saga: "s",
        account: "carol",
        instrument: "X",
        side: "sell",
      } as Effect;
      slippage.applied(machine, { k: "time", t: today }, [effect]);
      exchange.mark(move);
      slippage.applied(machine, { k: "closed", effect: "s-1", fills, exhausted: false, t: today }, []);
    },
  };
}

interface Kept {
  readonly account: string;
  readonly kind: string;
  readonly fills: string;
  readonly notional_usd: string;
  readonly cost_usd: string;
  readonly worst: string;
  readonly beyond: string;
}

async function kept(shard: string): Promise<Kept[]> {
  const { rows } = await owner.query<Kept>({
    text: `SELECT account, kind, fills, notional_usd, cost_usd, worst, beyond FROM fill_slippage
      WHERE shard = $1 AND day = '2026-01-31' ORDER BY account, kind`,
    values: [shard],
  });
  return rows;
}

test("LIM-45 a fill is measured against the mark of its order's last approval, whatever the mark is by then", async () => {
  const { slippage, exchange, approve, fill, metrics } = measuring("a");
  approve("o1");
  exchange.mark("104");
  fill("o1", "100.5");
  fill("o1", "99", "2");
  approve("o1");
  fill("o1", "105.04", "1", "maker");
  // Nobody knows what this one was decided at.
  fill("o2", "1000");
  await slippage.stop();
  expect(await kept("a")).toEqual([
    { account: "alice", kind: "maker", fills: "1", notional_usd: "104", cost_usd: "1.04", worst: "0.01", beyond: "0" },
    { account: "alice", kind: "taker", fills: "2", notional_usd: "300", cost_usd: "-1.5", worst: "0.005", beyond: "0" },
  ]);
  expect(await metrics.registry.metrics()).toMatch(/fill_slippage_ratio_count\{[^}]*kind="taker"[^}]*\} 2/);
});

test("LIM-45 a liquidation is measured against the mark at which its close was asked for, beyond the limit it is an alarm", async () => {
  const { slippage, close, metrics } = measuring("b");
  close(
    [
      { qty: "1", price: "99" },
      { qty: "1", price: "98.9" },
    ],
    "90",
  );
  await slippage.stop();
  expect(await kept("b")).toEqual([
    {
      account: "carol",
      kind: "liquidation",
      fills: "2",
      notional_usd: "200",
      cost_usd: "2.1",
      worst: "0.011",
      beyond: "1",
    },
  ]);
  const alarms = (await readAlarms(owner)).filter((one) => one.shard === "b");
  expect(alarms).toMatchObject([
    {
      id: "alarm-slippage-b-2026-01-31-X-liquidation",
      code: "fill_slippage",
      detail: { account: "carol", share: "0.011", most: "0.01" },
    },
  ]);
  expect(await metrics.registry.metrics()).toContain(
    'fill_slippage_beyond_total{instrument="X",kind="liquidation",app="test"} 1',
  );
});

test("LIM-45 sums of two processes add up, marks and sums are bounded", async () => {
  for (const price of ["101", "100.5"]) {
    const { slippage, approve, fill } = measuring("c");
    approve("o1");
    fill("o1", price);
    await slippage.stop();
  }
  expect(await kept("c")).toMatchObject([{ fills: "2", notional_usd: "200", cost_usd: "1.5", worst: "0.01" }]);
  const { slippage, approve, fill } = measuring("d");
  // Approved again, an order is the newest: the one between goes when as many have come after it as are kept.
  for (const id of ["first", "second"]) approve(id);
  for (let at = 1; at < limits.slippageMarks / 2; at += 1) approve(`o${at}`);
  approve("first");
  for (let at = 1; at < limits.slippageMarks / 2; at += 1) approve(`p${at}`);
  fill("first", "101");
  fill("second", "102");
  await slippage.stop();
  expect(await kept("d")).toMatchObject([{ fills: "1", worst: "0.01" }]);
});

test("a review names what cost most, and records go when they are old", async () => {
  const day = new Date().toISOString().slice(0, 10);
  const row = { shard: "r", day, account: "a", instrument: "X", kind: "taker", fills: 2, beyond: 1 } as const;
  const sums = { notionalUsd: "200", costUsd: "3", worst: "0.02" };
  await addSlippage(margin, [
    { ...row, ...sums },
    { ...row, ...sums, account: "b", costUsd: "5" },
  ]);
  await addSlippage(margin, [{ ...row, ...sums, shard: "r2" }]);
  expect(
    (await reviewSlippage(owner, 7, 10)).map(({ account, costUsd, average, fills }) => [
      account,
      costUsd,
      average,
      fills,
    ]),
  ).toEqual([
    ["a", "6", "0.015", 4],
    ["b", "5", "0.025", 2],
  ]);
  expect(await pruneRecords(owner, "fill_slippage", 1_000 * 86_400_000)).toBe(0);
  expect(await pruneRecords(owner, "fill_slippage", 3 * 86_400_000)).toBeGreaterThan(0);
  expect(await reviewSlippage(owner, 7, 10)).toHaveLength(2);
  const hash = "ab".repeat(32);
  const now = Date.now();
  await recordEvidence(owner, [
    { account: "a", kind: "device", hash, from: 1, until: 1 },
    { account: "b", kind: "device", hash, from: now, until: now },
  ]);
  expect(await pruneRecords(owner, "entity_evidence", 86_400_000)).toBe(1);
});
