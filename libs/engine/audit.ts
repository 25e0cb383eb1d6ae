import { Rational } from "#libs/decimal/index.ts";
import { ratioAtMost } from "#libs/domain/liquidation/order-of-pools.ts";
import { amountOf } from "./amounts.ts";
import { accruedFunding } from "./funding.ts";
import type { Machine } from "./machine.ts";
import { poolsOf } from "./pools.ts";
import { houseAccount, insuranceAccount, roundingAccount } from "./system-accounts.ts";

/** `true`, `"not applicable"`, or what is wrong. */
export type InvariantResult = true | string;

export interface InvariantReport {
  /** INV-01: per asset Σ (cash + isolated margin + accrued funding − cost) = deposits − withdrawals. */
  readonly conservation: InvariantResult;
  /** INV-02: per instrument Σ q = 0. */
  readonly positions: InvariantResult;
  /** INV-03: `insurance`, `house` ≥ 0. */
  readonly funds: InvariantResult;
  /** INV-04: no pool is below zero unless it is being liquidated or waits for price quality. */
  readonly solvency: InvariantResult;
  /** INV-07: the pools that the index knows to be due are those an exact scan finds. */
  readonly index: InvariantResult;
  /** FUND-05: accrued funding by position adds up to the running totals. */
  readonly funding: InvariantResult;
}

/** Accrued funding that is in no balance yet, per asset, from the running totals: what conservation has to add. */
function unbookedFunding(machine: Machine, asset: number): Rational {
  const { book } = machine;
  let total = Rational.zero;
  for (let instrument = 0; instrument < book.instrumentCount; instrument += 1)
    if (book.isInstrumentListed(instrument) && book.settleIndex(instrument) === asset)
      total = total.plus(book.unbookedFunding(instrument));
  return total;
}

/** The running totals of unbooked funding against a sum over every position. */
export function checkFunding(machine: Machine): InvariantResult {
  const { book } = machine;
  for (let instrument = 0; instrument < book.instrumentCount; instrument += 1) {
    if (!book.isInstrumentListed(instrument)) continue;
    const sum = Rational.sum(book.rowsOf(instrument).map((row) => accruedFunding(machine, row)));
    if (!sum.equals(book.unbookedFunding(instrument)))
      return `${machine.instrument(instrument).id} accrues ${sum.toString()}`;
  }
  return true;
}

/** INV-01, kept by running totals: O(assets) after every entry. */
export function checkConservation(machine: Machine): InvariantResult {
  if (machine.positionsSetUp) return "not applicable";
  const { book } = machine;
  for (let asset = 0; asset < book.assetCount; asset += 1) {
    if (!book.isAssetListed(asset)) continue;
    const rules = book.assetRules(asset);
    const held = book.totalCash(asset) + book.totalMargin(asset) - book.netCost(asset) - book.deposits(asset);
    const sum = amountOf(rules, held).plus(book.roundingFraction(asset)).plus(unbookedFunding(machine, asset));
    if (!sum.isZero()) return `${rules.id} is off by ${sum.toString()}`;
  }
  return true;
}

/** INV-02. */
export function checkPositions(machine: Machine): InvariantResult {
  if (machine.positionsSetUp) return "not applicable";
  for (let instrument = 0; instrument < machine.book.instrumentCount; instrument += 1)
    if (machine.book.netLots(instrument) !== 0n)
      return `${machine.instrument(instrument).id} is off by ${machine.book.netLots(instrument)} lots`;
  return true;
}

/** INV-03; what rounding has gathered is never negative either. */
export function checkFunds(machine: Machine): InvariantResult {
  for (const account of [insuranceAccount, houseAccount, roundingAccount])
    for (let asset = 0; asset < machine.book.assetCount; asset += 1)
      if (machine.book.cash(account, asset) < 0n)
        return `${machine.accountName(account)} owes ${machine.book.assetRules(asset).id}`;
  return true;
}

/**
 * INV-04, INV-07 by a scan of every pool: nobody is at or below a threshold but those being liquidated or known to be due. Every
 * decision is exact: by integers alone, or (`screened`) by the proven screen with integers where it cannot tell.
 */
export function scanAll(
  machine: Machine,
  screened = false,
): { readonly solvency: InvariantResult; readonly index: InvariantResult } {
  const waiting = new Set(machine.pending.list());
  let solvency: InvariantResult = true;
  let index: InvariantResult = true;
  for (const pool of poolsOf(machine)) {
    if (machine.liquidating(pool) || waiting.has(pool)) continue;
    const { stage } = screened ? machine.judge.judge(pool) : machine.judge.judgeExactly(pool);
    if (stage === 0) continue;
    const name = `${machine.accountName(machine.book.poolAccount(pool))} ${machine.poolInstrument(pool) ?? "cross"}`;
    index = `${name} is due and was not found`;
    const health = machine.poolHealthOf(machine.book.poolView(pool));
    if (health.fullEquity.sign < 0) solvency = `${name} is below zero`;
  }
  return { solvency, index };
}

/** I-24: every pool that the entry made the machine judge is judged the same by exact integers. */
export function checkJudged(machine: Machine): InvariantResult {
  for (const { pool, stage } of machine.judgedPools) {
    // A liquidation that began with the judgement has changed the pool since.
    if (stage > 0 || machine.liquidating(pool) || machine.pending.has(pool)) continue;
    if (machine.book.poolAccount(pool) >= 0 && machine.judge.judgeExactly(pool).stage !== stage)
      return `${machine.accountName(machine.book.poolAccount(pool))} was judged wrongly by the screen`;
  }
  return true;
}

/** Recomputes a pool by the plain rules and compares the decision with the machine's (INV-07, RELIABILITY I-24). */
export function recheck(machine: Machine, pool: number): InvariantResult {
  const view = machine.book.poolView(pool);
  const { maintenanceEquity: equity, mm } = machine.poolHealthOf(view);
  const { partialAt, fullAt } = machine.rules.liquidation;
  const expected = ratioAtMost({ equity, mm }, fullAt) ? 3 : ratioAtMost({ equity, mm }, partialAt) ? 2 : 0;
  const found = machine.judge.judgeExactly(pool).stage;
  return found === expected
    ? true
    : `${machine.accountName(machine.book.poolAccount(pool))} is judged ${found} instead of ${expected}`;
}

export function report(machine: Machine): InvariantReport {
  return {
    conservation: checkConservation(machine),
    positions: checkPositions(machine),
    funds: checkFunds(machine),
    ...scanAll(machine),
    funding: checkFunding(machine),
  };
}
