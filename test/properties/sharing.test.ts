import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { type BackedClose, fundedLots, topUp } from "#libs/domain/liquidation/fund-backed.ts";
import { smallestReaching } from "#libs/domain/liquidation/partial.ts";
import { smallestDeposit } from "#libs/domain/receipts/smallest-change.ts";
import type { AssetRules, InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { planBadDebt, shareLoss, type Winner } from "#libs/domain/settlement/bad-debt.ts";
import type { Balance, ConversionMarket, ConversionStep } from "#libs/domain/settlement/conversion.ts";
import { peakResult, newFundState, recordResult } from "#libs/domain/settlement/fund.ts";
import { balanced, conversionPostings } from "#libs/domain/settlement/ledger.ts";
import { planLiquidationEnd } from "#libs/domain/settlement/liquidation-end.ts";
import { propertyOptions } from "#test/support/property.ts";

const cents = (value: number): Rational => Rational.ofUnits(BigInt(value), 2);
const quantum = cents(1);
const sum = (terms: readonly Rational[]): Rational => Rational.sum(terms);

const winners = fc
  .array(fc.record({ profit: fc.integer({ min: -500, max: 9000 }), equity: fc.integer({ min: -500, max: 9000 }) }), {
    maxLength: 8,
  })
  .map((rows) =>
    rows.map((row, at): Winner => ({
      account: `w${(at * 3) % 8}`,
      mode: "cross",
      profit: Rational.ofUnits(BigInt(row.profit), 3),
      fullEquity: Rational.ofUnits(BigInt(row.equity), 3),
    })),
  );

test("LIQ-19 the parts are whole quanta, within what each can pay, and sum exactly", () => {
  fc.assert(
    fc.property(winners, fc.integer({ min: 1, max: 5000 }).map(cents), (all, amount) => {
      const shared = shareLoss(amount, all, quantum);
      const can = (one: Winner): Rational =>
        Rational.max(Rational.min(one.profit, one.fullEquity).floorTo(quantum), Rational.zero);
      expect(sum(shared.map((one) => one.amount)).equals(Rational.min(amount, sum(all.map(can))))).toBe(true);
      for (const { account, amount: paid } of shared) {
        const winner = all.find((one) => one.account === account) as Winner;
        expect(paid.isMultipleOf(quantum) && paid.atMost(can(winner)) && paid.sign > 0).toBe(true);
      }
      expect(shared.map((one) => one.account)).toEqual(shared.map((one) => one.account).sort());
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

test("LIQ-19 where nobody is capped each but the last pays its proportion rounded up, while there is something left", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 500 }),
      (profits, percent) => {
        const all = profits.map((profit, at): Winner => ({
          account: `w${at}`,
          mode: "cross",
          profit: cents(profit * 100),
          fullEquity: cents(1e8),
        }));
        const total = sum(all.map((one) => one.profit));
        const amount = Rational.min(total.times(Rational.ofUnits(BigInt(percent), 3)).ceilTo(quantum), total);
        const shared = shareLoss(amount, all, quantum);
        let rest = amount;
        for (const [at, one] of all.entries()) {
          const quota = one.profit.times(amount).dividedBy(total).ceilTo(quantum);
          const expected = at === all.length - 1 ? rest : Rational.min(quota, rest);
          const paid = shared.find((part) => part.account === one.account)?.amount ?? Rational.zero;
          expect(paid.equals(expected)).toBe(true);
          rest = rest.minus(expected);
        }
        expect(rest.isZero()).toBe(true);
      },
    ),
    propertyOptions({ numRuns: 200 }),
  );
});

const assets = ["AAA", "BBB", "CCC", "DDD"] as const;
const worlds = fc
  .tuple(
    ...assets.map((id) =>
      fc.record({
        id: fc.constant(id),
        index: fc.integer({ min: 1, max: 90_000 }),
        decimals: fc.integer({ min: 0, max: 4 }),
        order: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }),
        fee: fc.integer({ min: 0, max: 40 }),
        cap: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: null }),
      }),
    ),
  )
  .map((rows): ConversionMarket => {
    const found = (id: string) => rows.find((row) => row.id === id) as (typeof rows)[number];
    return {
      asset: (id) =>
        ({
          id,
          quantum: Rational.ofUnits(1n, found(id).decimals),
          conversionOrder: found(id).order,
          conversionFee: Rational.ofUnits(BigInt(found(id).fee), 2),
          conversionCap: found(id).cap === null ? null : Rational.ofInteger(found(id).cap as number),
        }) as AssetRules,
      index: (id) => Rational.ofUnits(BigInt(found(id).index), 2),
    };
  });
