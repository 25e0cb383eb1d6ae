import { cpus } from "node:os";
import { acquireShard, migrate, openDatabase, releaseShard, saveSnapshot } from "#libs/adapters/postgres/index.ts";
import { startNats, startPostgres } from "#libs/process/servers/index.ts";
import { snapshotFormat } from "#libs/journal/index.ts";
import { liveShard, type LiveShard } from "#test/support/live-shard.ts";
import { asBuilt } from "./built.ts";
import { benchBook, instrumentCount, instrumentId, startPrice } from "./book.ts";

/*
 * node --import tsx test/bench/cold-start.ts [accounts] [starts]
 * From the start of the margin process to its first answer, on real NATS and PostgreSQL: lease, newest snapshot read, checked and restored,
 * log, handshake, fresh marks. The book has three positions and two collaterals an account. The snapshot is put into the tables
 * as a follower writes it; entries after it would be replayed on top (the README has entries a second).
 */
const accounts = Number(process.argv[2] ?? 100_000);
const starts = Number(process.argv[3] ?? 3);
const withinMs = 300_000;
const chainHash = "ab".repeat(32);

const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(40)} ${value}\n`);

await asBuilt();
const nats = await startNats();
const postgres = await startPostgres();
await migrate(postgres.url);
const shard = await liveShard(nats.url, postgres.url);
try {
  say("machine", `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, Node ${process.version}`);
  await saveBook();
  const ticks = setInterval(() => void shard.put("mark-price", frame()).catch(() => {}), 100);
  try {
    for (let at = 0; at < starts; at += 1) await measureStart(shard);
  } finally {
    clearInterval(ticks);
  }
} finally {
  await shard.stop();
  await nats.stop();
  await postgres.stop();
}

/** The tables as they are after the entries of the book, of which only the snapshot is kept. */
async function saveBook(): Promise<void> {
  const { engine } = benchBook(accounts, 1);
  const { appliedSeq: entry, factSeq } = engine.machine;
  const bytes = engine.snapshot();
  say("accounts, bytes of the snapshot", `${accounts}, ${bytes.length}`);
  const db = openDatabase({ url: postgres.url, name: "bench", statementTimeoutMs: withinMs });
  const led = await acquireShard(db, "0", "bench", 60_000);
  if (led === null) throw new Error("the shard is led by somebody");
  const hashes = { chainHash, stateHash: engine.stateHash() };
  const began = performance.now();
  await saveSnapshot(db, { shard: "0", entry, seq: 0, factSeq, ...hashes, format: snapshotFormat, bytes });
  say("snapshot written", seconds(began));
  await db.query({
    text: "UPDATE shard SET entries = $1, fact_seq = $2, chain_hash = decode($3, 'hex') WHERE id = '0'",
    values: [entry, factSeq, chainHash],
  });
  await releaseShard(db, "0", led.epoch);
  await db.close();
}

function frame() {
  const index: Record<string, string> = { USDT: "1" };
  const mark: Record<string, string> = {};
  for (let number = 0; number < instrumentCount; number += 1) {
    index[`C${number}`] = startPrice(number).toFixed(4);
    mark[instrumentId(number)] = startPrice(number).toFixed(4);
  }
  return { k: "frame", index, mark } as const;
}

async function measureStart(of: LiveShard): Promise<void> {
  const began = performance.now();
  const app = await of.start();
  await app.whenMessage("leading", withinMs);
  const leading = seconds(began);
  await app.whenMessage("state recovered", withinMs);
  const recovered = seconds(began);
  await app.whenMessage("ready", withinMs);
  const ready = seconds(began);
  const order = { id: "o1", instrument: "C1-PERP", side: "buy", qty: "0.001", price: startPrice(1).toFixed(4) };
  for (;;) {
    const question = { request: `q${began.toFixed(0)}-${performance.now().toFixed(0)}`, account: "a1", order };
    const answer = await of.ask<{ decision: string; codes: string[] }>("check", question).catch(() => null);
    if (answer !== null && !answer.codes.includes("recovering")) break;
  }
  say("leading, recovered, ready, answered", [leading, recovered, ready, seconds(began)].join(", "));
  await app.kill();
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(2)} s`;
}
