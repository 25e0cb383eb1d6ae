import { afterEach, beforeEach, expect, test } from "vitest";
import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { ensureStreams, streamLimits, streamState } from "#libs/adapters/nats/index.ts";
import { silentLogger } from "#libs/telemetry/logger.ts";
import { LogTrimmer } from "#apps/margin/log-trimmer.ts";
import { expectExact } from "../support/exact.ts";
import { eventually, liveShard, type LiveShard } from "../support/live-shard.ts";
import { frame, seed, trade } from "../support/shard-entries.ts";
import { deleteStreams, withStreams } from "../support/streams.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let shard: LiveShard;

beforeEach(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
});
afterEach(async () => shard.stop());

const often = { PLIMSOLL_SNAPSHOT_MS: "100" };

interface SnapshotRow {
  readonly entry: number;
  readonly seq: number;
}

async function snapshots(): Promise<readonly SnapshotRow[]> {
  const { rows } = await shard.db.query<{ entry: string; seq: string }>({
    text: "SELECT entry, seq FROM snapshot WHERE shard = '0' ORDER BY entry DESC",
  });
  return rows.map(({ entry, seq }) => ({ entry: Number(entry), seq: Number(seq) }));
}

/** As an administrator who bypasses the triggers, in one transaction. */
async function force(...statements: readonly string[]): Promise<void> {
  await shard.db.transaction(async (client) => {
    await client.query({ text: "SET LOCAL session_replication_role = replica" });
    for (const text of statements) await client.query({ text });
  });
}

test("a leader starts from the follower's newest snapshot that is not damaged, without the journal before it", async () => {
  await seed(shard);
  const first = await shard.start();
  await first.whenMessage("ready");
  const follower = await shard.start("follower", often);
  for (let count = 0; count < 5; count += 1) await trade(shard);
  await shard.settled();
  await eventually("two snapshots", async () => (await snapshots()).length >= 2);
  expect((await follower.stop()).code).toBe(0);
  await trade(shard);
  await shard.settled();
  await expectExact(shard);
  await first.stop();
  const used = (await snapshots())[1] as SnapshotRow;
  await force(
    "UPDATE snapshot_part SET bytes = set_byte(bytes, 20, 0) WHERE entry = (SELECT max(entry) FROM snapshot)",
    `CREATE TABLE journal_kept AS SELECT * FROM journal WHERE last_entry <= ${used.entry}`,
    `DELETE FROM journal WHERE last_entry <= ${used.entry}`,
  );
  const second = await shard.start();
  await shard.put("mark-price", frame());
  await second.whenMessage("ready");
  const recovered = await second.whenMessage("state recovered");
  expect(recovered).toMatchObject({ snapshot: used.entry });
  await force("INSERT INTO journal SELECT * FROM journal_kept");
  await trade(shard);
  await expectExact(shard);
});

test("snapshots of another format or state are passed over, and the whole journal is replayed where none is left", async () => {
  await seed(shard);
  const first = await shard.start();
  await first.whenMessage("ready");
  const follower = await shard.start("follower", often);
  await trade(shard);
  await eventually("a snapshot", async () => (await snapshots()).length > 0);
  await follower.stop();
  await first.stop();
  await force("UPDATE snapshot SET format = 'plimsoll-state-9'");
  const second = await shard.start();
  await shard.put("mark-price", frame());
  expect(await second.whenMessage("state recovered")).toMatchObject({ snapshot: null });
  await second.whenMessage("ready");
  await force("UPDATE snapshot SET format = 'plimsoll-state-1', state_hash = sha256('\\x00'::bytea)::sha256");
  // A follower holds a snapshot to its state hash, which a leader that is in a hurry does not compute.
  const careful = await shard.start("follower", often);
  await careful.whenLine((line) => line["msg"] === "a snapshot cannot be used and is passed over");
  await careful.whenMessage("snapshot written");
  await expectExact(shard);
});

test("the log is trimmed to what a snapshot covers, never past what is applied, and a leader starts from a trimmed log", async () => {
  await seed(shard);
  const first = await shard.start();
  await first.whenMessage("ready");
  const keeping = await shard.start("follower", often);
  for (let count = 0; count < 5; count += 1) await trade(shard);
  await shard.settled();
  await eventually("a snapshot", async () => (await snapshots()).length > 0);
  // Everything is younger than the margin that is kept.
  expect((await streamState(shard.bus, "0")).firstSeq).toBe(1);
  await keeping.stop();
  const trimming = await shard.start("follower", { ...often, PLIMSOLL_LOG_KEPT_MS: "0" });
  await eventually("the trimming", async () => (await streamState(shard.bus, "0")).firstSeq > shard.lastSeq);
  await trimming.stop();
  const trimmed = await streamState(shard.bus, "0");
  const { committedSeq } = await shard.status();
  expect(trimmed.firstSeq).toBeLessThanOrEqual(committedSeq);
  expect(trimmed.firstSeq).toBeLessThanOrEqual((await snapshots())[0]?.seq ?? 0);
  await trade(shard);
  await expectExact(shard);
  await first.stop();
  const { rows } = await shard.db.query<{ applied_seq: string }>({ text: "SELECT applied_seq FROM shard" });
  const next = Number(rows[0]?.applied_seq) + 1;
  await withStreams(nats().url, async (manager) =>
    manager.streams.purge(shard.bus.names.streams.log("0"), { seq: next }),
  );
  expect((await streamState(shard.bus, "0")).firstSeq).toBe(next);
  const second = await shard.start();
  await shard.put("mark-price", frame());
  await second.whenMessage("ready");
  await trade(shard);
  await expectExact(shard);
});

