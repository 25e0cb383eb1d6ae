import { migrate } from "#libs/adapters/postgres/index.ts";
import { connectBus } from "#libs/adapters/nats/index.ts";
import { startNats, startPostgres } from "#libs/process/servers/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { liveShard } from "#test/support/live-shard.ts";

/*
 * node --import tsx test/bench/live.ts [half fills] [questions]
 * Real NATS and PostgreSQL and the margin process: half fills into PostgreSQL with their ledger, then pre-trade questions beside a
 * bare echo with the same payload and the same number in flight, in turns.
 */
const fills = Number(process.argv[2] ?? 20_000);
const questions = Number(process.argv[3] ?? 10_000);
const inFlight = 8;
const rounds = 4;
const price = "50000";
const frame: EntryBody = { k: "frame", index: { USDT: "1", BTC: price }, mark: { "BTC-PERP": price } };

const say = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(44)} ${value}\n`);

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function timed(count: number, ask: (number: number) => Promise<unknown>): Promise<number[]> {
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

const nats = await startNats();
const postgres = await startPostgres();
await migrate(postgres.url);
const shard = await liveShard(nats.url, postgres.url);
try {
  await shard.put("mark-price", frame);
  const accounts = Array.from({ length: 100 }, (_, at) => `a${at}`);
  for (const account of accounts) await shard.put("operator", { k: "cash", account, asset: "USDT", amount: "1000000" });
  const app = await shard.start();
  await app.whenMessage("ready");
  await measureFills(accounts);
  await measureQuestions();
} finally {
  await shard.stop();
  await nats.stop();
  await postgres.stop();
}

async function measureFills(accounts: readonly string[]): Promise<void> {
  const at = performance.now();
  const waiting: Promise<void>[] = [];
  for (let number = 0; number < fills; number += 1) {
    const account = accounts[(number * 7) % accounts.length] as string;
    const side = number % 2 === 0 ? "buy" : "sell";
    const common = { k: "fill", account, instrument: "BTC-PERP", side, qty: "0.001", price } as const;
    const trade = `t${number >> 1}`;
    waiting.push(shard.trade({ ...common, trade, liquidity: side === "buy" ? "taker" : "maker", order: `o${number}` }));
    if (waiting.length >= 5_000) await Promise.all(waiting.splice(0));
  }
  await Promise.all(waiting);
  await shard.settled();
  const seconds = (performance.now() - at) / 1000;
  say(`${fills} half fills, written to committed`, `${Math.round(fills / seconds)}/s`);
}

async function measureQuestions(): Promise<void> {
  const echo = await connectBus({ url: nats.url, name: "echo", namespace: "" });
  const echoed = { request: "r", decision: "accept", codes: [], numbers: {}, epoch: 1, appliedSeq: 1, frame: 1 };
  echo.respond("echo", () => echoed);
  await echo.flush();
  const bare: number[] = [];
  const checks: number[] = [];
  const frames = setInterval(() => void shard.put("mark-price", frame), 100);
  for (let round = 0; round < rounds; round += 1) {
    const body = (number: number) => {
      const request = `q-${round}-${number}`;
      const order = { id: request, instrument: "BTC-PERP", side: "buy", qty: "0.001", price: "40000" };
      return { request, account: `a${number % 100}`, order };
    };
    const count = Math.floor(questions / rounds);
    bare.push(...(await timed(count, (number) => shard.bus.request("echo", body(number), { timeoutMs: 5_000 }))));
    checks.push(...(await timed(count, (number) => shard.ask("check", body(number)))));
  }
  clearInterval(frames);
  await echo.close();
  bare.sort((left, right) => left - right);
  checks.sort((left, right) => left - right);
  for (const [name, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const) {
    const own = percentile(checks, share);
    const other = percentile(bare, share);
    const ratio = (own / other).toFixed(2);
    say(
      `check over NATS, ${inFlight} in flight: ${name}`,
      `${own.toFixed(3)} ms, echo ${other.toFixed(3)} ms, ratio ${ratio}`,
    );
  }
}
