import { Rational } from "#libs/decimal/index.ts";
import type { AssetRules } from "#libs/domain/rule-set/types.ts";

export interface Balance {
  readonly asset: string;
  /** Units of the asset, whole quanta. */
  readonly amount: Rational;
}

/** Someone who has registered to buy an asset in conversions. */
export interface ConversionProvider {
  readonly account: string;
  /** The asset it buys. */
  readonly asset: string;
  /** Units of it that it still stands ready for. */
  readonly capacity: Rational;
  /** Share below index at which it buys. */
  readonly discount: Rational;
  /** Cash it can pay with. */
  readonly cash: readonly Balance[];
}

/** What rules and prices a conversion reads. `index` is USD per unit, positive. */
export interface ConversionMarket {
  asset(id: string): AssetRules;
  index(id: string): Rational;
}

export interface ConversionStep {
  readonly from: string;
  /** Units of `from` that leave the account: rounded up, against it. */
  readonly sold: Rational;
  readonly to: string;
  /** Units of `to` that the account receives: rounded down, against it. */
  readonly bought: Rational;
  /** `house`, `insurance`, `bad_debt` or a provider's account. */
  readonly counterparty: string;
  /** Units of `to` per unit of `from`, fee or discount taken off: exact. */
  readonly price: Rational;
  /** What fee or discount have cost, units of `to`: exact, for show; it is within the price. */
  readonly fee: Rational;
}

export interface ConversionRequest {
  /** Account whose debts are converted: a provider does not buy from itself. */
  readonly account: string;
  /** What it holds and owes; only negative amounts are paid, only positive ones sold. */
  readonly balances: readonly Balance[];
  readonly house: readonly Balance[];
  readonly providers: readonly ConversionProvider[];
}

export interface ConversionPlan {
  readonly steps: readonly ConversionStep[];
  /** The account's balances afterwards, in order of asset id. */
  readonly balances: readonly Balance[];
  /** Debts that neither house nor providers could take, positive, in order of asset id. */
  readonly waiting: readonly Balance[];
}

/** Amounts by asset while a plan is made; a missing asset is zero. */
export class Purse {
  private readonly amounts: Map<string, Rational>;
  constructor(balances: readonly Balance[]) {
    this.amounts = new Map(balances.map((one) => [one.asset, one.amount]));
  }
  of(asset: string): Rational {
    return this.amounts.get(asset) ?? Rational.zero;
  }
  add(asset: string, amount: Rational): void {
    this.amounts.set(asset, this.of(asset).plus(amount));
  }
  /** In order of asset id. */
  balances(): Balance[] {
    const ids = [...this.amounts.keys()].sort((left, right) => (left < right ? -1 : 1));
    return ids.map((asset) => ({ asset, amount: this.of(asset) }));
  }
}

/** COL-28: debts in order of asset id, positive amounts. */
export function debtsOf(purse: Purse): Balance[] {
  return purse
    .balances()
    .flatMap(({ asset, amount }) => (amount.sign < 0 ? [{ asset, amount: amount.negated() }] : []));
}

/**
 * COL-20: the assets a debt may be paid with, first to be sold first: ascending order, ties by asset id. An asset without an
 * order is never sold, unless `withUnordered`: then those follow, by id, because keeping them would make others pay.
 */
export function sellable(purse: Purse, debt: string, market: ConversionMarket, withUnordered: boolean): string[] {
  const order = (asset: string): number => market.asset(asset).conversionOrder ?? Number.POSITIVE_INFINITY;
  return purse
    .balances()
    .filter(({ asset, amount }) => asset !== debt && amount.sign > 0)
    .map(({ asset }) => asset)
    .filter((asset) => withUnordered || market.asset(asset).conversionOrder !== null)
    .sort((left, right) => {
      const [first, second] = [order(left), order(right)];
      if (first !== second) return first < second ? -1 : 1;
      return left < right ? -1 : 1;
    });
}

/** One possible exchange of `from` for `to` before it is cut down to what everyone can do. */
export interface Quote {
  readonly from: AssetRules;
  readonly to: AssetRules;
  readonly counterparty: string;
  /** Share of the index value that the buyer keeps. */
  readonly discount: Rational;
  readonly fromUsd: Rational;
  readonly toUsd: Rational;
  /** Most units of `from` that may be sold. */
  readonly mostSold: Rational;
  /** Most units of `to` that may be bought. */
  readonly mostBought: Rational;
}