test("a log that is nearly full goes down to the snapshot at once, and a log that is another one is left alone", async () => {
  await deleteStreams(nats().url, shard.bus.names);
  await ensureStreams(shard.bus, ["0"], {
    limits: { ...streamLimits, log: { bytes: 20_000, ageMs: streamLimits.log.ageMs } },
  });
  const { created } = await streamState(shard.bus, "0");
  await shard.db.query({
    text: "INSERT INTO shard (id, applied_seq, stream_created) VALUES ('0', 60, $1)",
    values: [created],
  });
  const trimmer = new LogTrimmer({ bus: shard.bus, db: shard.db, shard: "0", logger: silentLogger, keptMs: 60_000 });
  for (let count = 0; count < 10; count += 1) await shard.put("operator", { k: "time" });
  expect(await trimmer.trim(10)).toBe(0);
  const stored = async (): Promise<number> => (await streamState(shard.bus, "0")).bytes;
  while ((await stored()) <= 15_000) await shard.put("operator", { k: "time" });
  const { lastSeq } = await streamState(shard.bus, "0");
  expect(lastSeq).toBeGreaterThan(61);
  // The snapshot is said to cover more than is applied: only what is applied goes, but for its last.
  expect(await trimmer.trim(lastSeq)).toBe(59);
  expect((await streamState(shard.bus, "0")).firstSeq).toBe(60);
  await shard.db.query({ text: "UPDATE shard SET applied_seq = 70, stream_created = 'another'" });
  expect(await trimmer.trim(70)).toBe(0);
});

test("facts that were committed and not published go out at the next start, from the batch of the first of them on", async () => {
  await seed(shard);
  const first = await shard.start();
  await first.whenMessage("ready");
  for (let count = 0; count < 6; count += 1) {
    await trade(shard);
    await shard.settled();
  }
  const follower = await shard.start("follower", often);
  const { factSeq } = await shard.settled();
  await eventually("a snapshot", async () => ((await snapshots())[0]?.seq ?? 0) >= shard.lastSeq);
  await follower.stop();
  await first.stop();
  const kept = await loseFactsFrom(factSeq - 1);
  expect(kept).toBeGreaterThan(0);
  // Neither the state, which comes from a snapshot, nor the facts need this batch.
  await force(
    "CREATE TABLE journal_kept AS SELECT facts FROM journal WHERE first_entry = 1",
    "UPDATE journal SET facts = '\\x00' WHERE first_entry = 1",
  );
  const second = await shard.start();
  await shard.put("mark-price", frame());
  await second.whenMessage("ready");
  const { factSeq: newest } = await shard.settled();
  const numbers = await eventually("every fact", async () => {
    const found = await publishedFacts();
    return found.at(-1)?.to === newest ? found.flatMap((batch) => batch.facts.map((fact) => fact.seq)) : null;
  });
  expect(numbers).toEqual(Array.from({ length: newest }, (_, at) => at + 1));
  await force("UPDATE journal SET facts = (SELECT facts FROM journal_kept) WHERE first_entry = 1");
  await expectExact(shard);
});

async function publishedFacts(): Promise<FactBatch[]> {
  const stream = shard.bus.names.streams.facts;
  return withStreams(nats().url, async (manager) => {
    const { state } = await manager.streams.info(stream);
    const batches: FactBatch[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq += 1)
      batches.push((await manager.streams.getMessage(stream, { seq })).json<FactBatch>());
    return batches;
  });
}

/** The stream of facts as it is when the last ones were committed and the process died before it had sent them. */
async function loseFactsFrom(seq: number): Promise<number> {
  const batches = (await publishedFacts()).filter((batch) => batch.to < seq);
  await withStreams(nats().url, async (manager) => {
    const { config } = await manager.streams.info(shard.bus.names.streams.facts);
    await manager.streams.delete(config.name);
    await manager.streams.add(config);
    for (const batch of batches)
      await manager.jetstream().publish(shard.bus.names.subjects.facts("0"), JSON.stringify(batch), {
        msgID: `0:${batch.from}`,
      });
  });
  return batches.length;
}
