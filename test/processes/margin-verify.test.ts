import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyShard } from "#apps/cli/verify-shard.ts";
import type { Database, Queryable } from "#libs/adapters/postgres/index.ts";
import { eventually, liveShard, type LiveShard, shardRules } from "../support/live-shard.ts";
import { expectExact, expectVerified } from "../support/exact.ts";
import { frame, half } from "../support/shard-entries.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let shard: LiveShard;

async function trade(buyer: string, seller: string, qty: string, id: string): Promise<void> {
  await shard.trade(half(buyer, "buy", id, qty));
  await shard.trade(half(seller, "sell", id, qty));
}

/** A shard with one of everything that the tables keep: an isolated position, a halt, new rules, a saga that waits, its effect. */
beforeAll(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
  await shard.put("mark-price", frame("50000"));
  const deposits = { alice: "100000", bob: "100000", carol: "1000" };
  for (const [account, amount] of Object.entries(deposits))
    await shard.put("operator", { k: "cash", account, asset: "USDT", amount });
  const app = await shard.start();
  await app.whenMessage("ready");
  const isolated = { account: "alice", instrument: "BTC-PERP" } as const;
  await shard.put("operator", { k: "mode", ...isolated, mode: "isolated", leverage: "5" });
  await trade("alice", "bob", "0.2", "t-1");
  await trade("carol", "bob", "0.5", "t-2");
  await shard.put("operator", { k: "margin", ...isolated, amount: "100" });
  const tiers = [{ from: "0", im: "0.03", mm: "0.01" }];
  const changed = shardRules.instruments.map((one) => ({ ...one, tiers }));
  await shard.put("operator", { k: "rules", document: { ...shardRules, instruments: changed } });
  await shard.put("operator", {
    k: "halt",
    scope: "instrument",
    id: "BTC-PERP",
    state: "reduce_only",
    reason: "maintenance",
  });
  await shard.put("mark-price", frame("48500"));
  await eventually("the saga", async () => (await shard.status()).openSagas === 1);
  await expectExact(shard);
  await app.stop();
}, 60_000);
afterAll(async () => shard.stop());

class Undo extends Error {}

/** What a verification finds after a change, which is then undone. */
async function foundAfter(change: string): Promise<readonly string[]> {
  let found: readonly string[] = [];
  const within = async (client: Queryable): Promise<void> => {
    await client.query({ text: "SET LOCAL session_replication_role = replica" });
    const { rowCount } = await client.query({ text: change });
    expect(rowCount).toBeGreaterThan(0);
    const close = async (): Promise<void> => {};
    const transaction: Database["transaction"] = async (work) => work(client);
    const db: Database = { name: "planted", close, transaction, query: async (statement) => client.query(statement) };
    found = (await verifyShard(db, "0"))?.differences ?? [];
    throw new Undo();
  };
  await shard.db.transaction(within).catch((error: unknown) => {
    if (!(error instanceof Undo)) throw error;
  });
  return found;
}

const carol = "account = 'carol'";
const alice = "account = 'alice'";

