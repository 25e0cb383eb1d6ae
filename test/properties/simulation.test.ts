import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { PopulationInstrument } from "#libs/simulation/accounts.ts";
import { crashRules } from "#libs/simulation/crash-rules.ts";
import {
  cumulativeDepthUsd,
  defaultDepth,
  depthBook,
  depthWithin10BpUsd,
  onGrid,
  stressFactor,
} from "#libs/simulation/depth.ts";
import { replaySteps } from "#libs/simulation/market-replay.ts";
import { Population } from "#libs/simulation/population.ts";
import { directionOf, mergedPoints, pointsOf, PriceFeed } from "#libs/simulation/price-points.ts";
import { Categorical, Random } from "#libs/simulation/random.ts";
import type { Bar } from "#libs/simulation/recorded-crash.ts";
import { madeCrash } from "#test/support/made-crash.ts";
import { propertyOptions } from "#test/support/property.ts";

const minuteMs = 60_000;

const ohlc = fc
  .tuple(fc.integer({ min: 100, max: 200 }), fc.integer({ min: 100, max: 200 }), fc.nat(50), fc.nat(50), fc.nat(3))
  .map(([open, close, above, below, volume]) => ({
    open: `${open}`,
    close: `${close}`,
    high: `${Math.max(open, close) + above}`,
    low: `${Math.min(open, close) - below}`,
    volume,
  }));
const barsOf = (barMs: number) =>
  fc
    .array(ohlc, { minLength: 1, maxLength: 20 })
    .map((rows): Bar[] => rows.map((row, at) => ({ ts: at * barMs, ...row })));

describe("prices of a replay", () => {
  test("a bar is four points inside its own span: open, low, high, close where the lead rose, else open, high, low, close", () => {
    const length = fc.constantFrom(1, 3, 5, 60).map((minutes) => minutes * minuteMs);
    const cases = length.chain((barMs) => fc.tuple(fc.constant(barMs), barsOf(barMs), fc.boolean()));
    fc.assert(
      fc.property(cases, ([barMs, bars, rose]) => {
        const points = pointsOf(bars, barMs, () => rose);
        const live = bars.filter((bar) => bar.volume !== 0);
        expect(points.length).toBe(4 * live.length);
        for (const [at, bar] of live.entries()) {
          const four = points.slice(4 * at, 4 * at + 4);
          const middle = rose ? [bar.low, bar.high] : [bar.high, bar.low];
          expect(four.map((one) => one.price)).toEqual([bar.open, ...middle, bar.close]);
          expect(four.map((one) => one.t - bar.ts + 1)).toEqual([1, 2, 3, 4].map((quarter) => (quarter * barMs) / 4));
        }
      }),
      propertyOptions(),
    );
  });

  test("a feed says nothing but recorded prices, and nothing at all where a bar is missing or without volume", () => {
    fc.assert(
      fc.property(barsOf(minuteMs), fc.boolean(), (bars, rose) => {
        const feed = new PriceFeed(pointsOf(bars, minuteMs, () => rose));
        for (let t = 14_999; t < (bars.length + 3) * minuteMs; t += 15_000) {
          const said = feed.advance(t);
          const bar = bars.find((one) => one.ts <= t && t < one.ts + minuteMs);
          if (bar === undefined || bar.volume === 0) expect(said).toBeNull();
          else expect([bar.open, bar.high, bar.low, bar.close]).toContain(said?.price);
        }
      }),
      propertyOptions(),
    );
  });

  test("the lead's direction over a span is its first open against its last close", () => {
    fc.assert(
      fc.property(barsOf(minuteMs), fc.integer({ min: 1, max: 20 }), (bars, minutes) => {
        const span = bars.slice(0, minutes);
        const rose = Number(span.at(-1)?.close) > Number(span[0]?.open);
        expect(directionOf(bars, minuteMs)(0, minutes * minuteMs)).toBe(rose);
        expect(directionOf(bars, minuteMs)(1_000 * minuteMs, minuteMs)).toBe(false);
      }),
      propertyOptions(),
    );
  });

  test("of one market at two bar lengths the finer one counts where it is there", () => {
    const coarse: Bar[] = [0, 1, 2].map((at) => ({
      ts: at * 5 * minuteMs,
      open: "1",
      high: "1",
      low: "1",
      close: "1",
      volume: 1,
    }));
    const fine: Bar[] = [5, 6, 7, 8, 9].map((at) => ({
      ts: at * minuteMs,
      open: "2",
      high: "2",
      low: "2",
      close: "2",
      volume: 1,
    }));
    const merged = mergedPoints(
      [
        { bars: coarse, barMs: 5 * minuteMs },
        { bars: fine, barMs: minuteMs },
      ],
      () => true,
    );
    expect(merged.map((one) => [Math.ceil(one.t / minuteMs), one.price])).toEqual([
      ...[2, 3, 4, 5].map((at) => [at, "1"]),
      ...[6, 7, 8, 9, 10].flatMap((at) => Array.from({ length: 4 }, () => [at, "2"])),
      ...[12, 13, 14, 15].map((at) => [at, "1"]),
    ]);
  });

  test("every instrument has its lows in the same frame, whatever its own bar did", () => {
    const crash = madeCrash({
      minutes: 4,
      lead: (at) => ({ open: 100 + at, close: 101 + at }),
      other: (at) => ({ open: 50 - at, close: 49 - at }),
    });
    const { rules } = compileRules(
      crashRules(crash, {
        policy: "queue",
        fundEventCapUsd: "1",
        providerCapacity: new Map(),
        settlePrices: new Map(),
      }),
      1,
    );
    for (const step of replaySteps(crash, rules.marks)) {
      if (step.warmup) continue;
      const quarter = Math.floor((step.t % minuteMs) / 15_000);
      const atLow = step.quotes.map(
        ({ asset, price }) =>
          price === crash.bars.get(`${asset}.csv`)?.find((bar) => bar.ts <= step.t && step.t < bar.ts + minuteMs)?.low,
      );
      expect(atLow).toEqual([quarter === 1, quarter === 1]);
    }
  });
});

