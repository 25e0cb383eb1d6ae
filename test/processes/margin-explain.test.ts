import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "#apps/cli/program.ts";
import { findDecisions } from "#libs/adapters/postgres/index.ts";
import { listened } from "../support/listened.ts";
import { eventually, liveShard, type LiveShard } from "../support/live-shard.ts";
import { check, seed, trade } from "../support/shard-entries.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let shard: LiveShard;
let url = "";

beforeEach(async () => {
  ({ url } = await migratedPostgres());
  shard = await liveShard(nats().url, url);
});
afterEach(async () => shard.stop());

const explain = async (...words: string[]) => listened({ DATABASE_URL: url }, async () => run(["explain", ...words]));

test("a refusal is made again from the journal, with its receipt, whatever has happened since and wherever snapshots stand", async () => {
  await seed(shard);
  const leader = await shard.start();
  await leader.whenMessage("ready");
  await trade(shard);
  await shard.settled();
  // 100,000 of equity at 2 %: 100 contracts at 50,000 less what is held.
  const { request, codes } = await check(shard, "large", "200");
  expect(codes).toEqual(["initial_margin"]);
  for (let count = 0; count < 5; count += 1) await trade(shard);
  await shard.settled();
  await eventually("the record", async () => (await findDecisions(shard.db, request)).length > 0);
  const bodies = (await findDecisions(shard.db, request)).map(({ body }) => body as { readonly entries: number });
  const found = await explain("--request", request, "--json");
  expect(found.exit).toBe(0);
  expect(JSON.parse(found.stdout)).toMatchObject({
    agrees: true,
    entries: bodies[0]?.entries,
    verdicts: [{ decision: "reject", codes: ["initial_margin"] }],
    receipts: [{ kind: "rejection", avoidedBy: { size: { instrument: "BTC-PERP", qty: "99.99" } } }],
  });
  const follower = await shard.start("follower", { PLIMSOLL_SNAPSHOT_MS: "100" });
  await follower.whenMessage("snapshot written");
  await follower.stop();
  await trade(shard);
  const later = (await check(shard, "later", "300")).request;
  await eventually("the record", async () => (await findDecisions(shard.db, later)).length > 0);
  await shard.settled();
  for (const one of [request, later]) {
    const text = await explain("--request", one);
    expect(text).toMatchObject({ exit: 0, stdout: expect.stringContaining("the same again") as string });
    expect(text.stdout).toContain("initial_margin");
    expect(text.stdout).toContain("a size of 99.9");
  }
  const review = async (...words: string[]) => listened({ DATABASE_URL: url }, async () => run(["review", ...words]));
  expect(JSON.parse((await review("--json")).stdout)).toMatchObject({
    days: 7,
    codes: [{ code: "initial_margin", accounts: 1 }],
    utilisation: { "0": [{ account: "alice", limit: "initialMargin" }, { account: "bob" }] },
  });
  expect((await review("--monthly")).stdout).toContain("the last 30 days: 0 accepted");
  expect((await review("--monthly", "--weekly")).exit).toBe(64);
});

test("a record that does not come out as it was given is said to be so, and what is not kept cannot be explained", async () => {
  await seed(shard);
  const leader = await shard.start();
  await leader.whenMessage("ready");
  const { request } = await check(shard, "large", "200");
  await eventually("the record", async () => (await findDecisions(shard.db, request)).length > 0);
  await shard.settled();
  await shard.db.transaction(async (client) => {
    await client.query({ text: "SET LOCAL session_replication_role = replica" });
    await client.query({ text: `UPDATE gate_decision SET body = jsonb_set(body, '{answer,codes}', '["leverage"]')` });
  });
  const found = await explain("--request", request);
  expect([found.exit, found.stdout]).toEqual([1, expect.stringContaining("ANOTHER ANSWER")]);
  expect(await explain("--request", "nobody")).toMatchObject({ exit: 1, stdout: "" });
  expect((await explain("file.json", "--request", "r")).exit).toBe(64);
  expect((await explain()).exit).toBe(64);
});
