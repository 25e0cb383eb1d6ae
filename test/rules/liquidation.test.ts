import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { PoolMode } from "#libs/domain/adl/score.ts";
import {
  type BackedClose,
  fundedLots,
  lossPerLot,
  providerLots,
  providerPrice,
  topUp,
} from "#libs/domain/liquidation/fund-backed.ts";
import { sliceQty } from "#libs/domain/liquidation/full.ts";
import { type ClosedSide, closingLimit, noWorse, onTick } from "#libs/domain/liquidation/limits.ts";
import { comparePools, ratioAtMost } from "#libs/domain/liquidation/order-of-pools.ts";
import {
  closesAll,
  decidePartial,
  expectedLoss,
  lotRange,
  rankByRelief,
  smallestReaching,
} from "#libs/domain/liquidation/partial.ts";
import { closingCostProblems, lowestMaintenanceRate } from "#libs/domain/liquidation/rule-check.ts";
import {
  advance,
  compensation,
  isOver,
  next,
  RefusedTransition,
  type SagaEvent,
  type SagaState,
  stageNumber,
  stepId,
} from "#libs/domain/liquidation/saga.ts";
import type { InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";
import { table } from "#test/support/table.ts";

const n = (text: string): Rational => Rational.parse(text);
const orNull = (text: string): Rational | null => (text === "-" ? null : n(text));
const shown = (value: Rational | null): string => value?.toStringDown() ?? "-";

const pools = table(`
  left             | right            | because
  a cross 1 2      | b cross 2 3      | one half is below two thirds
  a cross 1 2      | b cross 2 4      | equal ratios go by account id
  a cross 1 2      | a isolated 1 2   | then cross before isolated
  a cross -1 0     | b cross -9 1     | without a requirement and below zero is worst of all
  a cross 9 1      | b cross 0 0      | without a requirement and not below zero is best of all
  a cross -2 1     | b cross -1 1     | more below zero is worse
`);
for (const c of pools) {
  test(`LIQ-01 ${c.because}`, () => {
    const read = (text: string) => {
      const [account, mode, equity, mm] = text.split(" ") as [string, PoolMode, string, string];
      return { account, mode, equity: n(equity), mm: n(mm), instrument: mode === "cross" ? null : "X" };
    };
    expect(comparePools(read(c.left), read(c.right))).toBeLessThan(0);
    expect(comparePools(read(c.right), read(c.left))).toBeGreaterThan(0);
  });
}

test("LIQ-01 two isolated pools of an account go by instrument", () => {
  const pool = { account: "a", mode: "isolated", equity: n("1"), mm: n("1") } as const;
  expect(comparePools({ ...pool, instrument: "A" }, { ...pool, instrument: "B" })).toBeLessThan(0);
  expect(comparePools({ ...pool, instrument: "B" }, { ...pool, instrument: "B" })).toBe(0);
});

test("LIQ-01 a threshold is met inclusively, without a requirement only below zero", () => {
  const at = (equity: string, mm: string) => ratioAtMost({ equity: n(equity), mm: n(mm) }, n("1.05"));
  expect([at("105", "100"), at("105.01", "100"), at("0", "0"), at("-0.01", "0")]).toEqual([true, false, false, true]);
});

const states = Object.keys(next) as SagaState[];
const events = Object.keys(next.locking) as SagaEvent[];

test("LIQ-02 the table is total and every state can be reached from the lock", () => {
  const reached = new Set<SagaState>(["locking"]);
  for (const state of reached) {
    for (const event of events) {
      const to = next[state][event];
      if (to !== "refused") reached.add(to);
    }
  }
  expect([...reached].sort()).toEqual([...states].sort());
  for (const state of states) expect(Object.keys(next[state]).sort()).toEqual([...events].sort());
});

const paths = table(`
  path                                                                                                | because
  locking safe released                                                                               | released at no cost before anything is closed
  locking thin partial safe settling covered completed                                                | a partial close that is enough
  locking thin partial thin partial exhausted partial critical full flat settling covered completed   | rounds, then the full close
  locking critical full exhausted providers exhausted fund-backed exhausted deleveraging flat settling short bad-debt paid completed | the whole waterfall
  locking insolvent providers flat settling covered completed                                         | below zero at the start the full close is passed over
  locking flat settling short bad-debt paid completed                                                 | a pool without positions goes straight to conversion and stage 7
  locking critical full exhausted providers exhausted fund-backed exhausted deleveraging exhausted bad-debt exhausted bad-debt critical full | what nobody takes stays open and is judged again
  locking halted parked safe settling covered completed                                               | a halt parks, and the way out is the settlement
`);
for (const c of paths) {
  test(`LIQ-02 ${c.because}`, () => {
    const [start, ...rest] = c.path.split(" ");
    let state = start as SagaState;
    for (let at = 0; at < rest.length; at += 2) {
      state = advance(state, rest[at] as SagaEvent);
      expect(state).toBe(rest[at + 1]);
    }
  });
}

test("LIQ-02 what is over, or settled in one entry, refuses every verdict", () => {
  for (const state of ["released", "completed", "settling"] as const) {
    for (const event of ["safe", "thin", "critical", "insolvent", "flat", "exhausted", "halted"] as const) {
      expect(() => advance(state, event)).toThrow(RefusedTransition);
    }
  }
  expect(states.filter(isOver)).toEqual(["released", "completed"]);
});

test("LIQ-03 what a stage cannot do goes to the next one, and 7 follows 6 or a settlement alone", () => {
  for (const state of states) {
    const to = next[state].exhausted;
    const [from, reached] = [stageNumber[state], to === "refused" ? null : stageNumber[to]];
    if (from !== null && from >= 3 && from < 7) expect(reached).toBe(from + 1);
    for (const event of events) {
      if (next[state][event] === "bad-debt") expect(["deleveraging", "settling", "bad-debt"]).toContain(state);
      if (next[state][event] === "deleveraging") expect(state).toBe("fund-backed");
    }
  }
});

const reliefs = table(`
  positions                          | order | because
  A 10 100 0.01, B 30 100 0.01       | B A   | the most relief per loss
  A 10 100 0.01, B 30 400 0.01       | A B   | not the most relief
  A 10 100 0.01, B 30 300 0.01       | B A   | equal relief per loss goes by larger relief
  B 10 100 0.01, A 10 100 0.01       | A B   | then by id
  A 99 100 0.01, B 1 100 0           | B A   | without loss before all others
  A 1 100 0, B 2 900 0               | B A   | among those without loss by larger relief
`);
for (const c of reliefs) {
  test(`LIQ-04 ${c.because}`, () => {
    const positions = c.positions.split(", ").map((one) => {
      const [instrument, relief, notionalUsd, takerFee] = one.split(" ") as [string, string, string, string];
      return { instrument, relief: n(relief), notionalUsd: n(notionalUsd), takerFee: n(takerFee) };
    });
    expect(
      rankByRelief(positions, n("0"))
        .map((one) => one.instrument)
        .join(" "),
    ).toBe(c.order);
  });
}

test("LIQ-04 expected loss is notional times expected slippage and taker fee", () => {
  const one = { instrument: "A", relief: n("1"), notionalUsd: n("200"), takerFee: n("0.01") };
  expect(expectedLoss(one, n("0.02")).toStringDown()).toBe("6");
});

const ranges = table(`
  lots | least | most | because
  100  | 25    | 50   | a quarter to a half
  10   | 3     | 5    | the quarter is rounded up
  7    | 2     | 3    | the half is rounded down
  1    | 1     | 1    | a single lot goes whole
  3    | 1     | 1    | the least is never above the most
`);
for (const c of ranges) {
  test(`LIQ-05 ${c.because}`, () => {
    const range = lotRange(BigInt(c.lots), { closeMin: n("0.25"), closeMax: n("0.5") });
    expect([range.least, range.most]).toEqual([BigInt(c.least), BigInt(c.most)]);
  });
}

test("LIQ-05 the least wins where the configured most is below it", () => {
  expect(lotRange(10n, { closeMin: n("0.6"), closeMax: n("0.5") })).toEqual({ least: 6n, most: 6n });
  expect(lotRange(10n, { closeMin: n("0"), closeMax: n("2") })).toEqual({ least: 1n, most: 10n });
});

const whole = (value: bigint): Rational => Rational.ofInteger(value);
const range = { least: 25n, most: 50n };

test("LIQ-06 the smallest number is found exactly, for every place of the crossing", () => {
  for (let edge = 20n; edge <= 55n; edge += 1n) {
    const expected = edge <= 25n ? 25n : edge <= 50n ? edge : null;
    expect(smallestReaching(range, (lots) => whole(lots - edge))).toBe(expected);
  }
});

test("LIQ-06 a jump at a tier's edge is met exactly", () => {
  expect(smallestReaching(range, (lots) => whole(lots >= 37n ? lots : lots - 1000n))).toBe(37n);
});

test("LIQ-06 a number between is found even where closing still more would miss the target again", () => {
  // −(n − 33)² + 4 is positive from 31 to 35 alone.
  expect(smallestReaching(range, (lots) => whole(4n - (lots - 33n) ** 2n))).toBe(31n);
  expect(smallestReaching(range, (lots) => whole(-1n - (lots - 33n) ** 2n))).toBe(null);
});

test("LIQ-06 the search is logarithmic", () => {
  let asked = 0;
  const found = smallestReaching({ least: 1n, most: 10n ** 18n }, (lots) => {
    asked += 1;
    return whole(lots - 987_654_321_987n);
  });
  expect(found).toBe(987_654_321_987n);
  expect(asked).toBeLessThan(70);
});

/** A pool with equity that closing does not change and 1 of MM per lot. */
const pool = (equity: string, lots: bigint, costPerLot = "0") => ({
  lots,
  range: lotRange(lots, { closeMin: n("0.25"), closeMax: n("0.5") }),
  target: n("1.1"),
  now: { equity: n(equity), mm: whole(lots) },
  after: (closed: bigint) => ({
    equity: n(equity).minus(n(costPerLot).times(whole(closed))),
    mm: whole(lots - closed),
  }),
  leavesTooLittle: () => false,
});

test("LIQ-06 at the target exactly it is reached", () => {
  expect(decidePartial(pool("77", 100n))).toEqual({ lots: 30n, reaches: true });
  expect(decidePartial(pool("76.99", 100n))).toEqual({ lots: 31n, reaches: true });
  expect(decidePartial(pool("104", 100n))).toEqual({ lots: 25n, reaches: true });
});

test("LIQ-07 when nothing reaches the target the most the range allows is taken", () => {
  expect(decidePartial(pool("54.99", 100n))).toEqual({ lots: 50n, reaches: false });
});

test("LIQ-08 when too little would be left everything goes", () => {
  const left: bigint[] = [];
  const request = { ...pool("77", 100n), leavesTooLittle: (closed: bigint) => left.push(closed) > 0 && closed >= 30n };
  expect(decidePartial(request)).toEqual({ lots: 100n, reaches: true });
  expect(left).toEqual([30n]);
});

test("LIQ-08 too little is less than the minimum notional at mark, not exactly it", () => {
  const instrument = { kind: "linear", multiplier: n("2"), minNotional: n("10") } as InstrumentRules;
  const all = (left: string) => closesAll(instrument, n(left), n("5"));
  expect([all("1"), all("-1"), all("0.999"), all("-0.999"), all("0")]).toEqual([false, false, true, true, false]);
});

test("LIQ-09 a share that does not raise the ratio is not taken", () => {
  // Each lot costs exactly its share of equity: the ratio stays where it is.
  expect(decidePartial(pool("104", 100n, "1.04"))).toBe(null);
  expect(decidePartial(pool("104", 100n, "1.05"))).toBe(null);
  expect(decidePartial(pool("104", 100n, "1.03"))).toEqual({ lots: 50n, reaches: false });
});

const checks = table(`
  taker  | slippage | rates        | refused | because
  0.0005 | 0.0015   | 0.005 0.01   | no      | below half of the lowest rate
  0.0005 | 0.002    | 0.005 0.01   | yes     | at half exactly
  0.0005 | 0.002    | 0.01 0.005   | yes     | the lowest rate of any tier counts
  0.0025 | -        | 0.005        | yes     | no slippage rule counts as none
  0.0024 | -        | 0.005        | no      | and then the fee alone decides
  0.5    | 0.5      |              | no      | without tiers there is nothing to compare
`);
for (const c of checks) {
  test(`LIQ-10 ${c.because}`, () => {
    const tiers = c.rates === "" ? [] : c.rates.split(" ").map((mm) => ({ mm: n(mm) }));
    const instrument = { id: "X", takerFee: n(c.taker), tiers } as unknown as InstrumentRules;
    const rules = {
      instruments: new Map([["X", instrument]]),
      liquidation: { maxSlippage: orNull(c.slippage) },
    } as unknown as RuleSet;
    const problems = closingCostProblems(rules);
    expect(problems.map((one) => one.code)).toEqual(c.refused === "yes" ? ["closing_cost_too_high"] : []);
    expect(lowestMaintenanceRate(instrument) === null).toBe(c.rates === "");
  });
}

const limits = table(`
  rule   | side  | pbk | slip | slice | limit | because
  LIQ-11 | long  | 90  | 0.01 | 1     | 99    | a long is sold down to the slippage
  LIQ-11 | long  | 99.5 | 0.01 | 1    | 99.5  | never worse than the bankruptcy price
  LIQ-11 | short | 100.5 | 0.01 | 1   | 100.5 | nor for a short
  LIQ-12 | long  | 90  | 0.01 | 3     | 97    | the third slice may slip three times as far
  LIQ-12 | short | 110 | 0.01 | 3     | 103   | upwards for a short
  LIQ-12 | long  | 90  | 0.01 | 11    | 90    | until the bankruptcy price is the better
  LIQ-12 | long  | 90  | -    | 3     | 90    | without a slippage rule the bankruptcy price alone limits
  LIQ-12 | long  | -   | 0.01 | 3     | 97    | without a bankruptcy price the slippage alone
  LIQ-12 | long  | -   | -    | 3     | -     | without both nothing does
  LIQ-12 | long  | 102 | 0.01 | 1     | 102   | below zero equity the limit is above mark
`);
for (const c of limits) {
  test(`${c.rule} ${c.because}`, () => {
    const limit = closingLimit(c.side as ClosedSide, n("100"), orNull(c.pbk), orNull(c.slip), Number(c.slice));
    expect(shown(limit)).toBe(c.limit);
  });
}

test("LIQ-12 no worse is inclusive, and a venue's order is rounded in the account's favour", () => {
  expect([noWorse("long", n("5"), n("5")), noWorse("long", n("4.9"), n("5"))]).toEqual([true, false]);
  expect([noWorse("short", n("5"), n("5")), noWorse("short", n("5.1"), n("5"))]).toEqual([true, false]);
  expect(noWorse("long", n("0"), null)).toBe(true);
  expect([shown(onTick("long", n("5.01"), n("0.1"))), shown(onTick("short", n("5.09"), n("0.1")))]).toEqual([
    "5.1",
    "5",
  ]);
});

const slices = table(`
  open | depth | share | slice | because
  10   | 12    | 0.25  | 3     | a share of the depth
  10   | 15    | 0.25  | 3     | in whole lots
  10   | 2     | 0.25  | 1     | at least one lot
  2    | 99    | 0.25  | 2     | at most what is open
  10   | 4     | -     | 4     | without a share all of the depth
  10   | 0     | 0.25  | 0     | without depth nothing
`);
for (const c of slices) {
  test(`LIQ-13 ${c.because}`, () => {
    expect(shown(sliceQty(n(c.open), n(c.depth), orNull(c.share), n("1")))).toBe(c.slice);
  });
}

const backed = (over: Partial<BackedClose> = {}): BackedClose => ({
  instrument: { kind: "linear", multiplier: n("1"), lot: n("1") } as InstrumentRules,
  side: "long",
  bankruptcyPrice: n("100"),
  price: n("90"),
  quantum: n("0.01"),
  ...over,
});

const tops = table(`
  side  | pbk     | price  | lots | fund  | funded | loss    | because
  long  | 100     | 90     | 9    | 30    | 3      | 10      | exactly as far as it reaches
  long  | 100     | 90     | 9    | 29.99 | 2      | 10      | a cent less is a lot less
  long  | 100     | 90     | 2    | 30    | 2      | 10      | no more than is open
  long  | 100     | 100    | 9    | 0     | 9      | 0       | without a loss all, even with an empty fund
  short | 100     | 110    | 9    | 30    | 3      | 10      | a short loses above
  short | 100     | 90     | 9    | 0     | 9      | -10     | and gains below
  long  | 100.001 | 100    | 9    | 0.01  | 9      | 0.001   | nine thousandths are topped up with one cent
  long  | 100.003 | 99.996 | 2    | 0.01  | 0      | 0.007   | where the roundings cost more than the fund has, lots give way
  long  | 100     | 90     | 9    | -5    | 0      | 10      | a fund that may spend nothing tops up nothing
`);
for (const c of tops) {
  test(`LIQ-17 ${c.because}`, () => {
    const close = backed({ side: c.side as ClosedSide, bankruptcyPrice: n(c.pbk), price: n(c.price) });
    expect(shown(lossPerLot(close))).toBe(c.loss);
    const lots = fundedLots(close, BigInt(c.lots), n(c.fund));
    expect(lots).toBe(BigInt(c.funded));
    expect(topUp(close, whole(lots)).atMost(Rational.max(n(c.fund), Rational.zero))).toBe(true);
  });
}

test("LIQ-17 a top-up covers the loss and the fill's own rounding, rounded up", () => {
  expect(shown(topUp(backed({ bankruptcyPrice: n("100.004") }), n("3")))).toBe("30.02");
  expect(shown(topUp(backed({ price: n("99.996") }), n("1")))).toBe("0.01");
  expect(shown(topUp(backed({ price: n("101") }), n("3")))).toBe("0");
  const inverse = { kind: "inverse", multiplier: n("100"), lot: n("1") } as InstrumentRules;
  expect(shown(topUp(backed({ instrument: inverse, bankruptcyPrice: n("50"), price: n("40") }), n("3")))).toBe("1.5");
});

test("LIQ-14 a provider buys below mark and sells above it", () => {
  expect(shown(providerPrice("long", n("100"), n("0.05")))).toBe("95");
  expect(shown(providerPrice("short", n("100"), n("0.05")))).toBe("105");
});

const provided = table(`
  open | capacity | fund | margin | lots | because
  9    | 99       | 999  | 99     | 9    | all that is open
  9    | 4.5      | 999  | 99     | 4    | up to capacity, in whole lots
  9    | 99       | 30   | 99     | 3    | as far as the fund tops up
  9    | 99       | 999  | 2      | 2    | as far as the initial margin lasts
  9    | 99       | 999  | 0      | 0    | and not at all without any
  9    | -1       | 999  | 99     | 0    | nothing without capacity
`);
for (const c of provided) {
  test(`LIQ-14 ${c.because}`, () => {
    const taken = providerLots(
      backed(),
      { open: BigInt(c.open), capacity: n(c.capacity), fund: n(c.fund) },
      (lots) => lots <= BigInt(c.margin),
    );
    expect(taken).toBe(BigInt(c.lots));
  });
}

test("LIQ-25 a step is named by saga and place, and every state says what undoes its outside work", () => {
  expect(stepId("s7", 3)).toBe("s7.3");
  expect(Object.keys(compensation).sort()).toEqual([...states].sort());
  expect([compensation.locking, compensation.full, compensation.deleveraging]).toEqual([
    "unblock",
    "cancel-working-orders",
    "none",
  ]);
});
