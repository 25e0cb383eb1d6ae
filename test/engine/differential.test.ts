import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { intervention, warn } from "#libs/domain/health/thresholds.ts";
import { CompiledRules } from "#libs/engine/compiled-rules.ts";
import { Integers } from "#libs/engine/integers.ts";
import { Judge } from "#libs/engine/judge.ts";
import {
  Chance,
  generatedAccount,
  generatedMarket,
  movePrices,
  plainHealth,
  settleNear,
} from "#test/support/generated-books.ts";

/** How many accounts are generated; PLIMSOLL_DIFFERENTIAL asks for more, PLIMSOLL_SEED for others. */
const accountsMin = 200_000;
const accountsPerBook = 100;

function natural(name: string, absent: number): number {
  const text = process.env[name];
  if (text === undefined || text === "") return absent;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number of at least 1, not "${text}"`);
  return value;
}

interface Count {
  accounts: number;
  pools: number;
  acting: number;
  exact: number;
}

/** One book of generated accounts, judged by the engine and by the plain rules before and after a frame; the first difference, or null. */
function differenceIn(seed: number, count: Count): string | null {
  const chance = new Chance(seed);
  const book = generatedMarket(chance);
  const compiled = new CompiledRules(book);
  const judge = new Judge(book, compiled);
  const integers = new Integers(book, compiled);
  const stages = { none: 0, partial: 2, full: 3 } as const;
  for (let account = 0; account < accountsPerBook; account += 1) {
    count.accounts += 1;
    if (account === accountsPerBook / 2) movePrices(chance, book, 1);
    for (const pool of generatedAccount(chance, book)) {
      if (chance.is(0.1)) settleNear(book, pool, chance.pick([1, 1.05, 1.1, 1.122, 1.25, 1.275, 1.5, 1.53]));
      const warned = chance.whole(0, book.rules.warnings.length);
      book.setWarned(pool, warned);
      const plain = plainHealth(book, pool);
      const given = book.rules.warnings.map((_level, at) => at < warned);
      const expected = `${stages[intervention(plain, book.rules)]} ${warn(plain, given, book.rules).given.filter(Boolean).length}`;
      const verdict = judge.judge(pool);
      count.pools += 1;
      if (verdict.stage > 0) count.acting += 1;
      const where = `seed ${seed}, account ${account}, pool ${pool}`;
      if (`${verdict.stage} ${verdict.standing}` !== expected)
        return `${where}: ${verdict.stage} ${verdict.standing}, not ${expected}`;
      integers.evaluate(pool);
      const equity = Rational.fraction(integers.equityNumerator, integers.equityDenominator);
      const mm = Rational.fraction(integers.maintenanceNumerator, integers.maintenanceDenominator);
      if (!equity.equals(plain.maintenanceEquity) || !mm.equals(plain.mm))
        return `${where}: the integers are not the plain rules`;
    }
  }
  count.exact += judge.exactFallbacks;
  return null;
}

test(
  "HEALTH-01 HEALTH-02 HEALTH-05 the engine decides as the plain rules on 200,000 generated accounts",
  { timeout: 36e5 },
  () => {
    const wanted = natural("PLIMSOLL_DIFFERENTIAL", accountsMin);
    const first = natural("PLIMSOLL_SEED", 1);
    const count: Count = { accounts: 0, pools: 0, acting: 0, exact: 0 };
    for (let seed = first; count.accounts < wanted; seed += 1) expect(differenceIn(seed, count)).toBeNull();
    // The books hold both those that act and those that do not, and some that floats could not tell apart.
    expect(count.pools).toBeGreaterThan(count.accounts);
    expect(count.acting / count.pools).toBeGreaterThan(0.02);
    expect(count.acting / count.pools).toBeLessThan(0.8);
    expect(count.exact).toBeGreaterThan(0);
  },
);