const purses = (min: number) => fc.tuple(...assets.map(() => fc.integer({ min, max: 9000 })));
const held = (world: ConversionMarket, amounts: readonly number[]): Balance[] =>
  assets.map((asset, at) => ({
    asset,
    amount: world.asset(asset).quantum.times(Rational.ofInteger(amounts[at] as number)),
  }));

function balancesAfter(
  before: readonly Balance[],
  steps: readonly ConversionStep[],
  account: string,
  own: string,
): Balance[] {
  const legs = steps.flatMap((step) => conversionPostings(own, step)).filter((leg) => leg.account === account);
  return before.map(({ asset, amount }) => ({
    asset,
    amount: amount.plus(sum(legs.filter((leg) => leg.asset === asset).map((leg) => leg.amount))),
  }));
}

test("COL-21 to COL-27 an end of liquidation is balanced, in whole quanta, and nobody who pays goes below zero", () => {
  fc.assert(
    fc.property(worlds, purses(-9000), purses(0), purses(0), (world, own, house, insurance) => {
      const request = {
        account: "a",
        balances: held(world, own),
        house: held(world, house),
        insurance: held(world, insurance),
        providers: [],
      };
      const end = planLiquidationEnd(request, world);
      expect(balanced(end.steps.flatMap((step) => conversionPostings("a", step)))).toBe(true);
      for (const account of ["house", "insurance"] as const) {
        for (const { amount } of balancesAfter(request[account], end.steps, account, "a"))
          expect(amount.sign >= 0).toBe(true);
      }
      const own_ = balancesAfter(request.balances, end.steps, "a", "a");
      for (const { asset, amount } of own_) {
        expect(amount.isMultipleOf(world.asset(asset).quantum)).toBe(true);
        const short = end.shortfalls.find((one) => one.asset === asset)?.amount ?? Rational.zero;
        const after = end.balances.find((one) => one.asset === asset)?.amount as Rational;
        expect(after.equals(amount.plus(short)) && after.sign >= 0).toBe(true);
      }
      for (const step of end.steps) {
        // Against the account, by less than a quantum of what it gives.
        const cost = step.bought.dividedBy(step.price);
        expect(step.sold.atLeast(cost) && step.sold.minus(cost).below(world.asset(step.from).quantum)).toBe(true);
      }
    }),
    propertyOptions({ numRuns: 200 }),
  );
});

test("LIQ-18 LIQ-20 a bad debt is exactly what is paid and what is parked, and funds never go below zero", () => {
  const spendable = fc.option(fc.integer({ min: -10, max: 90_000 }), { nil: null });
  fc.assert(
    fc.property(
      worlds,
      purses(0),
      purses(0),
      fc.option(winners, { nil: null }),
      fc.integer({ min: 1, max: 9000 }),
      spendable,
      (world, insurance, house, all, missing, limit) => {
        const amount = world.asset("BBB").quantum.times(Rational.ofInteger(missing));
        const funds = held(world, insurance);
        const spendableUsd = limit === null ? null : cents(limit);
        const plan = planBadDebt(
          { asset: "BBB", amount, insurance: funds, spendableUsd, house: held(world, house), winners: all },
          world,
        );
        const others = sum(plan.otherFunds.map((step) => step.bought));
        const paid = plan.fund.plus(others).plus(sum(plan.shared.map((one) => one.amount)));
        expect(paid.plus(plan.parked).equals(amount)).toBe(true);
        expect(plan.parked.sign >= 0 && plan.fund.sign >= 0).toBe(true);
        for (const { asset, amount: after } of balancesAfter(funds, plan.otherFunds, "insurance", "insurance")) {
          const own = asset === "BBB" ? plan.fund.plus(others) : Rational.zero;
          expect(after.minus(own).sign >= 0).toBe(true);
        }
        for (const { amount: after } of balancesAfter(held(world, house), plan.otherFunds, "house", "insurance")) {
          expect(after.sign >= 0).toBe(true);
        }
        if (spendableUsd !== null) {
          const used = plan.fund.plus(others).times(world.index("BBB"));
          expect(used.atMost(Rational.max(spendableUsd, Rational.zero))).toBe(true);
        }
      },
    ),
    propertyOptions({ numRuns: 300 }),
  );
});

