import { Rational } from "#libs/decimal/index.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { amountOf } from "./amounts.ts";
import type { Machine } from "./machine.ts";

/**
 * A float sum of fewer than 4,096 terms, each with fewer than 8 roundings, is off by less than (4,096 + 8)·2^-53 of the sum of their
 * magnitudes; 2^-40 leaves room. Accounts with more terms are left to the exact rule.
 */
const screenShare = 2 ** -40;
const termsMax = 4096;

/** COL-29: whether an account owes the configured share of what it is worth, or more: then its debts are converted by themselves. */
export function owesTooMuch(machine: Machine, account: number): boolean {
  const { convertAt } = machine.rules;
  if (convertAt === null || surelyOwesLess(machine, account, convertAt.toNumber())) return false;
  const { book, market } = machine;
  let debt = Rational.zero;
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
    if (book.cashAmount(row) >= 0n) continue;
    const rules = book.assetRules(book.cashAsset(row));
    debt = debt.minus(amountOf(rules, book.cashAmount(row)).times(market.index(rules.id)));
  }
  if (debt.isZero()) return false;
  const { fullEquity } = evaluateCross(book.crossView(account), market, machine.rules);
  return debt.atLeast(fullEquity.times(convertAt));
}

/** The float screen: true only where the error bound proves that the debt is below its share of equity. */
function surelyOwesLess(machine: Machine, account: number, share: number): boolean {
  const { book } = machine;
  const { market } = book;
  const { factors } = market;
  let [debt, equity, gross, terms] = [0, 0, 0, 0];
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
    const worth = (book.cashF[row] as number) * (factors[market.indexFactor(book.cashAsset(row))] as number);
    if (worth < 0) debt -= worth;
    equity += worth;
    gross += Math.abs(worth);
    terms += 1;
  }
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
    if (book.isIsolated(row)) continue;
    const exposure = book.exposureF[row] as number;
    if (exposure === 0) continue;
    const instrument = book.rowInstrument(row);
    const price = factors[market.indexFactor(book.settleIndex(instrument))] as number;
    const mark = factors[market.markFactor(instrument)] as number;
    const value = book.instrumentRules(instrument).kind === "linear" ? exposure * mark : -exposure / mark;
    const cost = book.costF[row] as number;
    const contracts = exposure / book.instrumentRules(instrument).multiplier.toNumber();
    const funding = contracts * market.fundingSinceFloat(instrument, book.rowFundingEpoch(row));
    equity += (value - cost - funding) * price;
    gross += (Math.abs(value) + Math.abs(cost) + Math.abs(funding)) * price;
    terms += 3;
  }
  return terms < termsMax && debt < share * equity - (1 + share) * gross * screenShare;
}
