import { Rational } from "#libs/decimal/index.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { MarketView } from "#libs/domain/positions/views.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";

/** What one account has on one instrument: its position and the orders that may open, approved ones among them. Contracts. */
export interface Exposure {
  readonly account: string;
  readonly instrument: InstrumentRules;
  /** Signed. */
  readonly held: Rational;
  readonly buys: Rational;
  readonly sells: Rational;
}

/** Where a position stands, if anybody says so: the account's word goes before the instrument's. */
export type PlaceOf = (account: string) => string | null;

const usdOf = (instrument: InstrumentRules, contracts: Rational, market: MarketView): Rational =>
  contracts.isZero()
    ? Rational.zero
    : notional(instrument, contracts, market.mark(instrument.id)).times(market.index(instrument.settle));

/** The largest |position| that its orders can lead to. */
export function farthest({ held, buys, sells }: Exposure): Rational {
  return Rational.max(held.abs(), Rational.max(held.plus(buys).abs(), held.minus(sells).abs()));
}

/** Signed contracts of all accounts on an instrument once every order of one side has filled. */
export function reached(exposures: readonly Exposure[], instrument: string, side: "buy" | "sell"): Rational {
  const own = exposures.filter((one) => one.instrument.id === instrument);
  return Rational.sum(own.map(({ held, buys, sells }) => (side === "buy" ? held.plus(buys) : held.minus(sells))));
}

/** Notional at mark of the largest positions that orders can lead to, USD, of those that `counts` lets in. */
export function grossUsd(
  exposures: readonly Exposure[],
  market: MarketView,
  counts: (one: Exposure) => boolean = () => true,
): Rational {
  return Rational.sum(exposures.filter(counts).map((one) => usdOf(one.instrument, farthest(one), market)));
}

/** Longs less shorts at mark, USD, once every buy or every sell has filled: whichever is further from zero. */
export function netUsd(exposures: readonly Exposure[], market: MarketView): Rational {
  const once = (side: "buy" | "sell"): Rational =>
    Rational.sum(
      exposures.map(({ instrument, held, buys, sells }) => {
        const contracts = side === "buy" ? held.plus(buys) : held.minus(sells);
        const usd = usdOf(instrument, contracts, market);
        return contracts.sign < 0 ? usd.negated() : usd;
      }),
    );
  return Rational.max(once("buy").abs(), once("sell").abs());
}

/** Units of the underlying that contracts stand for: an inverse contract's face is in quote, at mark. */
export function deltaOf(instrument: InstrumentRules, contracts: Rational, market: MarketView): Rational {
  const size = contracts.times(instrument.multiplier);
  return instrument.kind === "linear" ? size : size.dividedBy(market.mark(instrument.id));
}

/** Delta-equivalents of everything that follows one index, USD at that index, either side, like `netUsd`. */
export function deltaUsd(exposures: readonly Exposure[], underlying: string, market: MarketView): Rational {
  const own = exposures.filter((one) => one.instrument.index === underlying);
  const once = (side: "buy" | "sell"): Rational =>
    Rational.sum(
      own.map(({ instrument, held, buys, sells }) =>
        deltaOf(instrument, side === "buy" ? held.plus(buys) : held.minus(sells), market),
      ),
    ).abs();
  return Rational.max(once("buy"), once("sell")).times(market.index(underlying));
}

/** Positions that are held or that orders may open. */
export function openPositions(exposures: readonly Exposure[]): Rational {
  return Rational.ofInteger(exposures.filter((one) => !farthest(one).isZero()).length);
}
