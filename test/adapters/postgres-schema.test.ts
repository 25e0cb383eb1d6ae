import { afterAll, beforeAll, expect, test } from "vitest";
import { startPostgres } from "#libs/process/servers/index.ts";
import type { PrivatePostgres } from "#libs/process/servers/index.ts";
import {
  acquireShard,
  commitBatch,
  dropDaysBefore,
  dropPartitionsBefore,
  ensurePartitions,
  migrate,
  openDatabase,
  saveSnapshot,
  checkLedger,
} from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { batchAfter, deposit, newShard } from "./postgres-database.ts";

let server: PrivatePostgres;
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(() => server.stop());

let databases = 0;
async function withDatabase(work: (db: Database, url: string) => Promise<void>, migrated = true): Promise<void> {
  databases += 1;
  const name = `test_${databases}`;
  await server.createDatabase(name);
  const url = server.urlOf(name);
  if (migrated) await migrate(url);
  const db = openDatabase({ url, name });
  try {
    await work(db, url);
  } finally {
    await db.close();
  }
}

const partitionsOf = async (db: Database, parent: string): Promise<string[]> => {
  const text = "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1";
  return (await db.query<{ name: string }>({ text, values: [parent] })).rows.map((row) => row.name);
};

const state = async (db: Database, text: string): Promise<string> => {
  const error = await db.query({ text }).then(
    () => null,
    (one: unknown) => one,
  );
  if (error === null) return "accepted";
  return (error as { constraint?: string; code?: string }).constraint ?? String((error as { code?: string }).code);
};

test("migrations run up, down and up again, and once more without effect", async () => {
  await withDatabase(async (db, url) => {
    const names = await migrate(url);
    expect(names.length).toBeGreaterThan(0);
    expect(await migrate(url)).toEqual([]);
    expect(await migrate(url, { direction: "down" })).toEqual([...names].reverse());
    const left = await db.query({
      text: `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'd'`,
    });
    expect(left.rows).toEqual([{ name: "plimsoll_migration" }]);
    expect(await migrate(url)).toEqual(names);
    expect(await acquireShard(db, "0", "me", 1_000)).toMatchObject({ epoch: 1 });
  }, false);
});

test("several migrate one database and two databases of a cluster at the same moment", async () => {
  await withDatabase(async (_, one) => {
    await withDatabase(async (__, two) => {
      const ran = await Promise.all([migrate(one), migrate(one), migrate(one), migrate(two), migrate(two)]);
      const counts = ran.map((names) => names.length);
      const all = Math.max(...counts);
      expect(counts.slice(0, 3).toSorted((a, b) => a - b)).toEqual([0, 0, all]);
      expect(counts.slice(3).toSorted((a, b) => a - b)).toEqual([0, all]);
    }, false);
  }, false);
});

