import { Rational } from "#libs/decimal/index.ts";
import type { PoolMode } from "#libs/domain/adl/score.ts";
import { compareIds } from "#libs/domain/adl/score.ts";
import { type Balance, type ConversionMarket, type ConversionStep, exchange, Purse } from "./conversion.ts";

/** A position in profit on the instrument whose liquidation left the debt. */
export interface Winner {
  readonly account: string;
  readonly mode: PoolMode;
  /** Unrealised profit, settle asset; others than positive pay nothing. */
  readonly profit: Rational;
  /** `E_full` of the pool, in the settle asset. */
  readonly fullEquity: Rational;
}

export interface SharedLoss {
  readonly account: string;
  readonly mode: PoolMode;
  /** Cash it pays, whole quanta, positive. */
  readonly amount: Rational;
}

export interface BadDebt {
  /** Asset in which the money is missing. */
  readonly asset: string;
  /** D: whole quanta, positive. */
  readonly amount: Rational;
  /** Every fund's balance. */
  readonly insurance: readonly Balance[];
  /** USD that funds may still spend on this saga; null: all they have. */
  readonly spendableUsd: Rational | null;
  /** What `house` holds: it buys the other funds' assets as far as it can. */
  readonly house: readonly Balance[];
  /** Winners of the debt's instrument; null: the debt has no instrument. */
  readonly winners: readonly Winner[] | null;
}

export interface BadDebtPlan {
  /** Paid by the fund of the asset itself. */
  readonly fund: Rational;
  /** Other funds' assets turned into the debt's at index: by `house`, and where it cannot, by `bad_debt` itself, which keeps them against the debt. */
  readonly otherFunds: readonly ConversionStep[];
  /** In account order. */
  readonly shared: readonly SharedLoss[];
  /** What nobody paid. */
  readonly parked: Rational;
}

/** The winners with what each can pay at most, whole quanta, in account order. */
function payers(winners: readonly Winner[], quantum: Rational): { readonly winner: Winner; readonly most: Rational }[] {
  return [...winners]
    .sort(compareIds)
    .map((winner) => ({ winner, most: Rational.min(winner.profit, winner.fullEquity).floorTo(quantum) }))
    .filter(({ most }) => most.sign > 0);
}

/** Who is bound by what it can pay when `total` is shared in proportion to profit, and what one unit of profit pays of the rest. */
function shareLevel(
  all: readonly { readonly winner: Winner; readonly most: Rational }[],
  total: Rational,
): { readonly bound: ReadonlySet<Winner>; readonly perProfit: Rational } {
  const tightest = [...all].sort(
    (left, right) =>
      left.most.times(right.winner.profit).compare(right.most.times(left.winner.profit)) ||
      compareIds(left.winner, right.winner),
  );
  let rest = total;
  let profit = Rational.sum(all.map((one) => one.winner.profit));
  const bound = new Set<Winner>();
  for (const { winner, most } of tightest) {
    if (most.times(profit).above(rest.times(winner.profit))) return { bound, perProfit: rest.dividedBy(profit) };
    bound.add(winner);
    rest = rest.minus(most);
    profit = profit.minus(winner.profit);
  }
  return { bound, perProfit: Rational.zero };
}

/**
 * LIQ-19: shares `amount` (whole quanta) among winners in proportion to unrealised profit, each at most min(profit, E_full); where
 * that binds the others pay more. Each part is rounded up in account order, and the last takes the rest. The sum is exactly
 * min(amount, Σ of what they can pay in whole quanta).
 */
export function shareLoss(amount: Rational, winners: readonly Winner[], quantum: Rational): SharedLoss[] {
  const all = payers(winners, quantum);
  const total = Rational.min(amount, Rational.sum(all.map((one) => one.most)));
  const level = shareLevel(all, total);
  let rest = total;
  return all.flatMap(({ winner, most }, at): SharedLoss[] => {
    const quota = level.bound.has(winner) ? most : winner.profit.times(level.perProfit).ceilTo(quantum);
    const paid = at === all.length - 1 ? rest : Rational.min(quota, rest);
    rest = rest.minus(paid);
    return paid.isZero() ? [] : [{ account: winner.account, mode: winner.mode, amount: paid }];
  });
}

/** LIQ-18: what the other funds pay, in order of asset id: as much as `house` can turn into the debt's asset, then in kind. */
function otherFunds(
  debt: BadDebt,
  missing: Rational,
  most: Rational | null,
  market: ConversionMarket,
): ConversionStep[] {
  const house = new Purse(debt.house);
  const funds = new Purse(debt.insurance);
  const to = market.asset(debt.asset);
  const steps: ConversionStep[] = [];
  let rest = most === null ? missing : Rational.min(missing, most);
  for (const { asset } of funds.balances()) {
    if (asset === debt.asset) continue;
    for (const counterparty of ["house", "bad_debt"] as const) {
      const from = market.asset(asset);
      const cap = from.conversionCap?.dividedBy(market.index(asset)).minus(house.of(asset));
      const held = funds.of(asset);
      const step = exchange({
        from,
        to,
        counterparty,
        discount: Rational.zero,
        fromUsd: market.index(asset),
        toUsd: market.index(to.id),
        mostSold: counterparty === "house" && cap !== undefined ? Rational.min(held, cap) : held,
        mostBought: counterparty === "house" ? Rational.min(rest, house.of(to.id)) : rest,
      });
      if (step === null) continue;
      funds.add(asset, step.sold.negated());
      if (counterparty === "house") {
        house.add(asset, step.sold);
        house.add(to.id, step.bought.negated());
      }
      rest = rest.minus(step.bought);
      steps.push(step);
    }
  }
  return steps;
}

/**
 * LIQ-18 to LIQ-20: stage 7. Money missing is paid by the fund of its asset, then by other funds at index in order of asset id, then
 * shared among the instrument's winners; what is left, or has no instrument, is parked. `amount` = everything paid + parked, exactly.
 * Pure; throws `RangeError` when the amount is not positive whole quanta.
 */
export function planBadDebt(debt: BadDebt, market: ConversionMarket): BadDebtPlan {
  const { quantum } = market.asset(debt.asset);
  if (debt.amount.sign <= 0 || !debt.amount.isMultipleOf(quantum)) {
    throw new RangeError("a bad debt is a positive number of whole quanta");
  }
  const index = market.index(debt.asset);
  const allowed = debt.spendableUsd === null ? null : Rational.max(debt.spendableUsd, Rational.zero).dividedBy(index);
  const held = Rational.max(new Purse(debt.insurance).of(debt.asset), Rational.zero);
  const reach = Rational.min(debt.amount, allowed === null ? held : Rational.min(held, allowed));
  const fund = reach.floorTo(quantum);
  let missing = debt.amount.minus(fund);
  const others = otherFunds(debt, missing, allowed?.minus(fund) ?? null, market);
  missing = missing.minus(Rational.sum(others.map((step) => step.bought)));
  const shared = debt.winners === null ? [] : shareLoss(missing, debt.winners, quantum);
  const parked = missing.minus(Rational.sum(shared.map((one) => one.amount)));
  return { fund, otherFunds: others, shared, parked };
}