test.each([
  ["a balance", `UPDATE balance SET amount = amount + 1 WHERE ${carol}`, "balance carol USDT: engine 1000, table 1001"],
  ["a balance that is gone", `DELETE FROM balance WHERE ${carol}`, "balance carol USDT: engine 1000, table nothing"],
  [
    "a balance of nobody",
    "INSERT INTO balance VALUES ('0', 'mallory', 'USDT', 5)",
    "balance mallory USDT: engine nothing, table 5",
  ],
  ["contracts", `UPDATE position SET qty = qty + 0.001 WHERE ${alice}`, "position alice BTC-PERP: engine 0.2 "],
  ["a position's cost", `UPDATE position SET cost = cost + 1 WHERE ${carol}`, "position carol BTC-PERP: engine"],
  ["its margin", `UPDATE position SET margin = margin - 1 WHERE ${alice}`, "position alice BTC-PERP: engine"],
  ["its mode", `UPDATE position SET mode = 'isolated' WHERE ${carol}`, "position carol BTC-PERP: engine"],
  ["its leverage", `UPDATE position SET leverage = 6 WHERE ${alice}`, "position alice BTC-PERP: engine"],
  ["its funding epoch", `UPDATE position SET funding_epoch = 9 WHERE ${alice}`, "position alice BTC-PERP: engine"],
  ["a position that is gone", `DELETE FROM position WHERE ${carol}`, "position carol BTC-PERP: engine 0.5 "],
  [
    "a position of nobody",
    "INSERT INTO position VALUES ('0', 'mallory', 'BTC-PERP', 1, 50000, 0, 'cross', NULL, 0)",
    "position mallory BTC-PERP: engine nothing",
  ],
  [
    "a leg moved to another account",
    "UPDATE ledger_leg SET account = 'bob' WHERE account = 'carol' AND leg = 'cash'",
    "ledger carol USDT cash: engine 1000 in 1 legs, table nothing",
  ],
  [
    "a leg of another kind",
    `UPDATE ledger_leg SET leg = 'accrued' WHERE ${alice} AND leg = 'margin'`,
    "ledger alice USDT margin BTC-PERP",
  ],
  [
    "an amount outside",
    "UPDATE ledger_leg SET amount = amount - 1 WHERE account = 'external' AND amount = -1000",
    "ledger external USDT external",
  ],
  [
    "legs that cancel each other",
    `INSERT INTO ledger_leg SELECT shard, entry, 7, account, asset, leg, instrument, a
      FROM ledger_leg, unnest(ARRAY[1, -1]) AS a WHERE ${carol} AND leg = 'cash'`,
    "ledger carol USDT cash: engine 1000 in 1 legs, table 1000 in 3 legs",
  ],
  ["an effect", "UPDATE effect SET body = jsonb_set(body, '{account}', '\"bob\"')", "effect "],
  ["an effect that is answered", "UPDATE effect SET answered_seq = 99999, answered_at = now()", "table nothing"],
  [
    "an effect that nobody asked for",
    `INSERT INTO effect (shard, id, kind, body, opened_seq) VALUES ('0', 'x-1', 'block', '{"id": "x-1"}', 1)`,
    "effect x-1: engine nothing",
  ],
  ["a saga's step", "UPDATE saga SET step = step + 1", "saga "],
  ["a saga's stage", "UPDATE saga SET state = 'partial', stage = 2", "saga "],
  ["a saga that has ended", "UPDATE saga SET ended = true", "table nothing"],
  [
    "a producer's number",
    "UPDATE source_seq SET seq = seq + 1 WHERE source = 'venue'",
    "source venue: engine 4, table 5",
  ],
  ["a producer that is gone", "DELETE FROM source_seq WHERE source = 'operator'", "source operator: engine"],
  ["a halt", "UPDATE halt SET state = 'paused'", "halt instrument BTC-PERP of an operator: engine"],
  ["a halt that is gone", "DELETE FROM halt", "halt instrument BTC-PERP of an operator: engine"],
  [
    "a halt that nobody set",
    "INSERT INTO halt VALUES ('0', 'global', NULL, 'paused', 'why', true, 1, NULL)",
    "halt global  of an operator: engine nothing",
  ],
  [
    "rules",
    "UPDATE rule_version SET document = jsonb_set(document, '{assets,0,quantum}', '\"0.01\"') WHERE version = 1",
    "rules 1: engine",
  ],
  ["rules that are gone", "DELETE FROM rule_version WHERE version = 2", "rules 2: engine"],
  ["rules in force", "UPDATE shard SET rule_version = 3", "rule version: engine 2, table 3"],
  ["the newest fact", "UPDATE shard SET fact_seq = fact_seq + 1", "newest fact: engine"],
  ["the log's time", "UPDATE shard SET log_time = log_time + 1", "log time: engine"],
  ["the chain's head", "UPDATE shard SET chain_hash = decode(repeat('ab', 32), 'hex')", "the journal ends at entry"],
  ["the journal", "UPDATE journal SET facts = entries WHERE first_entry = 1", "the hash differs"],
  [
    "the journal's end",
    "DELETE FROM journal WHERE last_entry = (SELECT entries FROM shard)",
    "the journal ends at entry",
  ],
])("a changed table is found: %s", async (_, change, expected) => {
  const found = await foundAfter(change);
  expect(found.filter((one) => one.includes(expected))).not.toEqual([]);
});

test("after all of that was undone the shard verifies, and a shard that is not there has nothing to verify", async () => {
  await expectVerified(shard);
  expect(await verifyShard(shard.db, "9")).toBeNull();
});