/**
 * COL-21: the largest exchange within both limits, in whole quanta. The account pays up and receives down, so the counterparty
 * never pays more than the price; nothing is sold beyond what the amount bought costs. Null when not one quantum can be bought.
 */
export function exchange(quote: Quote): ConversionStep | null {
  const { from, to } = quote;
  const indexPrice = quote.fromUsd.dividedBy(quote.toUsd);
  const price = indexPrice.times(Rational.one.minus(quote.discount));
  if (price.sign <= 0 || quote.mostSold.sign <= 0 || quote.mostBought.sign <= 0) return null;
  const affordable = quote.mostSold.floorTo(from.quantum).times(price).floorTo(to.quantum);
  const bought = Rational.min(affordable, quote.mostBought.floorTo(to.quantum));
  if (bought.sign <= 0) return null;
  const sold = bought.dividedBy(price).ceilTo(from.quantum);
  const fee = sold.times(indexPrice).times(quote.discount);
  return { from: from.id, sold, to: to.id, bought, counterparty: quote.counterparty, price, fee };
}

/** COL-22, COL-23: what `house` can take of an asset: its cash of the debt's asset, and up to the cap of the asset sold. */
function houseQuote(
  from: AssetRules,
  to: AssetRules,
  market: ConversionMarket,
  house: Purse,
  most: { readonly sold: Rational; readonly bought: Rational },
): Quote {
  const fromUsd = market.index(from.id);
  const room = from.conversionCap?.dividedBy(fromUsd).minus(house.of(from.id));
  return {
    from,
    to,
    counterparty: "house",
    discount: from.conversionFee,
    fromUsd,
    toUsd: market.index(to.id),
    mostSold: room === undefined ? most.sold : Rational.min(most.sold, room),
    mostBought: Rational.min(most.bought, house.of(to.id)),
  };
}

/** A provider while a plan is made: its capacity and cash fall with every step. */
interface ReadyProvider {
  readonly rules: ConversionProvider;
  capacity: Rational;
  readonly cash: Purse;
}

/** COL-24: those who buy an asset, the smallest discount first, ties by account. */
function readyProviders({ account, providers }: ConversionRequest): ReadyProvider[] {
  return providers
    .filter((one) => one.account !== account)
    .map((rules) => ({ rules, capacity: rules.capacity, cash: new Purse(rules.cash) }))
    .sort(
      (left, right) =>
        left.rules.discount.compare(right.rules.discount) || (left.rules.account < right.rules.account ? -1 : 1),
    );
}

/**
 * COL-20 to COL-25, COL-28: the plan that turns negative balances into positive ones: each debt from the assets in order, each
 * asset first to `house`, then to providers; what nobody takes waits. Pure; nothing is moved.
 */
export function planConversion(request: ConversionRequest, market: ConversionMarket): ConversionPlan {
  const own = new Purse(request.balances);
  const house = new Purse(request.house);
  const providers = readyProviders(request);
  const steps: ConversionStep[] = [];
  const book = (step: ConversionStep | null, counterparty: Purse): void => {
    if (step === null) return;
    own.add(step.from, step.sold.negated());
    own.add(step.to, step.bought);
    counterparty.add(step.from, step.sold);
    counterparty.add(step.to, step.bought.negated());
    steps.push(step);
  };
  for (const debt of debtsOf(own)) {
    const to = market.asset(debt.asset);
    const most = (from: string) => ({ sold: own.of(from), bought: own.of(debt.asset).negated() });
    for (const id of sellable(own, debt.asset, market, false)) {
      const from = market.asset(id);
      book(exchange(houseQuote(from, to, market, house, most(id))), house);
      for (const ready of providers) {
        if (ready.rules.asset !== id) continue;
        const step = exchange({
          from,
          to,
          counterparty: ready.rules.account,
          discount: ready.rules.discount,
          fromUsd: market.index(id),
          toUsd: market.index(to.id),
          mostSold: Rational.min(most(id).sold, ready.capacity),
          mostBought: Rational.min(most(id).bought, ready.cash.of(to.id)),
        });
        if (step !== null) ready.capacity = ready.capacity.minus(step.sold);
        book(step, ready.cash);
      }
    }
  }
  return { steps, balances: own.balances(), waiting: debtsOf(own) };
}
