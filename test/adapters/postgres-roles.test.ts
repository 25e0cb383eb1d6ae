import { afterAll, beforeAll, expect, test } from "vitest";
import {
  acquireLease,
  appendAudit,
  checkLedger,
  commitBatch,
  dropPartitionsBefore,
  enqueueEntry,
  ensurePartitions,
  insertDecisions,
  loadSnapshots,
  markEffectsSent,
  markNoticesSent,
  markProviderCalled,
  markPublished,
  moveFactCursor,
  migrate,
  noticeId,
  openDatabase,
  openEffects,
  openProviderCall,
  partitionRoom,
  pendingEntries,
  pruneEffects,
  pruneOutbox,
  pruneRecords,
  readAccounts,
  raiseAlarm,
  recordNotices,
  recordReconciliation,
  saveMarkInputs,
  saveMarkState,
  saveSnapshot,
} from "#libs/adapters/postgres/index.ts";
import type { Database, NewEntry, PrunedTable } from "#libs/adapters/postgres/index.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import { migratedPostgres, privatePostgres } from "#test/support/servers.ts";
import { databaseRoles, urlAs } from "#test/support/database-roles.ts";
import type { DatabaseRole } from "#test/support/database-roles.ts";
import { table } from "#test/support/table.ts";
import { batchAfter, deposit, newShard } from "./postgres-database.ts";

let owner: Database;
const dbs = new Map<DatabaseRole, Database>();
const as = (role: DatabaseRole): Database => dbs.get(role) as Database;

beforeAll(async () => {
  const { url } = await migratedPostgres();
  owner = openDatabase({ url, name: "owner" });
  for (const role of databaseRoles) dbs.set(role, openDatabase({ url: await urlAs(role, url), name: role, max: 2 }));
  await newShard(owner, "s");
}, 60_000);
afterAll(() => Promise.all([owner, ...dbs.values()].map((db) => db.close())));

/*
 * Who may do what to a table: r reads, a adds, w changes, (w) changes some columns, d deletes. The API and readonly read
 * everything. A new table has no line here, and the test below fails until somebody has thought about it.
 */
const rights = table(`
  name                  | margin  | liquidation  | scheduler  | mark_price  | api           | streams
  alert                 | -       | -            | rawd       | -           | (w)           | r
  alert_delivery        | -       | -            | rawd       | -           | -             | r
  audit                 | -       | a            | -          | -           | a             | -
  audit_head            | -       | -            | -          | -           | -             | -
  command               | -       | -            | -          | -           | a(w)          | -
  dry_run               | -       | -            | -          | -           | a             | -
  balance               | raw     | -            | r          | -           | -             | -
  dead_letter           | a       | -            | rd         | -           | -             | -
  effect                | ra(w)   | r(w)         | rd         | -           | -             | -
  entity_evidence       | -       | -            | rd         | -           | a(w)          | -
  entry_outbox          | r       | ra(w)        | ra(w)d     | -           | a             | -
  api_key               | -       | -            | -          | -           | a(w)          | r
  token_revocation      | -       | -            | -          | -           | a(w)          | r
  fill_slippage         | raw     | -            | rd         | -           | -             | -
  fact_cursor           | -       | raw          | raw        | -           | -             | -
  fact                  | a       | r            | r          | -           | -             | r
  gate_decision         | a       | -            | -          | -           | -             | -
  halt                  | rad     | -            | r          | -           | -             | -
  journal               | ra      | -            | -          | -           | -             | r
  lease                 | -       | raw          | raw        | raw         | -             | -
  ledger_checkpoint     | -       | -            | raw        | -           | -             | -
  ledger_checkpoint_sum | -       | -            | raw        | -           | -             | -
  ledger_leg            | a       | -            | r          | -           | -             | -
  ledger_transaction    | a       | -            | -          | -           | -             | -
  mark_input            | -       | -            | -          | a           | -             | -
  mark_state            | -       | -            | raw        | raw         | -             | -
  notice                | a       | raw          | rad        | a           | -             | -
  plimsoll_migration    | r       | r            | r          | r           | -             | r
  position              | rawd    | -            | r          | -           | -             | -
  provider_call         | -       | raw          | rd         | -           | -             | -
  reconciliation        | ra      | -            | rad        | -           | -             | -
  rule_version          | ra      | r            | r          | r           | -             | -
  saga                  | raw     | r            | -          | -           | -             | -
  shard                 | raw     | r            | r          | r           | -             | r
  snapshot              | rad     | -            | r          | -           | -             | r
  snapshot_part         | ra      | -            | -          | -           | -             | r
  source_counter        | -       | raw          | raw        | -           | aw            | -
  source_seq            | raw     | -            | r          | r           | -             | -
`);