describe("depth", () => {
  const activity = fc.record({
    usdPerMinute: fc.double({ min: 0, max: 1e8, noNaN: true }),
    rangeBp: fc.double({ min: 0, max: 3_000, noNaN: true }),
  });
  const calm = { usdPerMinute: 1e6, rangeBp: 10 };

  test("grows with distance and turnover, and never with stress", () => {
    fc.assert(
      fc.property(activity, fc.double({ min: 1, max: 400, noNaN: true }), (busy, distance) => {
        const within = depthWithin10BpUsd(defaultDepth, 1e7, busy, calm);
        expect(within).toBeGreaterThan(0);
        expect(cumulativeDepthUsd(defaultDepth, within, distance + 1)).toBeGreaterThan(
          cumulativeDepthUsd(defaultDepth, within, distance),
        );
        const busier = { ...busy, usdPerMinute: busy.usdPerMinute * 2 };
        expect(depthWithin10BpUsd(defaultDepth, 1e7, busier, calm)).toBeGreaterThanOrEqual(within);
        expect(stressFactor(defaultDepth, busy.rangeBp + 5, calm.rangeBp)).toBeLessThanOrEqual(
          stressFactor(defaultDepth, busy.rangeBp, calm.rangeBp),
        );
      }),
      propertyOptions(),
    );
  });

  test("books do not cross, fall away from the middle, and lie on tick and lot", () => {
    const steps = fc.constantFrom(["0.1", "0.001"], ["0.5", "1"], ["0.00001", "0.1"]);
    const cases = fc.tuple(
      steps,
      fc.double({ min: 0.001, max: 50_000, noNaN: true }),
      fc.double({ min: 1, max: 1e8, noNaN: true }),
    );
    fc.assert(
      fc.property(cases, ([[tick = "", lot = ""], middle, within]) => {
        const book = depthBook(defaultDepth, within, middle, { tick, lot, contractsPerUsd: (price) => 1 / price });
        for (const [levels, sign] of [
          [book.bids, -1],
          [book.asks, 1],
        ] as const) {
          for (const [at, [price, qty]] of levels.entries()) {
            expect(Rational.parse(price).isMultipleOf(Rational.parse(tick))).toBe(true);
            expect(Rational.parse(qty).isMultipleOf(Rational.parse(lot))).toBe(true);
            expect(Number(qty)).toBeGreaterThan(0);
            expect(sign * (Number(price) - middle)).toBeGreaterThanOrEqual(-Number(tick) * 1e-6);
            const next = levels[at + 1];
            if (next !== undefined) expect(sign * (Number(next[0]) - Number(price))).toBeGreaterThan(0);
          }
        }
      }),
      propertyOptions(),
    );
  });

  test("quantities go down to whole lots and prices away from the middle", () => {
    expect(onGrid(1.29, "0.1", "down")).toBe("1.2");
    expect(onGrid(1.21, "0.1", "up")).toBe("1.3");
    expect(onGrid(1.3, "0.1", "down")).toBe("1.3");
    expect(onGrid(7, "5", "nearest")).toBe("5");
  });
});

