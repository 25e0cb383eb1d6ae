import { Rational, squareRootUp } from "#libs/decimal/index.ts";
import type { AssetRules, InstrumentRules } from "#libs/domain/rule-set/types.ts";
import type { Engine } from "#libs/engine/index.ts";

/** What decides about a pool, USD, worked out here once more: slice by slice and tier by tier, from the book's columns alone. */
export interface PlainHealth {
  readonly maintenance: Rational;
  readonly full: Rational;
  readonly mm: Rational;
}

const { zero, one } = Rational;

/** Signed value in the settle asset. */
export function worth(instrument: InstrumentRules, qty: Rational, price: Rational): Rational {
  const size = qty.times(instrument.multiplier);
  return instrument.kind === "linear" ? size.times(price) : zero.minus(size.dividedBy(price));
}

/** Everything of a position row as exact numbers. */
export function holdingOf(engine: Engine, row: number) {
  const { book } = engine.machine;
  const number = book.rowInstrument(row);
  const instrument = book.instrumentRules(number);
  const settle = book.settleIndex(number);
  const { quantum } = book.assetRules(settle);
  const qty = instrument.lot.times(Rational.ofInteger(book.qty(row)));
  const since = qty.isZero() ? zero : book.market.fundingSince(number, book.rowFundingEpoch(row));
  return {
    row,
    number,
    instrument,
    settle,
    qty,
    cost: quantum.times(Rational.ofInteger(book.cost(row))),
    margin: quantum.times(Rational.ofInteger(book.margin(row))),
    accrued: zero.minus(qty.times(since)),
  };
}

export type Holding = ReturnType<typeof holdingOf>;

export function markOf(engine: Engine, instrument: number): Rational {
  return engine.machine.book.market.markPrice(instrument) ?? zero;
}

export function indexOf(engine: Engine, asset: number): Rational {
  return engine.machine.book.market.indexPrice(asset) ?? zero;
}

/** The requirement of a position in its settle asset, its tiers read upwards from the first floor. */
export function maintenanceOf(engine: Engine, { instrument, number, qty, cost }: Holding): Rational {
  const notional = instrument.notional === "entry" ? cost.abs() : worth(instrument, qty, markOf(engine, number)).abs();
  const size = qty.times(instrument.multiplier).abs();
  const { sizePremium: premium } = instrument;
  const raised = (base: Rational): Rational => {
    if (premium === null) return base;
    if (premium.shape === "linear") return base.plus(premium.k.times(size));
    return Rational.max(base, base.times(Rational.parse("0.8")).plus(premium.k.times(squareRootUp(size))));
  };
  let total = instrument.closeFeeInMargin ? notional.times(instrument.takerFee) : zero;
  instrument.tiers.forEach((tier, at) => {
    const next = instrument.tiers[at + 1];
    const inside = notional.atLeast(tier.from) && (next === undefined || notional.below(next.from));
    if (instrument.tierMode === "whole") {
      if (inside) total = total.plus(notional.times(raised(tier.mm)));
    } else if (notional.above(tier.from)) {
      const end = next === undefined ? notional : Rational.min(notional, next.from);
      total = total.plus(end.minus(tier.from).times(raised(tier.mm)));
    }
  });
  return total;
}

function collateral(asset: AssetRules, balance: Rational, price: Rational, haircut: Rational): Rational {
  const usd = balance.times(price);
  if (balance.sign < 0) return usd.times(one.plus(asset.liabilityPremium));
  const divisor = one.plus(asset.sizeCurve.times(squareRootUp(balance)));
  const bound = asset.sizeCurve.isZero()
    ? one
    : Rational.parse("1.1").dividedBy(divisor).floorTo(Rational.ofUnits(1n, 18));
  let [kept, from] = [zero, zero];
  for (const { upTo, weight } of asset.slices) {
    const to = upTo === null ? usd : Rational.min(usd, upTo);
    if (to.above(from)) kept = kept.plus(to.minus(from).times(Rational.min(weight, bound)));
    from = Rational.max(from, to);
  }
  const cut = kept.times(one.minus(haircut));
  return asset.cap !== null && cut.above(asset.cap) ? asset.cap : cut;
}

/** Rows of a pool: its own row when isolated, else every cross row of the account. */
export function rowsOfPool(engine: Engine, pool: number): number[] {
  const { book } = engine.machine;
  const own = book.poolRow(pool);
  if (own >= 0) return book.qty(own) === 0n ? [] : [own];
  const rows: number[] = [];
  for (let row = book.firstRow(book.poolAccount(pool)); row >= 0; row = book.nextRow(row))
    if (!book.isIsolated(row) && book.qty(row) !== 0n) rows.push(row);
  return rows;
}

export function plainHealth(engine: Engine, pool: number): PlainHealth {
  const { book } = engine.machine;
  const own = book.poolRow(pool);
  const balances = new Map<number, Rational>();
  const add = (asset: number, amount: Rational): void =>
    void balances.set(asset, (balances.get(asset) ?? zero).plus(amount));
  if (own < 0)
    for (let at = book.firstCashRow(book.poolAccount(pool)); at >= 0; at = book.nextCashRow(at)) {
      const asset = book.cashAsset(at);
      add(asset, book.assetRules(asset).quantum.times(Rational.ofInteger(book.cashAmount(at))));
    }
  let mm = zero;
  for (const row of rowsOfPool(engine, pool)) {
    const held = holdingOf(engine, row);
    const profit = worth(held.instrument, held.qty, markOf(engine, held.number)).minus(held.cost);
    add(held.settle, profit.plus(held.accrued).plus(own < 0 ? zero : held.margin));
    mm = mm.plus(maintenanceOf(engine, held).times(indexOf(engine, held.settle)));
  }
  let [maintenance, full] = [zero, zero];
  for (const [asset, balance] of balances) {
    const usd = balance.times(indexOf(engine, asset));
    full = full.plus(usd);
    const rules = book.assetRules(asset);
    maintenance = maintenance.plus(
      own >= 0 ? usd : collateral(rules, balance, indexOf(engine, asset), book.market.haircutMaintenance(asset)),
    );
  }
  return { maintenance, full, mm };
}

/** RULES of health: 3 at or below `fullAt`, 2 at or below `partialAt`, 0 above both. */
export function stageOf(engine: Engine, { maintenance, mm }: PlainHealth): 0 | 2 | 3 {
  const { partialAt, fullAt } = engine.machine.rules.liquidation;
  const counts = mm.sign > 0 || maintenance.sign < 0;
  if (!counts || maintenance.above(mm.times(partialAt))) return 0;
  return maintenance.above(mm.times(fullAt)) ? 2 : 3;
}

/** Every pool of everybody, system accounts left out: nobody else is. */
export function everyPool(engine: Engine): number[] {
  const { book } = engine.machine;
  const pools: number[] = [];
  for (let account = 0; account < book.accountCount; account += 1) {
    if (book.isSystem(account)) continue;
    pools.push(book.crossPool(account));
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
      if (book.isIsolated(row) && book.qty(row) !== 0n) pools.push(book.isolatedPool(row));
  }
  return pools;
}
