import { createHistogram } from "node:perf_hooks";
import { cpus } from "node:os";
import type { Effect } from "#libs/contracts/log.ts";
import type { Engine } from "#libs/engine/index.ts";
import { Screen } from "#libs/engine/screen.ts";
import { SimulatedVenue } from "#libs/simulation/venue.ts";
import { Random } from "#libs/simulation/random.ts";
import { benchBook, instrumentCount, instrumentId, startPrice } from "./book.ts";

/** Usage: npm run bench -- [accounts …]; prints one line a figure, as JSON with --json. */
const sizes = process.argv
  .slice(2)
  .filter((one) => /^\d+$/.test(one))
  .map(Number);
const json = process.argv.includes("--json");
const figures: Record<string, unknown>[] = [];

function say(figure: Record<string, unknown>): void {
  figures.push(figure);
  if (!json)
    console.log(
      Object.entries(figure)
        .map(([name, value]) => `${name}=${String(value)}`)
        .join("  "),
    );
}

const micro = (ns: number): number => Math.round(ns / 10) / 100;

/** Frames of one or all marks, each moved by a normal step of `bp` basis points; only the engine's `apply` is timed. */
function frames(engine: Engine, name: string, count: number, bp: number, all: boolean): void {
  const random = new Random(7, 2);
  const prices = Array.from({ length: instrumentCount }, (_, number) => startPrice(number));
  const histogram = createHistogram();
  const before = engine.counters;
  let pools = 0;
  let touchedMax = 0;
  for (let step = 0; step < count; step += 1) {
    const mark: Record<string, string> = {};
    const moved = all ? prices.keys() : [Math.floor(random.unit() * instrumentCount)];
    for (const number of moved) {
      prices[number] = (prices[number] as number) * (1 + (random.normal() * bp) / 10_000);
      mark[instrumentId(number)] = prices[number].toFixed(8);
    }
    const judged = engine.counters["judged"] as number;
    const started = process.hrtime.bigint();
    const { effects } = engine.apply({ k: "frame", mark, t: step });
    histogram.record(Number(process.hrtime.bigint() - started));
    const touched = (engine.counters["judged"] as number) - judged;
    pools += touched;
    touchedMax = Math.max(touchedMax, touched);
    answer(engine, effects, step);
  }
  const { accountCount } = engine.machine.book;
  say({
    figure: name,
    accounts: accountCount - 7,
    frames: count,
    p50us: micro(histogram.percentile(50)),
    p99us: micro(histogram.percentile(99)),
    maxus: micro(histogram.max),
    touchedShare: ((pools / count / accountCount) * 100).toFixed(3) + "%",
    touchedShareMax: ((touchedMax / accountCount) * 100).toFixed(3) + "%",
    exactFallbacks: (engine.counters["exactFallbacks"] as number) - (before["exactFallbacks"] as number),
  });
}

/** Carries out what the engine asks for at mark, outside the time that is measured. */
function answer(engine: Engine, effects: readonly Effect[], t: number): void {
  const venue = new SimulatedVenue(engine, "mark");
  const open = [...effects];
  for (let effect = open.pop(); effect !== undefined; effect = open.pop()) {
    const outcome = venue.answer(effect);
    if (outcome !== null) open.push(...engine.apply({ ...outcome, t }).effects);
  }
}

/** A bare float evaluation of every pool of the same book: what a scan would cost. */
function fullScan(engine: Engine): number {
  const { machine } = engine;
  const screen = new Screen(machine.book, machine.compiled);
  const scan = (): number => {
    let below = 0;
    for (let account = 7; account < machine.book.accountCount; account += 1) {
      screen.evaluate(machine.book.crossPool(account));
      if (screen.side(1.05) <= 0) below += 1;
    }
    return below;
  };
  for (let warm = 0; warm < 3; warm += 1) scan();
  const started = performance.now();
  const rounds = 5;
  for (let round = 0; round < rounds; round += 1) scan();
  return (performance.now() - started) / rounds;
}

/** Nanoseconds of one evaluation, over every account of the book. */
function each(engine: Engine, evaluate: (pool: number) => void, accountsMax: number): number {
  const count = Math.min(engine.machine.book.accountCount - 7, accountsMax);
  const run = (): void => {
    for (let account = 7; account < 7 + count; account += 1) evaluate(engine.machine.book.crossPool(account));
  };
  run();
  const started = performance.now();
  run();
  return ((performance.now() - started) / count) * 1e6;
}

function bench(accounts: number): void {
  const heap = process.memoryUsage();
  const { engine, fills, fillMs } = benchBook(accounts, 11);
  const { machine } = engine;
  say({ figure: "fills", accounts, fills, perSecond: Math.round((fills / fillMs) * 1000) });
  const after = process.memoryUsage();
  const columns = machine.book.bytes() + machine.index.bytes;
  say({
    figure: "memory",
    accounts,
    bytesPerPosition: Math.round(columns / fills),
    residentPerPosition: Math.round((after.rss - heap.rss) / fills),
  });
  const screen = new Screen(machine.book, machine.compiled);
  say({
    figure: "evaluate, screened",
    accounts,
    ns: Math.round(each(engine, (pool) => void screen.evaluate(pool), accounts)),
  });
  say({
    figure: "evaluate, integers",
    accounts,
    ns: Math.round(each(engine, (pool) => void machine.judge.judgeExactly(pool), accounts)),
  });
  say({
    figure: "evaluate, plain rules",
    accounts,
    ns: Math.round(each(engine, (pool) => void machine.poolHealthOf(machine.book.poolView(pool)), 5000)),
  });
  const scanMs = fullScan(engine);
  say({ figure: "full float scan", accounts, ms: scanMs.toFixed(2) });
  frames(engine, "warm-up", 300, 10, false);
  frames(engine, "one mark, 10 bp", 2000, 10, false);
  frames(engine, "all marks, 3 bp", 500, 3, true);
  const p50 = figures.at(-2)?.["p50us"] as number;
  say({ figure: "full scan / one-mark frame p50", accounts, ratio: ((scanMs * 1000) / p50).toFixed(0) });
  const started = performance.now();
  const hash = engine.stateHash();
  say({ figure: "state hash", accounts, ms: (performance.now() - started).toFixed(0), hash: hash.slice(0, 16) });
  const saved = performance.now();
  const bytes = engine.snapshot();
  say({ figure: "snapshot", accounts, ms: (performance.now() - saved).toFixed(0), bytes: bytes.length });
}

say({ figure: "machine", node: process.version, cpu: cpus()[0]?.model ?? "", cores: cpus().length });
for (const accounts of sizes.length > 0 ? sizes : [20_000, 100_000]) bench(accounts);
if (json) console.log(JSON.stringify(figures, null, 2));
