import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { allocate, type Allocation, type Counterparty } from "#libs/domain/adl/allocation.ts";
import { adlPublication, disagreements } from "#libs/domain/adl/publication.ts";
import { type Candidate, indicators, rank } from "#libs/domain/adl/ranking.ts";
import { compareForAdl } from "#libs/domain/adl/score.ts";
import type { AdlPolicy } from "#libs/domain/rule-set/types.ts";
import { propertyOptions } from "#test/support/property.ts";

const policies: readonly AdlPolicy[] = ["queue", "pro-rata", "hedge-aware", "hedge-aware-pro-rata"];
const whole = (value: bigint | number): Rational => Rational.ofInteger(value);
const lot = Rational.parse("0.5");
const contracts = (lots: bigint | number): Rational => lot.times(whole(lots));

const counterparties = fc
  .array(
    fc.record({
      size: fc.integer({ min: 1, max: 40 }),
      capacity: fc.integer({ min: 0, max: 50 }),
      profit: fc.boolean(),
      hedged: fc.integer({ min: 0, max: 40 }),
      keeping: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
      isolated: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map((rows) =>
    rows.map((row, at): Counterparty => ({
      account: `a${(at * 5) % 8}`,
      mode: row.isolated ? "isolated" : "cross",
      qty: contracts(-row.size),
      capacity: contracts(row.capacity),
      profitAtPrice: row.profit,
      hedged: Rational.min(contracts(row.hedged).times(Rational.parse("0.7")), contracts(row.size)),
      ...(row.keeping === undefined ? {} : { capacityKeepingRatio: contracts(row.keeping) }),
    })),
  );
const requests = fc.record({
  policy: fc.constantFrom(...policies),
  need: fc.integer({ min: 0, max: 160 }).map(contracts),
  lot: fc.constant(lot),
  ranking: counterparties,
});

const most = (policy: AdlPolicy, one: Counterparty): Rational => {
  const own = Rational.min(one.capacity, one.qty.abs());
  return policy.startsWith("hedge") ? Rational.min(own, one.capacityKeepingRatio ?? own) : own;
};
const given = (outcome: Allocation, one: Counterparty): Rational =>
  outcome.allocation.find((other) => other.account === one.account && other.mode === one.mode)?.qty ?? Rational.zero;
const total = (terms: readonly Rational[]): Rational => Rational.sum(terms);

test("ADL-15 exactly min(need, Σ capacity) is taken, in whole lots, and nobody gives more than it may", () => {
  fc.assert(
    fc.property(requests, (request) => {
      const outcome = allocate(request);
      const sum = total(outcome.allocation.map((one) => one.qty));
      const reach = total(request.ranking.map((one) => most(request.policy, one)));
      expect(sum.equals(Rational.min(request.need, reach))).toBe(true);
      expect(sum.plus(outcome.unfilled).equals(request.need)).toBe(true);
      for (const one of request.ranking) {
        const part = given(outcome, one);
        expect(part.isMultipleOf(lot) && part.atMost(most(request.policy, one))).toBe(true);
      }
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

test("ADL-06 without hedges nobody without profit gives before all with profit have given what they can", () => {
  const plain = requests.filter((request) => !request.policy.startsWith("hedge"));
  fc.assert(
    fc.property(plain, (request) => {
      const outcome = allocate(request);
      const losersGive = request.ranking.some((one) => !one.profitAtPrice && given(outcome, one).sign > 0);
      if (!losersGive) return;
      for (const one of request.ranking.filter((winner) => winner.profitAtPrice)) {
        expect(given(outcome, one).equals(most(request.policy, one))).toBe(true);
      }
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

test("ADL-13 hedged size is touched only when all unhedged size that may be taken is", () => {
  const aware = requests.filter((request) => request.policy.startsWith("hedge"));
  fc.assert(
    fc.property(aware, (request) => {
      const outcome = allocate(request);
      const open = (one: Counterparty): Rational => {
        const unhedged = one.qty
          .abs()
          .minus(one.hedged ?? Rational.zero)
          .floorTo(lot);
        return Rational.min(unhedged, most(request.policy, one));
      };
      if (!request.ranking.some((one) => given(outcome, one).above(open(one)))) return;
      for (const one of request.ranking) expect(given(outcome, one).atLeast(open(one))).toBe(true);
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

/** Winners alone, as pro-rata sees them. */
const winnersOnly = fc.record({
  need: fc.integer({ min: 1, max: 160 }).map(contracts),
  ranking: counterparties.map((all) => all.map((one) => ({ ...one, profitAtPrice: true }))),
});

test("ADL-10 there is one τ: who is below its capacity gives τ·|q| within a lot, who is at it would give at least that", () => {
  fc.assert(
    fc.property(winnersOnly, ({ need, ranking }) => {
      const outcome = allocate({ policy: "pro-rata", need, lot, ranking });
      const able = ranking.filter((one) => most("pro-rata", one).sign > 0);
      const free = able.filter((one) => given(outcome, one).below(most("pro-rata", one)));
      // Every part is τ·|q| or a capacity below it, give or take a lot: so the per-contract bounds of all must overlap.
      const least = free.map((one) => given(outcome, one).minus(lot).dividedBy(one.qty.abs()));
      const highest = able.map((one) => given(outcome, one).plus(lot).dividedBy(one.qty.abs()));
      for (const low of least) {
        for (const [at, high] of highest.entries()) {
          const bound = given(outcome, able[at] as Counterparty).equals(most("pro-rata", able[at] as Counterparty));
          if (!bound) expect(low.below(high)).toBe(true);
        }
      }
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

test("ADL-12 splitting an account changes what its parts give together by less than a lot each", () => {
  const splits = fc.record({
    need: fc.integer({ min: 1, max: 160 }),
    sizes: fc.array(fc.integer({ min: 2, max: 40 }), { minLength: 1, maxLength: 6 }),
    cut: fc.integer({ min: 1, max: 39 }),
  });
  fc.assert(
    fc.property(splits, ({ need, sizes, cut }) => {
      const one = (account: string, size: number): Counterparty => ({
        account,
        mode: "cross",
        qty: contracts(-size),
        capacity: contracts(size),
        profitAtPrice: true,
      });
      const [first, ...rest] = sizes as [number, ...number[]];
      const others = rest.map((size, at) => one(`z${at}`, size));
      const part = 1 + (cut % (first - 1));
      const whole_ = [one("m", first), ...others];
      const parts = [one("m1", part), one("m2", first - part), ...others];
      const request = { policy: "pro-rata", need: contracts(need), lot } as const;
      const before = allocate({ ...request, ranking: whole_ });
      const after = allocate({ ...request, ranking: parts });
      const tau = contracts(need).dividedBy(contracts(sizes.reduce((sum, size) => sum + size, 0)));
      const level = Rational.min(tau, Rational.one);
      for (const [outcome, ranking] of [
        [before, whole_],
        [after, parts],
      ] as const) {
        for (const candidate of ranking) {
          const away = given(outcome, candidate).minus(candidate.qty.abs().times(level)).abs();
          expect(away.below(lot)).toBe(true);
        }
      }
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

const candidates = fc
  .array(
    fc.record({
      qty: fc.integer({ min: 1, max: 30 }),
      profit: fc.integer({ min: -4, max: 4 }),
      tiny: fc.integer({ min: -2, max: 2 }),
      cost: fc.integer({ min: 0, max: 3 }),
      notional: fc.integer({ min: 1, max: 3 }),
      equity: fc.integer({ min: -1, max: 4 }),
      isolated: fc.boolean(),
      liquidating: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((rows) =>
    rows.map((row, at): Candidate => ({
      account: `a${String(at >> 1)}`,
      mode: at % 2 === 0 ? "cross" : "isolated",
      qty: whole(-row.qty),
      profit: whole(row.profit).plus(Rational.ofUnits(BigInt(row.tiny), 18)),
      cost: whole(row.cost),
      notionalUsd: whole(row.notional),
      fullEquityUsd: whole(row.equity),
      liquidating: row.liquidating,
      system: false,
    })),
  );

test("ADL-03 ADL-17 the screened ranking is the exact one, whatever the order of the input", () => {
  fc.assert(
    fc.property(candidates, fc.infiniteStream(fc.nat()), (side, keys) => {
      const ranking = rank(side);
      for (let at = 1; at < ranking.length; at += 1) {
        expect(compareForAdl(ranking[at - 1] as never, ranking[at] as never)).toBeLessThan(0);
      }
      const shuffled = side
        .map((one) => ({ one, key: keys.next().value }))
        .sort((left, right) => left.key - right.key)
        .map(({ one }) => one);
      expect(rank(shuffled).map((one) => [one.account, one.mode])).toEqual(
        ranking.map((one) => [one.account, one.mode]),
      );
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

test("ADL-04 buckets never fall along the ranking and the last is 100", () => {
  fc.assert(
    fc.property(candidates, (side) => {
      const shown = indicators(rank(side));
      for (const [at, one] of shown.entries()) {
        expect(one.rank).toBe(at + 1);
        expect(one.bucket).toBeGreaterThanOrEqual(shown[at - 1]?.bucket ?? 20);
        expect(
          one.ahead.equals(
            total(
              rank(side)
                .slice(0, at)
                .map((other) => other.qty.abs()),
            ),
          ),
        ).toBe(true);
      }
      if (shown.length > 0) expect(shown.at(-1)?.bucket).toBe(100);
    }),
    propertyOptions(),
  );
});

test("ADL-16 every published decision recomputes to itself", () => {
  fc.assert(
    fc.property(candidates, fc.constantFrom(...policies), fc.integer({ min: 0, max: 90 }), (side, policy, lots) => {
      const ranking = rank(side);
      const counterparties = ranking.map((one) => ({
        ...one,
        capacity: one.qty.abs(),
        profitAtPrice: one.profit.sign > 0,
        hedged: one.qty.abs().times(Rational.parse("0.3")),
      }));
      const request = { policy, need: contracts(lots), lot };
      const outcome = allocate({ ...request, ranking: counterparties });
      const market = { instrument: "X", side: "short", mark: whole(100), price: whole(99) } as const;
      const text = adlPublication({ ...request, ...market, ...outcome, candidates: ranking, counterparties });
      expect(disagreements(text)).toEqual([]);
    }),
    propertyOptions(),
  );
});
