import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { acquireShard, migrate, openDatabase, releaseShard, saveSnapshot } from "#libs/adapters/postgres/index.ts";
import { snapshotFormat } from "#libs/journal/index.ts";
import { wait } from "#libs/process/backoff.ts";
import { startNats, startPostgres } from "#libs/process/servers/index.ts";
import { liveShard } from "#test/support/live-shard.ts";
import { StreamProcess } from "#test/support/stream-process.ts";
import { asBuilt } from "./built.ts";
import { benchBook, instrumentCount, instrumentId, startPrice } from "./book.ts";
import { cpuSeconds } from "./cpu-time.ts";
import type { Heard, ReadersTask } from "./stream-readers.ts";

/*
 * node --import tsx test/bench/streams.ts [accounts at 1 Hz] [readers of marks at 10 Hz] [stalled] [seconds]
 * Leader and streams as processes with NATS and PostgreSQL on this machine, and all readers in one more process. A frame every 100 ms moves the
 * marks of half the instruments by a step of 0.1 basis points, so that accounts are told by the second. Each reader at 1 Hz is a trader with an
 * account of three positions of its own. Times are from the writing of a frame of prices into the log to the arrival of a WebSocket frame that
 * was computed with it. Stalled readers ask for what operators see first and read nothing.
 */
const [accounts = 10_000, marks = 2_000, stalled = 1_000, seconds = 20] = process.argv.slice(2).map(Number);
const chainHash = "ab".repeat(32);
const frameMs = 100;
const settleMs = 10_000;
const step = 0.000_01;
/** Marks are not where everybody entered, as they never are. */
const away = 0.001;

const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(44)} ${value}\n`);
await asBuilt();
const nats = await startNats();
const postgres = await startPostgres();
await migrate(postgres.url);
const shard = await liveShard(nats.url, postgres.url);
const writtenAt = new Map<number, number>();
let frames = 0;

try {
  say("machine", `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, Node ${process.version}`);
  await saveBook();
  const ticks = setInterval(() => void price().catch(() => {}), frameMs);
  const leader = await shard.start();
  await leader.whenMessage("ready", 60_000);
  const streams = await StreamProcess.start({
    natsUrl: nats.url,
    databaseUrl: postgres.url,
    namespace: shard.bus.names.namespace,
  });
  try {
    await measure(streams);
  } finally {
    for (const line of streams.app.lines())
      if (line["level"] === "warn") say("streams warned", JSON.stringify(line).slice(0, 300));
    clearInterval(ticks);
    await streams.stop();
  }
} finally {
  await shard.stop();
  await nats.stop();
  await postgres.stop();
}

async function measure(streams: StreamProcess): Promise<void> {
  const readers = fork(new URL("stream-readers.ts", import.meta.url), { execArgv: ["--import", "tsx"] });
  const answer = async (): Promise<unknown> => new Promise((resolve) => readers.once("message", resolve));
  const began = performance.now();
  readers.send(task(streams));
  const opened = await answer();
  if (opened !== "open") throw new Error(JSON.stringify(opened));
  say("readers: 1 Hz, 10 Hz, stalled", `${accounts}, ${marks}, ${stalled}, open after ${secondsSince(began)}`);
  await wait(settleMs);
  readers.send("measure");
  const [from, cpu] = [performance.now(), cpuSeconds(streams.app.pid)];
  await wait(seconds * 1_000);
  readers.send("report");
  const used = cpuSeconds(streams.app.pid) - cpu;
  const { heard } = (await answer()) as { heard: Heard };
  const elapsed = (performance.now() - from) / 1_000;
  for (const [group, times] of Object.entries(heard)) report(group, times, elapsed);
  say("streams: cores, resident", `${(used / elapsed).toFixed(2)}, ${residentMb(streams.app.pid)} MB`);
  readers.kill();
}

function task({ url, privateKey }: StreamProcess): ReadersTask {
  const of = (n: number, group: string): number[] =>
    Array.from({ length: n }, (_, at) => (group === "margin" ? at + 1 : at));
  const operator = { roles: ["viewer"] as const, owner: null };
  const seen = ["overview", "marks", "facts", `instrument.${instrumentId(0)}`];
  return {
    url,
    privateKey,
    readers: [
      ...of(accounts, "margin").map((at) => ({
        subject: `a${at}`,
        roles: ["trader"] as const,
        owner: `a${at}`,
        channels: [`margin.a${at}`],
        group: "margin of an account",
        stalled: false,
      })),
      ...of(marks, "marks").map((at) => ({
        subject: `m${at}`,
        ...operator,
        channels: ["marks"],
        group: "marks",
        stalled: false,
      })),
      ...of(stalled, "stalled").map((at) => ({
        subject: `s${at}`,
        ...operator,
        channels: seen,
        group: "stalled",
        stalled: true,
      })),
    ],
  };
}

function report(group: string, times: readonly number[], elapsed: number): void {
  if (group === "stalled") return;
  const known = [...writtenAt.keys()].sort((left, right) => left - right);
  const late: number[] = [];
  for (let at = 0; at < times.length; at += 2) {
    const frame = lastUpTo(known, times[at] as number);
    if (frame !== undefined) late.push((times[at + 1] as number) - (writtenAt.get(frame) as number));
  }
  late.sort((left, right) => left - right);
  const share = (of: number): string => (late[Math.floor((late.length - 1) * of)] ?? NaN).toFixed(1);
  say(
    `${group}: frames a second, p50, p99, most`,
    `${(late.length / elapsed).toFixed(0)}, ${share(0.5)}, ${share(0.99)}, ${share(1)} ms`,
  );
}

function lastUpTo(sorted: readonly number[], most: number): number | undefined {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= most) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}

async function price(): Promise<void> {
  frames += 1;
  const mark: Record<string, string> = {};
  const index: Record<string, string> = { USDT: "1" };
  for (let number = frames % 2; number < instrumentCount; number += 2) {
    const moved = startPrice(number) * (1 + away + step * Math.sin(frames / 10));
    mark[instrumentId(number)] = moved.toFixed(8);
    index[`C${number}`] = startPrice(number).toFixed(4);
  }
  const at = performance.timeOrigin + performance.now();
  writtenAt.set(await shard.put("mark-price", { k: "frame", index, mark }), at);
}

/** The tables as they are after the entries of the book, of which only the snapshot is kept. */
async function saveBook(): Promise<void> {
  const { engine } = benchBook(accounts + 2, 1);
  const { appliedSeq: entry, factSeq } = engine.machine;
  const db = openDatabase({ url: postgres.url, name: "bench" });
  const led = await acquireShard(db, "0", "bench", 60_000);
  if (led === null) throw new Error("the shard is led by somebody");
  const hashes = { chainHash, stateHash: engine.stateHash() };
  const bytes = engine.snapshot();
  await saveSnapshot(db, { shard: "0", entry, seq: 0, factSeq, ...hashes, format: snapshotFormat, bytes });
  await db.query({
    text: "UPDATE shard SET entries = $1, fact_seq = $2, chain_hash = decode($3, 'hex') WHERE id = '0'",
    values: [entry, factSeq, chainHash],
  });
  await releaseShard(db, "0", led.epoch);
  await db.close();
}

function residentMb(pid: number): string {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return ((pages * 4_096) / 2 ** 20).toFixed(0);
}

function secondsSince(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`;
}
