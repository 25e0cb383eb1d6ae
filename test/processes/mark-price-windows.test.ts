import { promisify } from "node:util";
import { inflate } from "node:zlib";
import { expect, test } from "vitest";
import { leaseName, windowsName } from "#apps/mark-price/limits.ts";
import { StateKeeper } from "#apps/mark-price/state.ts";
import { lastEntry } from "#libs/adapters/nats/index.ts";
import { acquireLease, loadMarkState, releaseLease } from "#libs/adapters/postgres/index.ts";
import { haircutTarget } from "#libs/domain/collateral/haircut.ts";
import type { PriceFramesRecord } from "#libs/domain/collateral/price-frames-record.ts";
import { PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import {
  loadVolatility,
  minuteMs,
  minutesPerDay,
  minutesPerWeek,
  realisedVariance,
} from "#libs/domain/collateral/volatility.ts";
import { Rational } from "#libs/decimal/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { clockFrom } from "#libs/process/clock.ts";
import { type Frame, poll, useMarkPrice } from "#test/support/mark-price.ts";

const document: RuleDocument = {
  assets: [
    { id: "USDT" },
    { id: "BTC", haircut: { base: "0.01", min: "0.01", max: "0.9", k: "2.33", horizonMinutes: "120" } },
  ],
  instruments: [{ id: "BTC-PERP", kind: "linear", base: "BTC", quote: "USDT", settle: "USDT", index: "BTC" }],
  marks: { sources: { BTC: { a: "1", b: "1", c: "1" } }, outlier: "0.5", staleMs: 1_200_000, quorum: 2 },
};
const { rules } = compileRules(document, 0);
/** A minute of the market in a second. */
const setting = `${Date.UTC(2026, 2, 2, 12)}@60@${Date.now()}`;
const clock = clockFrom(setting);
const bench = useMarkPrice(document, setting);
const unpack = promisify(inflate);

/** A walk of a few basis points a minute. */
const priceAt = (minute: number): string => String(50_000 + ((minute * 7_919) % 97) - ((minute * 104_729) % 89));

/** Prices of every minute of more than a week up to the present one. */
function walked(): PriceFrames {
  const prices = new PriceFrames();
  const until = Math.floor(clock.now() / minuteMs);
  for (let minute = until - minutesPerWeek - 5; minute <= until; minute += 1)
    prices.given({ index: { BTC: priceAt(minute) } }, rules, minute * minuteMs);
  return prices;
}

/** As a process before this one left it. */
async function keep(prices: PriceFrames): Promise<void> {
  const { db } = bench();
  const lease = await acquireLease(db, leaseName, "earlier", 60_000);
  if (lease === null) throw new Error("the lease is held");
  const keeper = new StateKeeper(db, "earlier", lease.epoch);
  await keeper.restore(new PriceFrames());
  await keeper.save(prices, {}, 0);
  await releaseLease(db, leaseName, lease.epoch);
}

async function recordOf(name: string): Promise<PriceFramesRecord> {
  const kept = await loadMarkState(bench().db, name);
  if (kept === null) throw new Error(`nothing is kept as ${name}`);
  return (JSON.parse((await unpack(kept.bytes)).toString("utf8")) as { prices: PriceFramesRecord }).prices;
}

/** Minute → return, as the two records that are kept say together. */
async function keptReturns(): Promise<ReadonlyMap<number, string>> {
  const both = [await recordOf(windowsName), await recordOf(leaseName)];
  return new Map(both.flatMap(({ volatility }) => volatility.flatMap(([, windows]) => windows.returns)));
}

const windowsIn = (prices: PriceFrames) => {
  const [, record] = prices.save().volatility[0] ?? [];
  if (record === undefined) throw new Error("there are no windows");
  return record;
};

/** What the kept windows ask for, computed from their returns alone. */
async function targetOfKept(): Promise<string> {
  const prices = new PriceFrames();
  prices.restore(await recordOf(windowsName));
  prices.restoreRecent(await recordOf(leaseName));
  const { day, week } = realisedVariance(loadVolatility(windowsIn(prices)));
  const haircut = rules.assets.get("BTC")?.haircut;
  if (haircut === undefined || haircut === null) throw new Error("no haircut rules");
  return haircutTarget(haircut, Rational.max(day, week)).toStringUp();
}

test("windows full of a week's returns survive kill -9, and go on from where they were", async () => {
  const all = bench();
  const seeded = walked();
  const before = new Map(windowsIn(seeded).returns);
  expect(before.size).toBe(minutesPerWeek);
  await keep(seeded);

  const first = await all.start();
  expect(await first.whenMessage("leading")).toMatchObject({ restored: true });
  const frames = await all.framesOf("0");
  const told = await frames.until((frame) => frame.haircut?.["BTC"] !== undefined);
  // The walk asks for more than the base: a window that was lost would show.
  expect(Number(told.haircut?.["BTC"]?.initial)).toBeGreaterThan(0.01);
  const newest = Math.max(...before.keys());
  const fresh = async () => [...(await keptReturns())].filter(([minute]) => minute > newest);
  await poll(async () => {
    all.say(priceAt(Math.floor(clock.now() / minuteMs)));
    return (await fresh()).length >= 3;
  });
  await first.kill("SIGKILL");
  const atCrash = await keptReturns();
  const reached = Math.max(...atCrash.keys());

  const second = await all.start();
  expect(await second.whenMessage("leading")).toMatchObject({ restored: true });
  await poll(async () => {
    all.say(priceAt(Math.floor(clock.now() / minuteMs)));
    return (await fresh()).filter(([minute]) => minute > reached).length >= 3;
  });
  const after = await keptReturns();
  const running = Math.max(...after.keys());
  const still = (returns: ReadonlyMap<number, string>) =>
    [...returns].filter(([minute]) => minute > running - minutesPerWeek && minute < Math.max(...returns.keys()));
  // What was there is there, to the last digit; only minutes without a process are missing.
  for (const [minute, units] of [...still(before), ...still(atCrash)]) expect(after.get(minute)).toBe(units);
  const inDay = [...after.keys()].filter((minute) => minute > running - minutesPerDay).length;
  expect(inDay).toBeGreaterThan(minutesPerDay - 200);

  // And the haircut that frames carry is the one that these returns ask for.
  await second.stop();
  const end = (await lastEntry(all.bus, "0", "frame"))?.entry as Frame;
  await frames.until((frame) => frame.sourceSeq === end.sourceSeq);
  const last = frames.seen.findLast((frame) => frame.haircut?.["BTC"] !== undefined);
  expect(last?.haircut?.["BTC"]?.initial).toBe(await targetOfKept());
}, 120_000);

test("of two that run one writes; one that was frozen for longer than its lease writes nothing when it wakes", async () => {
  const all = bench();
  const first = await all.start();
  await first.whenMessage("leading");
  const second = await all.start();
  expect(second.lines().some(({ msg }) => msg === "leading")).toBe(false);
  const frames = await all.framesOf("0");
  all.say("61000");
  const before = await frames.until((frame) => frame.index?.["BTC"] === "61000");
  process.kill(first.pid, "SIGSTOP");
  await second.whenMessage("leading");
  const whole = await frames.until((frame) => frame.sourceSeq >= before.sourceSeq + 1_000);
  expect(whole).toMatchObject({ index: { BTC: "61000" } });
  process.kill(first.pid, "SIGCONT");
  await first.whenMessage("not leading any more");
  all.say("61100");
  const next = await frames.until((frame) => frame.index?.["BTC"] === "61100");
  expect(next.sourceSeq).toBeGreaterThan(whole.sourceSeq);
  const numbers = frames.seen.map(({ sourceSeq }) => sourceSeq);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((left, right) => left - right));
  // The one that slept stands by, and follows when the other goes.
  expect((await second.stop()).code).toBe(0);
  const third = await frames.until((frame) => frame.sourceSeq >= whole.sourceSeq + 1_000);
  expect(third).toMatchObject({ index: { BTC: "61100" } });
}, 60_000);