interface Found {
  readonly name: string;
  readonly role: DatabaseRole;
  readonly may: string;
}

test("every table is for those alone who need it", async () => {
  const { rows } = await owner.query<Found>({
    text: `SELECT name, role, concat(
        CASE WHEN has_table_privilege(login, oid, 'SELECT') THEN 'r' END,
        CASE WHEN has_table_privilege(login, oid, 'INSERT') THEN 'a' END,
        CASE WHEN has_table_privilege(login, oid, 'UPDATE') THEN 'w'
          WHEN has_any_column_privilege(login, oid, 'UPDATE') THEN '(w)' END,
        CASE WHEN has_table_privilege(login, oid, 'DELETE') THEN 'd' END,
        CASE WHEN has_table_privilege(login, oid, 'TRUNCATE, REFERENCES, TRIGGER') THEN ' and more' END) AS may
      FROM (SELECT oid, relname::text AS name FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition) AS tables
      CROSS JOIN (SELECT role, 'plimsoll_' || role AS login FROM unnest($1::text[]) AS role) AS roles ORDER BY name`,
    values: [[...databaseRoles]],
  });
  const readsAll = (role: DatabaseRole): boolean => role === "api" || role === "readonly";
  const found = rows.map((row) => ({ ...row, may: readsAll(row.role) ? row.may.replace(/^r/, "") : row.may }));
  const expected = rights.flatMap((row) =>
    databaseRoles.map((role) => ({ name: row.name, role, may: role === "readonly" ? "" : row[role].replace("-", "") })),
  );
  const line = ({ name, role, may }: Found): string => `${name} ${role}: ${may}`;
  expect(found.map(line).sort()).toEqual(expected.map(line).sort());
  expect(rows.filter(({ role, may }) => readsAll(role) && !may.startsWith("r"))).toEqual([]);
});

test("no partition can be got at past its table, and nobody can make anything", async () => {
  const { rows } = await owner.query({
    text: `SELECT relname, role FROM pg_class CROSS JOIN unnest($1::text[]) AS role WHERE relispartition
      AND has_any_column_privilege('plimsoll_' || role, pg_class.oid, 'SELECT, INSERT, UPDATE, REFERENCES')`,
    values: [[...databaseRoles]],
  });
  expect(rows).toEqual([]);
  for (const role of databaseRoles) expect(await refused(as(role), "CREATE TABLE mine (a int)"), role).toBe("42501");
});

const denied = "42501";
/** The code of the refusal, or "accepted". */
const refused = async (db: Database, text: string): Promise<string> =>
  db.query({ text }).then(
    () => "accepted",
    (error: { code?: unknown }) => String(error.code),
  );

const functions = {
  "commit_records('s', 1, NULL, NULL, NULL, NULL)": ["margin"],
  "commit_rarities('s', NULL, NULL, NULL, NULL)": ["margin"],
  "ensure_partitions(0)": ["margin", "scheduler", "mark_price"],
  "drop_days_before('mark_input', 9)": ["scheduler"],
  "drop_partitions_before('fact', 0)": ["scheduler"],
  "advance_ledger_checkpoint('s')": ["scheduler"],
  "ledger_differences('s', 1)": ["scheduler", "api", "readonly"],
  "make_partition('fact', 'x', '0', '1')": [],
} as const;
test.each(Object.entries(functions))("%s is for these alone: %j", async (call, may) => {
  const able: DatabaseRole[] = [];
  for (const role of databaseRoles) if ((await refused(as(role), `SELECT ${call}`)) !== denied) able.push(role);
  expect(able.sort()).toEqual([...may].sort());
});

const entry = (source: string): NewEntry => ({ source, shard: "s", key: "k", body: { k: "time" }, t: 1 });

