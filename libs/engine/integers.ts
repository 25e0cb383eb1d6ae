import { Rational, sizeCurve, squareRootUp } from "#libs/decimal/index.ts";
import type { AssetRules } from "#libs/domain/rule-set/types.ts";
import type { Book } from "./book.ts";
import type { CompiledRules } from "./compiled-rules.ts";
import { AssetIntegers, FractionSum, InstrumentIntegers } from "./integer-rules.ts";
import { PriceMissing } from "./market.ts";

/**
 * The exact E_M and MM of one pool, in big integers over the book's columns: the same values as the plain rules, by other
 * arithmetic. One object serves all pools: `evaluate` overwrites the fields. Linear contracts of one settle asset share a
 * denominator, so that adding one costs a product and a sum; inverse ones bring their mark's numerator as denominator.
 */
export class Integers {
  private readonly book: Book;
  private readonly compiled: CompiledRules;
  private version = -1;
  private assets: AssetIntegers[] = [];
  private instruments: InstrumentIntegers[] = [];
  private touched: AssetIntegers[] = [];
  private touchedCount = 0;

  private readonly equity = new FractionSum();
  private readonly maintenance = new FractionSum();

  constructor(book: Book, compiled: CompiledRules) {
    this.book = book;
    this.compiled = compiled;
  }

  /** E_M, USD, of the pool evaluated last: numerator and positive denominator. */
  get equityNumerator(): bigint {
    return this.equity.numerator;
  }
  get equityDenominator(): bigint {
    return this.equity.denominator;
  }
  /** MM, USD. */
  get maintenanceNumerator(): bigint {
    return this.maintenance.numerator;
  }
  get maintenanceDenominator(): bigint {
    return this.maintenance.denominator;
  }

  /** Fills the fields for a pool. Throws `PriceMissing` when a price it needs is not known. */
  evaluate(pool: number): this {
    if (this.version !== this.compiled.version) this.adopt();
    this.touchedCount = 0;
    this.equity.clear();
    this.maintenance.clear();
    if ((pool & 1) === 1) this.isolated(pool >> 1);
    else this.cross(pool >> 1);
    return this;
  }

  /** The sign of `E_M − k·MM` for the pool evaluated last. */
  sign(k: Rational): -1 | 0 | 1 {
    const { equity, maintenance } = this;
    const left = equity.numerator * maintenance.denominator * k.denominator;
    const right = maintenance.numerator * equity.denominator * k.numerator;
    return left < right ? -1 : left > right ? 1 : 0;
  }

  /** The sign of `E_M − k·MM`. */
  compareToThreshold(pool: number, k: Rational): -1 | 0 | 1 {
    return this.evaluate(pool).sign(k);
  }

  private adopt(): void {
    const { book, compiled } = this;
    this.version = compiled.version;
    this.assets = compiled.assets.map((asset, c) => new AssetIntegers(asset.rules, c));
    this.instruments = compiled.instruments.map(
      (one, i) => new InstrumentIntegers(one.rules, i, this.assets[book.settleIndex(i)] as AssetIntegers),
    );
    this.touched = this.assets.slice();
    for (const asset of this.assets) if (asset !== undefined) asset.run = false;
  }

  private open(asset: AssetIntegers): void {
    asset.open();
    this.touched[this.touchedCount] = asset;
    this.touchedCount += 1;
  }

  private release(): void {
    for (let at = 0; at < this.touchedCount; at += 1) (this.touched[at] as AssetIntegers).run = false;
  }

  private isolated(row: number): void {
    const { book } = this;
    const instrument = this.instruments[book.rowInstrument(row)] as InstrumentIntegers;
    const { asset } = instrument;
    this.open(asset);
    asset.cash = book.margin(row);
    this.position(row, instrument);
    this.release();
    const { numerator, denominator } = this.indexOf(asset);
    asset.close();
    this.equity.add(
      asset.balance * numerator * asset.quantumNumerator,
      asset.balanceDenominator * denominator * asset.quantumDenominator,
    );
    this.require(asset, numerator, denominator);
  }