test("LIQ-16 the kept levels give the peak that all results would", () => {
  const results = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -5, max: 5 })), {
    maxLength: 30,
  });
  const hours = Rational.one;
  const brake = { drawdown: Rational.parse("0.3"), until: Rational.parse("0.25"), hours };
  fc.assert(
    fc.property(results, (steps) => {
      let state = newFundState;
      let [t, level] = [0, 0];
      // Each level with the time at which it began: it is in force until the next one's.
      const history: { from: number; level: number }[] = [{ from: Number.NEGATIVE_INFINITY, level: 0 }];
      for (const [quarters, amount] of steps) {
        t += quarters * 900_000;
        level += amount;
        if (amount !== 0) history.push({ from: t, level });
        state = recordResult(state, t, Rational.ofInteger(amount), cents(100_000), brake);
        const inForce = history.filter((_, at) => (history[at + 1]?.from ?? Infinity) > t - 3_600_000);
        expect(
          peakResult(state, hours, t).equals(Rational.ofInteger(Math.max(...inForce.map((one) => one.level)))),
        ).toBe(true);
      }
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

test("LIQ-17 a fund never tops up more than it may spend, and one lot more would lose more than it has", () => {
  const closes = fc.record({
    inverse: fc.boolean(),
    long: fc.boolean(),
    bankruptcy: fc.integer({ min: 1, max: 5000 }),
    price: fc.integer({ min: 1, max: 5000 }),
    lots: fc.bigInt({ min: 0n, max: 400n }),
    fund: fc.integer({ min: 0, max: 90_000 }),
  });
  fc.assert(
    fc.property(closes, (one) => {
      const instrument = {
        kind: one.inverse ? "inverse" : "linear",
        multiplier: Rational.ofInteger(7),
        lot: Rational.parse("0.3"),
      } as InstrumentRules;
      const close: BackedClose = {
        instrument,
        side: one.long ? "long" : "short",
        bankruptcyPrice: Rational.fraction(BigInt(one.bankruptcy), 7n),
        price: cents(one.price),
        quantum,
      };
      const fund = Rational.ofUnits(BigInt(one.fund), 3);
      const lots = fundedLots(close, one.lots, fund);
      const cost = (n: bigint): Rational => topUp(close, instrument.lot.times(Rational.ofInteger(n)));
      expect(lots >= 0n && lots <= one.lots).toBe(true);
      if (cost(one.lots).sign > 0) expect(cost(lots).atMost(Rational.max(fund, quantum))).toBe(true);
      // Only the roundings of one fill, two quanta, may keep lots back that the fund could pay for.
      if (lots < one.lots)
        expect(
          cost(lots + 1n)
            .plus(quantum.times(Rational.ofInteger(3)))
            .above(fund),
        ).toBe(true);
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

test("LIQ-06 the bisection finds what trying every lot finds, for concave and for rising functions", () => {
  const shapes = fc.record({
    least: fc.bigInt({ min: 1n, max: 30n }),
    width: fc.bigInt({ min: 0n, max: 60n }),
    bend: fc.bigInt({ min: 0n, max: 3n }),
    slope: fc.bigInt({ min: -40n, max: 150n }),
    start: fc.bigInt({ min: -3000n, max: 200n }),
  });
  fc.assert(
    fc.property(shapes, ({ least, width, bend, slope, start }) => {
      const f = (lots: bigint): Rational => Rational.ofInteger(start + slope * lots - bend * lots * lots);
      const range = { least, most: least + width };
      let expected: bigint | null = null;
      for (let lots = range.most; lots >= least; lots -= 1n) if (f(lots).sign >= 0) expected = lots;
      expect(smallestReaching(range, f)).toBe(expected);
    }),
    propertyOptions({ numRuns: 500 }),
  );
});

test("LIQ-23 a quantum less than the smallest deposit is not enough", () => {
  const parts = fc.array(
    fc.record({ upTo: fc.integer({ min: 1, max: 500 }), weight: fc.integer({ min: 0, max: 100 }) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 90_000 }), fc.boolean(), (slices, short, strict) => {
      const counted = (deposit: Rational): Rational => {
        let [from, value] = [Rational.zero, Rational.zero];
        for (const slice of slices) {
          const to = from.plus(Rational.ofInteger(slice.upTo));
          const inside = Rational.max(Rational.min(deposit, to).minus(from), Rational.zero);
          value = value.plus(inside.times(cents(slice.weight)));
          from = to;
        }
        return value;
      };
      const evaluate = (deposit: Rational): Rational => counted(deposit).minus(cents(short));
      const enough = (deposit: Rational): boolean => evaluate(deposit).sign >= (strict ? 1 : 0);
      const found = smallestDeposit(quantum, evaluate, strict);
      const all = sum(slices.map((slice) => Rational.ofInteger(slice.upTo)));
      if (found === null) {
        expect(enough(all)).toBe(false);
        return;
      }
      expect(enough(found)).toBe(true);
      if (found.sign > 0) expect(enough(found.minus(quantum))).toBe(false);
    }),
    propertyOptions({ numRuns: 200 }),
  );
});