test("the database refuses each forbidden thing, whoever asks", async () => {
  await withDatabase(async (db) => {
    const before = await newShard(db, "s");
    await commitBatch(
      db,
      batchAfter(before, {
        transactions: [deposit(1, "a", "5")],
        factSeq: 1,
        facts: [{ seq: 1, t: 1, fact: "x", account: "a", body: {} }],
        sourceSeqs: [{ source: "venue", seq: 5 }],
      }),
    );
    const leg = (table: string, amounts: string[]): string =>
      `INSERT INTO ${table} (shard, entry, number, account, asset, leg, amount)
       VALUES ${amounts.map((amount) => `('s', 2, 0, 'a', 'USD', 'cash', '${amount}')`).join(", ")}`;
    expect(await state(db, leg("ledger_leg", ["1", "-1"]))).toBe("accepted");
    // The database's own errors come typed; the rest of what is asked here is which rule refused.
    for (const table of ["ledger_leg", "ledger_leg_p000000"])
      await expect(db.query({ text: leg(table, ["1", "-0.9"]) }), table).rejects.toThrow(/leaves 0\.1 USD/);
    expect(await state(db, leg("ledger_leg", ["NaN", "1"]))).toBe("amount_finite");
    expect(await state(db, leg("ledger_leg", ["Infinity", "-Infinity"]))).toBe("amount_finite");
    expect(await state(db, leg("ledger_leg", ["1e40", "-1e40"]))).toBe("amount_finite");
    expect(await state(db, leg("ledger_leg", ["1e-19", "-1e-19"]))).toBe("amount_decimals");
    for (const table of [
      "journal",
      "ledger_transaction",
      "ledger_leg",
      "fact",
      "ledger_leg_p000000",
      "journal_p000000",
    ]) {
      expect(await state(db, `UPDATE ${table} SET shard = 'x'`), table).toBe("PL003");
      expect(await state(db, `DELETE FROM ${table}`), table).toBe("PL003");
      expect(await state(db, `TRUNCATE ${table}`), table).toBe("PL003");
    }
    for (const column of ["epoch", "applied_seq", "entries"])
      expect(await state(db, `UPDATE shard SET ${column} = 0`), column).toBe("PL004");
    expect(await state(db, "DELETE FROM shard")).toBe("PL003");
    expect(await state(db, "UPDATE source_seq SET seq = 4")).toBe("PL004");
    const held = (account: string, amount: string): string =>
      `INSERT INTO balance VALUES ('s', '${account}', 'USD', '${amount}')`;
    expect(await state(db, held("insurance", "-1"))).toBe("balance_fund_not_negative");
    expect(await state(db, held("house", "-1"))).toBe("balance_fund_not_negative");
    expect(await state(db, held("a", "-1"))).toBe("accepted");
    const position = (qty: string, cost: string, margin: string, mode: string): string =>
      `INSERT INTO position VALUES ('s', 'a', 'BTC', '${qty}', '${cost}', '${margin}', '${mode}', NULL, 0)`;
    expect(await state(db, position("1", "1", "1", "cross"))).toBe("position_margin_isolated");
    expect(await state(db, position("0", "1", "0", "cross"))).toBe("position_flat_costs_nothing");
    expect(await state(db, position("1", "1", "0", "hedge"))).toBe("position_mode_check");
    expect(await state(db, position("1", "1", "1", "isolated"))).toBe("accepted");
  });
});

test("partitions are made ahead, by the batch that needs one, and dropped once nothing needs them", async () => {
  await withDatabase(async (db) => {
    const size = 10_000_000;
    expect(await ensurePartitions(db, 2 * size)).toBe(0);
    expect(await Promise.all([ensurePartitions(db, 3 * size), ensurePartitions(db, 3 * size)])).toContain(4);
    const before = await newShard(db, "far");
    await db.query({ text: "UPDATE shard SET entries = $1", values: [6 * size] });
    const batch = batchAfter({ ...before, entries: 6 * size }, { transactions: [deposit(6 * size + 1, "a", "5")] });
    expect(await commitBatch(db, batch)).toBe("committed");
    expect(await partitionsOf(db, "ledger_leg")).toContain("ledger_leg_p000006");

    expect(await dropPartitionsBefore(db, "journal", 5 * size)).toEqual([]);
    expect(await dropPartitionsBefore(db, "ledger", 5 * size)).toEqual([]);
    const { entries, chainHash } = { entries: 6 * size + 1, chainHash: batch.chainHash };
    const snapshot = { shard: "far", entry: entries, seq: 1, factSeq: 0, chainHash, stateHash: chainHash, format: "1" };
    await saveSnapshot(db, { ...snapshot, bytes: new Uint8Array(9) });
    await checkLedger(db, "far");
    expect(await dropPartitionsBefore(db, "journal", 2 * size - 1)).toEqual(["journal_p000000"]);
    expect(await dropPartitionsBefore(db, "ledger", 2 * size)).toHaveLength(4);
    expect(await partitionsOf(db, "journal")).not.toContain("journal_p000000");
    expect(await dropDaysBefore(db, "gate_decision", 0)).toEqual([]);
    await db.query({
      text: "SELECT make_partition('gate_decision', 'gate_decision_d20200101', '2020-01-01', '2020-01-02')",
    });
    expect(await dropDaysBefore(db, "gate_decision", 30)).toEqual(["gate_decision_d20200101"]);
  });
});
