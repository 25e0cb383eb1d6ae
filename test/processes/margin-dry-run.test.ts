import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DryRuns } from "#apps/margin/dry-runs.ts";
import { run } from "#apps/cli/program.ts";
import type { DryRunReply } from "#libs/contracts/live/dry-run.ts";
import type { LimitsReply } from "#libs/contracts/live/limits.ts";
import { liveOptions } from "#libs/journal/index.ts";
import { Engine } from "#libs/engine/index.ts";
import { expectExact } from "../support/exact.ts";
import { listened } from "../support/listened.ts";
import { eventually, liveShard, type LiveShard, shardRules } from "../support/live-shard.ts";
import { half, seed } from "../support/shard-entries.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let shard: LiveShard;
let folder = "";

beforeEach(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
  folder = mkdtempSync(join(tmpdir(), "plimsoll-dry-run-"));
});
afterEach(async () => {
  await shard.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Both hold 8 BTC, a notional of 400,000 on 100,000 of equity. */
async function runningShard(): Promise<void> {
  await seed(shard);
  const leader = await shard.start();
  await leader.whenMessage("ready");
  await shard.trade(half("alice", "buy", "t-1", "8"));
  await shard.trade(half("bob", "sell", "t-1", "8"));
  await shard.settled();
  const follower = await shard.start("follower", { PLIMSOLL_SNAPSHOT_MS: "86400000" });
  await follower.whenMessage("ready");
  let tries = 0;
  await eventually("the follower's copy", async () => {
    tries += 1;
    const reply = await dryRun(`try-${tries}`, { set: {} });
    return reply.state === "done" && reply.seq >= shard.lastSeq;
  });
}

const tiersOf = (im: string, mm: string) => ({ instruments: [{ id: "BTC-PERP", tiers: [{ from: "0", im, mm }] }] });

/** Asks until the run has ended. */
async function dryRun(id: string, asked: object): Promise<DryRunReply> {
  return eventually("the dry run", async () => {
    const reply = await shard.ask<DryRunReply>("dry-run", { run: id, ...asked });
    return reply.state === "running" ? null : reply;
  });
}

test("a dry run says who would be liquidated, at which entry, and what is then applied does that and no more", async () => {
  await runningShard();
  const set = tiersOf("0.4", "0.25");
  const reply = await dryRun("proposal", { set });
  if (reply.state !== "done") throw new Error(JSON.stringify(reply));
  const { result, seq } = reply;
  expect(seq).toBeGreaterThanOrEqual(shard.lastSeq);
  expect(result.accounts.map(({ account, outcome }) => [account, outcome])).toEqual([
    ["alice", "liquidated_in_full"],
    ["bob", "liquidated_in_full"],
  ]);
  expect(result.totals.closesUsd).toBe("800000");
  // The live book has not noticed.
  const before = await shard.status();
  expect(before).toMatchObject({ openSagas: 0, ruleVersion: 1 });
  expect(result.entries).toBeLessThanOrEqual(Number(before.counters["entries"]));
  const [instrument] = shardRules.instruments;
  const instruments = [{ ...instrument, ...set.instruments[0] }] as typeof shardRules.instruments;
  await shard.put("operator", { k: "rules", document: { ...shardRules, instruments } });
  await eventually("the liquidations", async () => (await shard.status()).openSagas === 2);
  await expectExact(shard);
});

test("the same id asks for the same run, what is no proposal is refused with every problem, and so are rules that could not be", async () => {
  await runningShard();
  const first = await dryRun("one", { set: {} });
  expect(first).toMatchObject({ state: "done", result: { accounts: [], totals: { judged: 2 } } });
  // The follower also says how far limits are used, of all accounts together and page by page.
  const limits = await shard.ask<LimitsReply>("limits", {});
  expect(limits).toMatchObject({
    accounts: [],
    next: null,
    sums: { accounts: 2, equity: "200000", notional: "800000" },
  });
  expect(limits.seq).toBeGreaterThanOrEqual(shard.lastSeq);
  expect(await shard.ask<LimitsReply>("limits", { from: 1_000 })).toMatchObject({ next: null, sums: { accounts: 0 } });
  await expect(shard.ask("limits", { from: -1 })).rejects.toThrow("unreadable");
  // Another proposal under the same id is the same run still.
  expect(await dryRun("one", { set: tiersOf("0.4", "0.25") })).toEqual(first);
  expect(await dryRun("two", { set: { warnings: "no list" } })).toMatchObject({
    state: "refused",
    problems: [{ path: "$.document.warnings", code: "wrong_type" }],
  });
  expect(await dryRun("three", { set: tiersOf("0.01", "0.02") })).toMatchObject({ state: "refused" });
  for (const asked of [{}, { set: {}, document: shardRules }, { set: {}, accounts: 0 }])
    await expect(shard.ask("dry-run", { run: "four", ...asked })).rejects.toThrow("unreadable");
});

test("the command asks every shard and says it for people and for machines", async () => {
  await runningShard();
  const file = join(folder, "change.json");
  writeFileSync(file, JSON.stringify(tiersOf("0.4", "0.25")));
  const environment = { NATS_URL: nats().url, PLIMSOLL_NAMESPACE: shard.bus.names.namespace };
  const text = await listened(environment, async () => run(["dry-run", "--change", file]));
  expect(text.exit).toBe(0);
  expect(text.stdout).toContain("alice liquidated_in_full");
  const json = await listened(environment, async () => run(["dry-run", "--change", file, "--json", "--accounts", "1"]));
  expect(JSON.parse(json.stdout)).toMatchObject({
    shard: "0",
    state: "done",
    result: { accounts: [{ account: "alice" }] },
  });
  writeFileSync(file, "[1");
  expect((await listened(environment, async () => run(["dry-run", "--rules", file]))).exit).toBe(2);
});

const emptyBook = () => ({ bytes: Engine.create(shardRules, liveOptions).snapshot(), seq: 0 });

test("one run at a time, and one that takes too long is given up", async () => {
  const slow = new DryRuns(emptyBook, 0);
  const [late, other] = await Promise.all([slow.ask({ run: "a", set: {} }), slow.ask({ run: "b", set: {} })]);
  expect(late).toMatchObject({ state: "failed" });
  expect(other).toEqual({ state: "busy" });
  await slow.stop();
  const none = new DryRuns(() => null);
  expect(await none.ask({ run: "a", set: {} })).toMatchObject({ state: "failed" });
});
