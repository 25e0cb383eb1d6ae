import { cpus } from "node:os";
import { scrape, shares } from "#apps/cli/live/scrape.ts";
import { wait } from "#libs/process/backoff.ts";
import { LiveExchange } from "#test/support/live-exchange.ts";
import { cpuSeconds } from "./cpu-time.ts";
import { eventually } from "#test/support/live-shard.ts";

/*
 * node --import tsx test/bench/liquidation.ts [liquidations a second] [liquidations] [of them before the measurement]
 * Matching engine, risk engine and liquidation as processes with NATS, Redis and PostgreSQL on this machine: the mark falls step by
 * step, each frame is too low for a few more accounts, each of which is closed in one slice. Times are taken beside the bus: from a
 * frame to the first closing order's command, and to the facts about its fill, which leave after their commit. The first liquidations
 * are not counted: meanwhile the processes' code is compiled. Before the fall, with frames and clock alone, the idle use is taken.
 */
const perSecond = Number(process.argv[2] ?? 50);
import { asBuilt } from "./built.ts";
const measured = Number(process.argv[3] ?? 1_000);
const warmUp = Number(process.argv[4] ?? 500);
const count = warmUp + measured;
const idleMs = 5_000;
const frameMs = 100;
const price = 50_000;
/** What one step of the mark is worth to the next account, USD. */
const step = 0.5;

let steps = 0;

const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(44)} ${value}\n`);

await asBuilt();
const exchange = await LiveExchange.start();
try {
  say("machine", `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, Node ${process.version}`);
  await exchange.deposit("maker", "1000000000");
  const traders = Array.from({ length: count }, (_, at) => `t${at}`);
  for (const [at, trader] of traders.entries()) await exchange.deposit(trader, (100 + (step * at) / 10).toFixed(2));
  await exchange.settled();
  await exchange.place({ account: "maker", side: "sell", qty: String(count), price: String(price) });
  await exchange.place({ account: "maker", side: "buy", qty: String(count), price: String(price - 10) });
  for (const trader of traders)
    await exchange.place({ account: trader, side: "buy", qty: "0.1", price: String(price), ioc: true });
  await exchange.settled();
  const resting = processorTime();
  await wait(idleMs);
  say("processor time a second without any, ms", spent(resting, processorTime(), idleMs / 1_000));
  await fall(warmUp);
  exchange.latencies.forget();
  const before = processorTime();
  const beganAt = performance.now();
  await fall(count);
  await eventually("the end of every liquidation", async () => exchange.model.liquidations >= count);
  await exchange.settled();
  say("liquidations, seconds", `${measured}, ${((performance.now() - beganAt) / 1_000).toFixed(1)}`);
  say("processor time a liquidation, ms", spent(before, processorTime(), measured));
  for (const [name, what] of [
    ["close", "mark → first closing order"],
    ["settled", "mark → settled in PostgreSQL"],
  ] as const) {
    const { count: n, p50, p99, max } = exchange.latencies.get(name) ?? { count: 0, p50: 0, p99: 0, max: 0 };
    say(
      `${what}, ${perSecond}/s`,
      `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(2)} ms (${n})`,
    );
  }
  const port = exchange.processes.ports.get("margin");
  const metrics = port === undefined ? null : await scrape(port);
  for (const name of ["shard_commit_seconds", "shard_commit_lag_seconds", "engine_apply_seconds"]) {
    const found = metrics === null ? null : shares(metrics, name);
    if (found !== null) say(`${name}, at most`, `p50 ${found.p50} ms, p99 ${found.p99} ms (${found.count})`);
  }
  await exchange.expectAgreement();
  say("memory = tables = ledger = matching engine", "yes");
} finally {
  await exchange.stop();
}

/** Seconds so far, by process. */
function processorTime(): Map<string, number> {
  const pids = [
    ...exchange.processes.states.map(({ name, pid }) => [name, pid] as const),
    ...[...exchange.servers.own].map(([name, { pid }]) => [name, pid] as const),
  ];
  return new Map(pids.map(([name, pid]) => [name, cpuSeconds(pid)]));
}

/** In ms, divided by `by`. */
function spent(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, by: number): string {
  const each = [...after].map(([name, s]) => [name, ((s - (before.get(name) ?? 0)) * 1_000) / by] as const);
  const sum = each.reduce((all, [, ms]) => all + ms, 0);
  return `${sum.toFixed(1)}: ${each.map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join(", ")}`;
}

/** MM is 25 (0.5 % of 0.1 BTC): an account with a margin of 100 + s is due when the mark has fallen by about 750 + 10 s. */
async function fall(until: number): Promise<void> {
  const perFrame = (perSecond * frameMs) / 1_000;
  const first = price - 700;
  for (; exchange.model.liquidations < until && steps < (count / perFrame) * 3; steps += 1) {
    exchange.price((first - steps * perFrame * step).toFixed(1));
    await wait(frameMs);
  }
}
