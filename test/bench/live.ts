import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { migrate } from "#libs/adapters/postgres/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { startChild } from "#libs/process/child.ts";
import { startNats, startPostgres } from "#libs/process/servers/index.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import { eventually, liveShard } from "#test/support/live-shard.ts";
import { asBuilt } from "./built.ts";
import { cpuSeconds } from "./cpu-time.ts";

/*
 * node --import tsx test/bench/live.ts [half fills] [questions] [accounts]
 * Real NATS, PostgreSQL and the margin process, each on its own, on one machine. Half fills into PostgreSQL with their ledger: written
 * while they are applied, then all in the log before the shard starts. Then pre-trade questions beside a bare echo in a process of its own,
 * with the same sizes and as many in flight, in turns; with only frames in the log, and while fills flow.
 */
const fills = Number(process.argv[2] ?? 60_000);
const questions = Number(process.argv[3] ?? 8_000);
const accountCount = Number(process.argv[4] ?? 2_000);
const rounds = 4;
const warmUp = 2_000;
const flowing = 2_000;
const price = "50000";
const frame: EntryBody = { k: "frame", index: { USDT: "1", BTC: price }, mark: { "BTC-PERP": price } };
const answer = {
  request: "q-0-0-0000",
  decision: "accept",
  codes: [],
  numbers: {},
  epoch: 1,
  appliedSeq: 100_000,
  frame: 1_000,
  ruleVersion: 1,
  expiresAt: 1_760_000_000_000,
  ttlMs: 500,
};

const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(52)} ${value}\n`);

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

await asBuilt();
const nats = await startNats();
const postgres = await startPostgres();
await migrate(postgres.url);
const shard = await liveShard(nats.url, postgres.url);
const accounts = Array.from({ length: accountCount }, (_, at) => `a${at}`);
const frames = setInterval(() => void shard.put("mark-price", frame).catch(() => {}), 100);
let filled = 0;
let asked = 0;
say("machine", `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node ${process.version}`);
try {
  await shard.put("mark-price", frame);
  for (const account of accounts) void shard.put("operator", { k: "cash", account, asset: "USDT", amount: "1000000" });
  let app = await start();
  await writeFills(5_000);
  await shard.settled();
  await measureFills("written meanwhile", app, async () => writeFills(fills));
  await app.stop();
  await writeFills(fills);
  const before = await committed();
  app = await start(false);
  await eventually("the first commit", async () => (await committed()) > before);
  await measureFills("in the log already", app, async () => {});
  await app.whenMessage("ready");
  await measureQuestions(app);
} finally {
  clearInterval(frames);
  await shard.stop();
  await nats.stop();
  await postgres.stop();
}

async function start(untilReady = true): Promise<RunningApp> {
  const app = await shard.start();
  await app.whenMessage(untilReady ? "ready" : "leading");
  return app;
}

async function committed(): Promise<number> {
  const { rows } = await shard.db.query<{ applied_seq: string }>({ text: "SELECT applied_seq FROM shard" });
  return Number(rows[0]?.applied_seq ?? 0);
}

/** One half fill, stored in the log. */
async function writeFill(): Promise<void> {
  const number = filled;
  filled += 1;
  const account = accounts[(number * 7) % accounts.length] as string;
  const side = number % 2 === 0 ? "buy" : "sell";
  const common = { k: "fill", account, instrument: "BTC-PERP", side, qty: "0.001", price } as const;
  const liquidity = side === "buy" ? "taker" : "maker";
  await shard.trade({ ...common, trade: `t${number >> 1}`, liquidity, order: `o${number}` });
}

async function writeFills(count: number): Promise<void> {
  const atOnce = 1_000;
  for (let done = 0; done < count; done += atOnce)
    await Promise.all(Array.from({ length: Math.min(atOnce, count - done) }, writeFill));
}

/** Histograms of the process itself, as in its `/metrics`: upper bound of a bucket → how many are at most so large. */
async function histogram(app: RunningApp, name: string): Promise<Map<number, number>> {
  const { port } = await app.whenMessage("listening");
  const text = await (await fetch(`http://127.0.0.1:${String(port)}/metrics`)).text();
  const buckets = [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)".*\\} (\\d+)$`, "gm"))];
  return new Map(buckets.map(([, bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), Number(count)]));
}

