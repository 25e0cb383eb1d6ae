import { Rational } from "#libs/decimal/index.ts";
import { evaluatePool } from "#libs/domain/health/evaluate.ts";
import type { MarketView, OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { Book } from "#libs/engine/book.ts";
import type { Band } from "#libs/engine/trigger-index.ts";

/** The float as an exact fraction. */
export function exactly(value: number): Rational {
  let [scaled, shift] = [value, 0];
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    shift += 1;
  }
  return Rational.fraction(BigInt(scaled), 1n << BigInt(shift));
}

/** A value for each factor that is not the market's own. */
export type Corner = ReadonlyMap<number, number>;

/** The exact numbers of a pool if factors had the values of a corner, by the plain rules. */
export function standingAt(
  book: Book,
  pool: number,
  corner: Corner,
): { readonly equity: Rational; readonly mm: Rational } {
  const { market } = book;
  const view = book.marketView();
  const at = (factor: number, own: () => Rational): Rational => {
    const value = corner.get(factor);
    return value === undefined ? own() : exactly(value);
  };
  const moved: MarketView = {
    asset: (id) => view.asset(id),
    index: (id) => at(market.indexFactor(book.assetIndex(id)), () => view.index(id)),
    mark: (id) => at(market.markFactor(book.instrumentIndex(id)), () => view.mark(id)),
    haircutInitial: (id) => view.haircutInitial(id),
    haircutMaintenance: (id) =>
      Rational.one.minus(
        at(market.haircutFactor(book.assetIndex(id)), () => Rational.one.minus(view.haircutMaintenance(id))),
      ),
    openInterest: (id) => view.openInterest(id),
    platformCash: (id) => view.platformCash(id),
  };
  const { maintenanceEquity, mm } = evaluatePool(withFunding(book, book.poolView(pool), corner), moved, book.rules);
  return { equity: maintenanceEquity, mm };
}

/** The pool with the funding that the corner's funding factors stand for. */
function withFunding(book: Book, pool: Pool, corner: Corner): Pool {
  const { market } = book;
  const paid = (position: OpenPosition): OpenPosition => {
    const number = book.instrumentIndex(position.instrument.id);
    const factor = market.fundingFactor(number);
    const value = corner.get(factor);
    if (value === undefined) return position;
    const step = exactly(value).minus(exactly(market.factors[factor] as number));
    const owed = step.times(exactly(market.fundingScale(number))).times(position.qty);
    return { ...position, funding: position.funding.minus(owed) };
  };
  if (pool.kind === "isolated") return { ...pool, position: paid(pool.position) };
  return { ...pool, positions: pool.positions.map(paid) };
}

/** Both ends of a band, with something far away in place of an end that does not exist. */
export function endsOf(book: Book, band: Band): readonly [number, number] {
  const now = book.market.factors[band.factor] as number;
  const { low, high } = band;
  // A funding factor is close to one and its steps are tiny; a price may do anything above zero.
  const funding = book.rules.instruments.size > 0 && isFunding(book, band.factor);
  const haircut = isHaircut(book, band.factor);
  const farLow = funding ? now - 2e-6 : now / 50;
  const farHigh = funding ? now + 2e-6 : haircut ? 1 : now * 50;
  // Bands that no move at all stays in are the present value alone.
  if (low > high) return [now, now];
  return [low === -Infinity ? farLow : low, high === Infinity ? Math.max(now, farHigh) : high];
}

export function isFunding(book: Book, factor: number): boolean {
  for (let i = 0; i < book.instrumentCount; i += 1) if (book.market.fundingFactor(i) === factor) return true;
  return false;
}
function isHaircut(book: Book, factor: number): boolean {
  for (let c = 0; c < book.assetCount; c += 1) if (book.market.haircutFactor(c) === factor) return true;
  return false;
}

/**
 * The corner of the bands at which `sign·(E_M − k·MM)` is smallest, as far as moving one factor at a time to an end can find it,
 * with its exact value.
 */
export function worstCorner(
  book: Book,
  pool: number,
  bands: readonly Band[],
  k: Rational,
  sign: 1 | -1,
): { readonly corner: Corner; readonly slack: Rational } {
  const corner = new Map<number, number>();
  const slackOf = (): Rational => {
    const { equity, mm } = standingAt(book, pool, corner);
    const slack = equity.minus(k.times(mm));
    return sign === 1 ? slack : slack.negated();
  };
  let slack = slackOf();
  for (let round = 0; round < 2; round += 1) {
    for (const band of bands) {
      for (const end of endsOf(book, band)) {
        const before = corner.get(band.factor);
        corner.set(band.factor, end);
        const found = slackOf();
        if (found.below(slack)) slack = found;
        else if (before === undefined) corner.delete(band.factor);
        else corner.set(band.factor, before);
      }
    }
  }
  return { corner, slack };
}