test("nobody enters, counts, publishes or leads in another's name", async () => {
  const sources = ["liquidation", "scheduler", "operator", "venue"];
  const may: Partial<Record<DatabaseRole, string>> = {
    liquidation: "liquidation",
    scheduler: "scheduler",
    api: "operator",
  };
  for (const role of databaseRoles)
    for (const source of sources) {
      const number = enqueueEntry(as(role), { ...entry(source), key: role }).catch(
        (error: { code?: unknown }) => error.code,
      );
      expect(await number, `${role} as ${source}`).toBe(may[role] === source ? 1 : denied);
    }
  const publish = (role: DatabaseRole, source: string): Promise<number | null> =>
    as(role)
      .query({ text: `UPDATE entry_outbox SET published_at = now() WHERE source = '${source}'` })
      .then(({ rowCount }) => rowCount);
  expect(await publish("liquidation", "operator")).toBe(0);
  expect(await publish("scheduler", "liquidation")).toBe(0);
  expect(await publish("scheduler", "operator")).toBe(1);
  await expect(publish("api", "operator")).rejects.toMatchObject({ code: denied });
  expect(await refused(as("scheduler"), "UPDATE entry_outbox SET body = '{}'")).toBe(denied);

  const notice = (channel: string, account: string): string =>
    `INSERT INTO notice (id, shard, fact_seq, channel, account, body) VALUES ('x', 's', 1, '${channel}', ${account}, '{}')
      ON CONFLICT DO NOTHING`;
  for (const role of databaseRoles) {
    const tells = role === "liquidation";
    const alarms = tells || role === "margin" || role === "scheduler" || role === "mark_price";
    expect(await refused(as(role), notice("account", "'a'")), role).toBe(tells ? "accepted" : denied);
    expect(await refused(as(role), notice("operator", "NULL")), role).toBe(alarms ? "accepted" : denied);
  }

  const lease = { liquidation: "liquidation", scheduler: "scheduler", mark_price: "mark-price" } as const;
  for (const role of Object.keys(lease) as (keyof typeof lease)[])
    for (const name of Object.values(lease)) {
      const held = acquireLease(as(role), name, role, 60_000).catch((error: { code?: unknown }) => error.code);
      expect(await held, `${role} as ${name}`).toEqual(lease[role] === name ? { epoch: 1 } : denied);
    }
  expect(await refused(as("scheduler"), "UPDATE lease SET owner = 'x' WHERE name = 'mark-price'")).toBe("accepted");
  expect(await refused(as("mark_price"), "INSERT INTO mark_state VALUES ('scheduler', 1, 1, '')")).toBe(denied);
  const { rows } = await owner.query({ text: "SELECT owner FROM lease ORDER BY name" });
  expect(rows).toEqual([{ owner: "liquidation" }, { owner: "mark_price" }, { owner: "scheduler" }]);
});

test("what is never changed cannot be changed by the role that wrote it", async () => {
  for (const name of ["journal", "ledger_transaction", "ledger_leg", "fact", "rule_version", "gate_decision"])
    for (const act of [`UPDATE ${name} SET shard = 'x'`, `DELETE FROM ${name}`, `TRUNCATE ${name}`])
      expect(await refused(as("margin"), act), act).toBe(denied);
  for (const act of ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "UPDATE audit_head SET seq = 0"])
    expect(await refused(as("api"), act), act).toBe(denied);
});