/** As Prometheus estimates it: evenly spread within a bucket. */
function quantile(after: Map<number, number>, before: Map<number, number>, share: number): number {
  const counts = [...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const);
  const wanted = (counts.at(-1)?.[1] ?? 0) * share;
  let [from, below] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= wanted)
      return bound === Infinity ? from : from + ((bound - from) * (wanted - below)) / (count - below);
    [from, below] = [bound, count];
  }
  return from;
}

async function measureFills(how: string, app: RunningApp, write: () => Promise<void>): Promise<void> {
  const processes = { margin: app.pid, PostgreSQL: postgres.pid, NATS: nats.pid, "this bench": process.pid };
  const cpu = (): number[] => Object.values(processes).map(cpuSeconds);
  const lag = await histogram(app, "shard_commit_lag_seconds");
  const commit = await histogram(app, "shard_commit_seconds");
  const first = await committed();
  const used = cpu();
  const at = performance.now();
  await write();
  await eventually("the last commit", async () => (await committed()) >= shard.lastSeq);
  const seconds = (performance.now() - at) / 1000;
  const spent = cpu().map((now, one) => now - (used[one] ?? 0));
  const count = shard.lastSeq - first;
  say(`half fills, ${how}: ${count} in ${seconds.toFixed(1)} s`, `${Math.round(count / seconds)}/s`);
  const each = Object.keys(processes).map((name, one) => `${name} ${((1e6 * (spent[one] ?? 0)) / count).toFixed(0)}`);
  say("  processor time of each, µs", each.slice(0, 3).join(", "));
  for (const [name, before] of [
    ["shard_commit_seconds", commit],
    ["shard_commit_lag_seconds", lag],
  ] as const) {
    const after = await histogram(app, name);
    const ms = (share: number): string => `${(quantile(after, before, share) * 1000).toFixed(0)} ms`;
    say(`  ${name}: p50, p99`, `${ms(0.5)}, ${ms(0.99)}`);
  }
}

async function timed(count: number, inFlight: number, ask: (number: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < count; number = next++) {
      const at = performance.now();
      await ask(number);
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return times;
}

async function measureQuestions(app: RunningApp): Promise<void> {
  let listens = (): void => {};
  const listening = new Promise<void>((resolve) => (listens = resolve));
  const program = fileURLToPath(new URL("echo.ts", import.meta.url));
  const echo = await startChild({
    command: process.execPath,
    arguments: ["--import", import.meta.resolve("tsx"), program, nats.url, JSON.stringify(answer)],
    onLine: () => listens(),
  });
  await listening;
  await compare(warmUp, 8, null);
  const before = await histogram(app, "risk_check_latency_seconds");
  for (const inFlight of [1, 8]) await compare(questions, inFlight, "frames in the log");
  const after = await histogram(app, "risk_check_latency_seconds");
  const us = (share: number): string => `${(quantile(after, before, share) * 1e6).toFixed(0)} µs`;
  say("  inside the process, reading and recording included: p50, p99", `${us(0.5)}, ${us(0.99)}`);
  const fills = setInterval(() => void writeFills(flowing / 100), 10);
  for (const inFlight of [1, 8]) await compare(questions, inFlight, `${flowing} half fills/s`);
  clearInterval(fills);
  echo.kill("SIGKILL");
  await echo.exit;
}

async function compare(count: number, inFlight: number, while_: string | null): Promise<void> {
  const body = (): object => {
    const number = asked++;
    const request = `q${number}`;
    const order = { id: request, instrument: "BTC-PERP", side: "buy", qty: "0.001", price: "40000" };
    return { request, account: accounts[number % accounts.length], order };
  };
  const bare: number[] = [];
  const checks: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const each = count / rounds;
    bare.push(...(await timed(each, inFlight, () => shard.bus.request("echo", body(), { timeoutMs: 5_000 }))));
    checks.push(...(await timed(each, inFlight, () => shard.ask("check", body()))));
  }
  if (while_ === null) return;
  for (const times of [bare, checks]) times.sort((left, right) => left - right);
  for (const [name, share] of Object.entries({ p50: 0.5, p99: 0.99 })) {
    const [own, other] = [percentile(checks, share), percentile(bare, share)];
    const figures = `${own.toFixed(3)} ms, echo ${other.toFixed(3)} ms, ratio ${(own / other).toFixed(2)}`;
    say(`check, ${inFlight} in flight, ${while_}: ${name}`, figures);
  }
}