  private cross(account: number): void {
    const { book } = this;
    for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row)) {
      const asset = this.assets[book.cashAsset(row)] as AssetIntegers;
      if (!asset.run) this.open(asset);
      asset.cash += book.cashAmount(row);
    }
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
      if (book.isIsolated(row)) continue;
      const instrument = this.instruments[book.rowInstrument(row)] as InstrumentIntegers;
      if (!instrument.asset.run) this.open(instrument.asset);
      this.position(row, instrument);
    }
    this.release();
    for (let at = 0; at < this.touchedCount; at += 1) this.value(this.touched[at] as AssetIntegers);
  }

  private indexOf(asset: AssetIntegers): Rational {
    const price = this.book.market.indexPrice(asset.number);
    if (price === null) throw new PriceMissing(asset.rules.id);
    return price;
  }

  /** Adds a position's profit and accrued funding to its settle asset's balance, and its requirement to the asset's. */
  private position(row: number, instrument: InstrumentIntegers): void {
    const { book } = this;
    const lots = book.qty(row);
    if (lots === 0n) return;
    const { market } = book;
    const mark = market.markPrice(instrument.number);
    if (mark === null) {
      this.release();
      throw new PriceMissing(instrument.rules.id);
    }
    instrument.follow(mark);
    const { asset } = instrument;
    const cost = book.cost(row);
    asset.cash -= cost;
    if (instrument.decimal) asset.scaled += lots * instrument.lotValue;
    else asset.rest.add(lots * instrument.lotValue, instrument.lotDenominator);
    const since = market.fundingSince(instrument.number, book.rowFundingEpoch(row));
    if (since.numerator !== 0n) {
      const paid = lots * since.numerator * instrument.lotNumeratorQuanta;
      asset.addBalance(-paid, since.denominator * instrument.lotDenominatorQuanta);
    }
    this.requirement(instrument, lots < 0n ? -lots : lots, cost < 0n ? -cost : cost);
  }

  /** `size` lots and `cost` quanta, both positive. */
  private requirement(instrument: InstrumentIntegers, size: bigint, cost: bigint): void {
    const { asset } = instrument;
    let notional = 0n;
    let denominator = 1n;
    if (instrument.entryNotional) notional = cost;
    else {
      notional = size * (instrument.lotValue < 0n ? -instrument.lotValue : instrument.lotValue);
      denominator = instrument.lotDenominator;
    }
    if (instrument.premium !== null) {
      this.premiumRequirement(instrument, size, notional, denominator);
      return;
    }
    if (instrument.decimal && !instrument.entryNotional) {
      // The common case: the notional is over the asset's own scale, and so are the floors.
      asset.needScaled += instrument.need(notional);
      return;
    }
    asset.need.add(
      instrument.needOver(notional, denominator),
      denominator * asset.rateDenominator * instrument.floorDenominator,
    );
  }

  private premiumRequirement(
    instrument: InstrumentIntegers,
    size: bigint,
    notional: bigint,
    denominator: bigint,
  ): void {
    const { asset, premium } = instrument;
    if (premium === null) return;
    const exposure = Rational.fraction(size * instrument.exposureNumerator, instrument.exposureDenominator);
    const extra = premium.k.times(premium.shape === "sqrt" ? squareRootUp(exposure) : exposure);
    const need = instrument.needWithPremium(notional, denominator, extra, premium.shape === "sqrt");
    asset.need.add(need.numerator, need.denominator);
  }

  /** Adds an asset's share of E_M and MM. A balance of zero needs no price. */
  private value(asset: AssetIntegers): void {
    asset.close();
    const { balance, balanceDenominator: scale } = asset;
    const needed = asset.needScaled !== 0n || asset.need.numerator !== 0n;
    if (balance === 0n && !needed) return;
    const price = this.indexOf(asset);
    if (balance !== 0n) {
      asset.follow(price, this.book.market.haircutMaintenance(asset.number));
      if (balance < 0n) this.equity.add(balance * asset.debtNumerator, scale * asset.debtDenominator);
      else if (asset.plain) this.equity.add(balance * asset.keptNumerator, scale * asset.keptDenominator);
      else this.sliced(asset, balance, scale, price);
    }
    if (needed) this.require(asset, price.numerator, price.denominator);
  }

  private require(asset: AssetIntegers, priceNumerator: bigint, priceDenominator: bigint): void {
    const numerator = priceNumerator * asset.quantumNumerator;
    const denominator = priceDenominator * asset.quantumDenominator;
    if (asset.needScaled !== 0n) {
      this.maintenance.add(asset.needScaled * numerator, asset.scale * asset.rateDenominator * denominator);
    }
    if (asset.need.numerator !== 0n) {
      this.maintenance.add(asset.need.numerator * numerator, asset.need.denominator * denominator);
    }
  }

  /** Slices by USD value under the size curve, then haircut, then cap. */
  private sliced(asset: AssetIntegers, balance: bigint, scale: bigint, price: Rational): void {
    const rules: AssetRules = asset.rules;
    const units = Rational.fraction(balance * asset.quantumNumerator, scale * asset.quantumDenominator);
    const worth = units.times(price);
    let floor = Rational.zero;
    let sum = Rational.zero;
    for (const slice of rules.slices) {
      const end = slice.upTo === null ? worth : Rational.min(slice.upTo, worth);
      sum = sum.plus(end.minus(floor).times(sizeCurve(slice.weight, rules.sizeCurve, units)));
      floor = end;
      if (slice.upTo === null || worth.atMost(slice.upTo)) break;
    }
    const kept = sum.times(asset.kept);
    const value = rules.cap !== null && kept.above(rules.cap) ? rules.cap : kept;
    this.equity.add(value.numerator, value.denominator);
  }
}