const instrument = (id: string, kind: "linear" | "inverse", mark: number, weight: number): PopulationInstrument => ({
  id,
  kind,
  base: "BTC",
  settle: kind === "linear" ? "USDT" : "BTC",
  multiplier: 1,
  tick: "0.1",
  lot: kind === "linear" ? "0.001" : "1",
  mark,
  maxLeverage: 100,
  tiers: [{ floorUsd: 0, maintenanceRate: 0.005, maxLeverage: 100 }],
  weight,
});
const instruments = [instrument("BTC-PERP", "linear", 8_000, 3), instrument("BTC-INV", "inverse", 8_000, 1)];
const collaterals = [
  { asset: "USDT", price: 1, factor: 1 },
  { asset: "BTC", price: 8_000, factor: 0.9 },
];

describe("population", () => {
  const sizes = fc.tuple(fc.integer({ min: 10, max: 900 }), fc.nat(1_000_000));

  test("what is bought is sold: positions of every instrument sum to zero, and nobody trades before bringing money", () => {
    fc.assert(
      fc.property(sizes, ([accounts, seed]) => {
        const population = new Population({ accounts, seed, instruments, collaterals });
        const funded = new Set<string>();
        const held = new Map<string, Map<string, Rational>>();
        for (const entry of population.entries()) {
          if (entry.k === "cash") funded.add(entry.account);
          if (entry.k !== "trade") continue;
          expect(funded.has(entry.buyer) && funded.has(entry.seller) && entry.buyer !== entry.seller).toBe(true);
          const positions = held.get(entry.instrument) ?? new Map<string, Rational>();
          held.set(entry.instrument, positions);
          const qty = Rational.parse(entry.qty);
          for (const [account, signed] of [
            [entry.buyer, qty],
            [entry.seller, qty.negated()],
          ] as const)
            positions.set(account, (positions.get(account) ?? Rational.zero).plus(signed));
        }
        for (const [at, { id, lot }] of instruments.entries()) {
          const positions = [...(held.get(id)?.values() ?? [])];
          expect(Rational.sum(positions).isZero()).toBe(true);
          const wanted = Rational.parse(lot).times(Rational.ofInteger(population.openLots[at] ?? 0));
          expect(Rational.sum(positions.filter((one) => one.sign > 0)).atMost(wanted)).toBe(true);
        }
      }),
      propertyOptions({ numRuns: 15 }),
    );
  });

  test("the same seed gives the same entries, another seed others", () => {
    const entries = (seed: number): string =>
      JSON.stringify([...new Population({ accounts: 60, seed, instruments, collaterals }).entries()]);
    expect(entries(7)).toBe(entries(7));
    expect(entries(7)).not.toBe(entries(8));
  });
});

describe("chance", () => {
  test("the generator keeps its numbers for ever", () => {
    const random = new Random(1, 2);
    expect([random.bits(), random.bits(), random.bits()]).toMatchInlineSnapshot(`
      [
        364440237,
        2628093448,
        3796665187,
      ]
    `);
  });

  test("draws stay where they belong and weights of zero are never drawn", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, stream) => {
        const random = new Random(seed, stream);
        expect(random.unit()).toBeLessThan(1);
        expect(random.below(3)).toBeLessThan(3);
        expect(random.pareto(5, 1.3)).toBeGreaterThanOrEqual(5);
        expect(random.logUniform(2, 20)).toBeLessThanOrEqual(20.000001);
        expect(random.lognormal(10, 1)).toBeGreaterThan(0);
        expect(
          new Categorical([
            ["never", 0],
            ["always", 2],
          ]).draw(random),
        ).toBe("always");
      }),
      propertyOptions(),
    );
    expect(() => new Categorical([["never", 0]])).toThrow(RangeError);
  });
});