test("each role can do its work", async () => {
  const margin = as("margin");
  const before = await newShard(margin, "work");
  const batch = batchAfter(before, {
    transactions: [deposit(1, "a", "5")],
    balances: [{ account: "a", asset: "USD", amount: "5" }],
    effectsOpened: [{ id: "e1", effect: "block", saga: "s1", account: "a", instrument: null }],
    sagas: [{ id: "s1", account: "a", instrument: null, state: "x", stage: 1, step: 0, startedAt: 1, ended: false }],
    halts: [{ scope: "global", id: null, state: "paused", reason: "drill", manual: true, since: 5, until: null }],
    deadLetters: [{ border: "log", code: "x", what: "x", payload: Buffer.from([1]) }],
    rules: [{ version: 1, t: 5, document: {} }],
  });
  expect(await commitBatch(margin, batch)).toBe("committed");
  expect(await commitBatch(margin, batch)).toBe("already");
  const question = { shard: "work", request: "r", verb: "check", account: "a", codes: [], epoch: 1, appliedSeq: 1 };
  await insertDecisions(margin, [{ ...question, decision: "accept", frame: 1, ruleVersion: 1, t: 1, body: {} }]);
  const hash = batch.chainHash;
  const snapshot = { shard: "work", entry: 1, seq: 1, factSeq: 0, chainHash: hash, stateHash: hash, format: "1" };
  for (const size of [9, 10]) await saveSnapshot(margin, { ...snapshot, bytes: Buffer.alloc(size) });
  expect((await loadSnapshots(margin, "work")).snapshot?.bytes).toHaveLength(10);
  expect((await readAccounts(margin, "work", { after: null, limit: 9 })).accounts).toEqual(["a"]);

  const liquidation = as("liquidation");
  expect(await openEffects(liquidation, { shard: "work" })).toHaveLength(1);
  expect(await markEffectsSent(liquidation, [{ shard: "work", id: "e1" }])).toBe(1);
  const told = { shard: "work", factSeq: 1, channel: "account", account: "a", body: {} } as const;
  expect(await recordNotices(liquidation, [told])).toBe(1);
  await markNoticesSent(liquidation, [noticeId(told)]);
  const call = { id: "work-1-takeover", shard: "work", factSeq: 1, provider: "p", saga: "s1", step: 1, body: {} };
  expect(await openProviderCall(liquidation, call)).toBe(true);
  expect(await markProviderCalled(liquidation, call.id)).toBe(1);
  await liquidation.transaction((client) => moveFactCursor(client, "notices", "work", 1));

  const scheduler = as("scheduler");
  expect(await checkLedger(scheduler, "work")).toMatchObject({ added: 2, differences: [] });
  await recordReconciliation(scheduler, { shard: "work", kind: "ledger", appliedSeq: 1, compared: 1, differences: [] });
  await enqueueEntry(as("api"), { ...entry("operator"), shard: "work" });
  expect(await pendingEntries(scheduler, { shard: "work" })).toHaveLength(1);
  await markPublished(scheduler, { source: "operator", shard: "work", sourceSeq: 1, logSeq: 2 });
  await commitBatch(margin, batchAfter({ ...before, ...after(batch) }, { ...answered, balances: [] }));
  expect(await ensurePartitions(scheduler)).toBeGreaterThanOrEqual(0);
  expect(await dropPartitionsBefore(scheduler, "ledger", 0)).toEqual([]);
  expect(await pruneOutbox(scheduler, 0)).toBe(1);
  expect(await pruneEffects(scheduler, 0)).toBe(1);
  for (const kind of ["notice", "reconciliation", "dead_letter"] satisfies PrunedTable[])
    expect(await pruneRecords(scheduler, kind, 0), kind).toBe(1);
  for (const kind of ["fill_slippage", "entity_evidence"] satisfies PrunedTable[])
    expect(await pruneRecords(scheduler, kind, 0), kind).toBe(0);
  expect(await raiseAlarm(scheduler, { id: "x", shard: null, code: "x", text: "x" })).toBe(true);
  expect((await partitionRoom(scheduler)).length).toBeGreaterThan(0);
  await acquireLease(scheduler, "scheduler", "me", 60_000);
  await saveMarkState(scheduler, "scheduler", 1, Buffer.from("state"));

  const markPrice = as("mark_price");
  await acquireLease(markPrice, "mark-price", "me", 60_000);
  await saveMarkState(markPrice, "mark-price", 1, Buffer.from("state"));
  await saveMarkInputs(markPrice, [{ sourceSeq: 1, t: 1, id: "BTC", price: "1", quality: "good", input: {} }]);
  expect(await appendAudit(as("api"), { actor: "o", action: "halt", detail: {} })).toMatchObject({ seq: 1 });
});

const answered = { effectsAnswered: ["e1"], sourceSeqs: [{ source: "operator", seq: 1 }] };
const after = (batch: ReturnType<typeof batchAfter>) => ({
  appliedSeq: batch.toSeq,
  entries: batch.entryCount,
  chainHash: batch.chainHash,
  logTime: batch.t,
});

test("the command migrates; who does not own the schema may find it complete, and may not change it", async () => {
  const { url } = await privatePostgres();
  const command = async (databaseUrl: string) => {
    const app = await spawnApp("cli", { DATABASE_URL: databaseUrl }, { arguments: ["migrate"] });
    return { exit: await app.exit, said: app.lines().map((line) => line["text"]) };
  };
  const { exit, said } = await command(url);
  expect(exit.code).toBe(0);
  expect(said).toContain("0001_shards");
  const own = await urlAs("margin", url);
  expect(await command(own)).toMatchObject({ exit: { code: 0 }, said: [] });
  await migrate(url, { direction: "down", steps: 1 });
  expect(await command(own)).toMatchObject({ exit: { code: 1 }, said: [] });
  expect(await migrate(url)).toEqual([said.at(-1)]);
});
