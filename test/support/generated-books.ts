import { Rational } from "#libs/decimal/index.ts";
import { fillValue } from "#libs/domain/positions/value.ts";
import { evaluatePool } from "#libs/domain/health/evaluate.ts";
import type { PoolHealth } from "#libs/domain/health/evaluate.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { AssetDocument, InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { Book } from "#libs/engine/book.ts";

/** Behind a matching engine, saying as little as it can. */
export const quietMachine = {
  receipts: false,
  roundsPerFrame: "one",
  audit: "light",
  quietFills: true,
  venue: "matching",
} as const;

/** A stream of numbers that is the same for the same seed, on every machine (mulberry32). */
export class Chance {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** At least 0, below 1. */
  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }
  between(least: number, most: number): number {
    return least + this.fraction() * (most - least);
  }
  is(share: number): boolean {
    return this.fraction() < share;
  }
  pick<Value>(values: readonly Value[]): Value {
    return values[this.whole(0, values.length - 1)] as Value;
  }
  /** Of either sign, spread evenly over the powers of ten. */
  scale(least: number, most: number): number {
    return least * (most / least) ** this.fraction();
  }
}

/** The number as an exact fraction of at most `decimals` decimals. */
export const decimal = (value: number, decimals: number): Rational => Rational.parse(value.toFixed(decimals));

function tiers(chance: Chance, unit: number): NonNullable<InstrumentDocument["tiers"]> {
  const count = chance.whole(1, 4);
  const found: NonNullable<InstrumentDocument["tiers"]> = [];
  let [from, mm] = [0, chance.whole(0, 10) === 0 ? 0 : chance.between(0.003, 0.02)];
  for (let at = 0; at < count; at += 1) {
    const im = Math.min(1, mm * 2 + 0.001);
    found.push({ from: from.toFixed(4), im: im.toFixed(6), mm: mm.toFixed(6) });
    from += unit * chance.between(0.2, 3);
    mm = Math.min(1, mm * chance.between(1.2, 3) + 0.002);
  }
  return found;
}

function slices(chance: Chance): NonNullable<AssetDocument["slices"]> {
  const kind = chance.whole(0, 4);
  if (kind <= 1) return [{ weight: chance.between(0.7, 1).toFixed(3) }];
  const first = chance.scale(1e3, 1e6);
  const weights = [chance.between(0.8, 1), chance.between(0.6, 0.9), chance.between(0, 0.7)];
  // Weights that fall, ends beyond which nothing counts, and weights that rise.
  if (kind === 4) weights.reverse();
  const all = [
    { upTo: first.toFixed(2), weight: (weights[0] as number).toFixed(3) },
    { upTo: (first * 4).toFixed(2), weight: (weights[1] as number).toFixed(3) },
  ];
  return kind === 2 ? all : [...all, { weight: (weights[2] as number).toFixed(3) }];
}

function asset(chance: Chance, id: string, price: number): AssetDocument {
  const volatile = id === "BTC" || id === "ETH";
  return {
    id,
    quantum: chance.pick(["0.000001", "0.00000001", "0.000000000000000001"]),
    ...(chance.is(volatile ? 0.8 : 0.3) ? { slices: slices(chance) } : {}),
    ...(chance.is(volatile ? 0.4 : 0.1)
      ? { sizeCurve: (chance.between(0.0005, 0.02) / Math.sqrt(1 / price)).toFixed(6) }
      : {}),
    ...(chance.is(0.6) ? { haircut: { base: chance.between(0, 0.3).toFixed(3) } } : {}),
    ...(chance.is(0.5) ? { liabilityPremium: chance.between(0, 0.2).toFixed(3) } : {}),
    ...(chance.is(0.2) ? { cap: chance.scale(1e4, 1e7).toFixed(2) } : {}),
  };
}

/** USD (or quote) prices that the generated books start from. */
const started: Readonly<Record<string, number>> = { USDT: 1, USDC: 1, BTC: 50_000, ETH: 3_000, SOL: 150 };

function instrument(chance: Chance, id: string, base: string, kind: "linear" | "inverse"): InstrumentDocument {
  const linear = kind === "linear";
  const settle = linear ? (base === "SOL" ? "USDC" : "USDT") : base;
  const unit = linear ? chance.scale(1e4, 1e6) : chance.scale(1, 30);
  const shape = chance.pick(["none", "none", "sqrt", "linear"] as const);
  const exposure = linear ? unit / (started[base] as number) : unit * (started[base] as number);
  return {
    id,
    kind,
    base,
    quote: linear ? settle : "USD",
    settle,
    multiplier: chance.pick(["1", "0.1", "0.001", linear ? "1" : "100"]),
    lot: chance.pick(linear ? ["0.001", "0.01", "1"] : ["1", "10"]),
    tierMode: chance.is(0.7) ? "progressive" : "whole",
    notional: chance.is(0.8) ? "mark" : "entry",
    tiers: chance.is(0.95) ? tiers(chance, unit) : [],
    ...(shape === "none" ? {} : { sizePremium: { shape, k: premium(chance, shape, exposure) } }),
    closeFeeInMargin: chance.is(0.4),
    takerFee: chance.pick(["0", "0.0005", "0.00075"]),
  };
}

/** A k that raises rates by something like a percent at a usual size. */
function premium(chance: Chance, shape: "sqrt" | "linear", exposure: number): string {
  const rise = chance.between(0.001, 0.01);
  return (shape === "sqrt" ? rise / Math.sqrt(exposure) : rise / exposure).toFixed(18);
}

/** Rules with every feature that decides about health, each there or not by chance. */
export function generatedDocument(chance: Chance): RuleDocument {
  return {
    assets: ["USDT", "USDC", "BTC", "ETH", "SOL"].map((id) => asset(chance, id, started[id] as number)),
    instruments: [
      instrument(chance, "BTC-PERP", "BTC", "linear"),
      instrument(chance, "ETH-PERP", "ETH", "linear"),
      instrument(chance, "SOL-PERP", "SOL", "linear"),
      instrument(chance, "BTC-0327", "BTC", "linear"),
      instrument(chance, "BTC-INV", "BTC", "inverse"),
      instrument(chance, "ETH-INV", "ETH", "inverse"),
    ],
    ...(chance.is(0.2) ? { warnings: [] } : {}),
  };
}

export function generatedRules(chance: Chance): RuleSet {
  const { rules, problems } = compileRules(generatedDocument(chance), 1);
  if (problems.length > 0) throw new Error(`generated rules are not valid: ${JSON.stringify(problems[0])}`);
  return rules;
}

/** A book under generated rules, with prices, haircuts and some unbooked funding, and no account yet. */
export function generatedMarket(chance: Chance, rules: RuleSet = generatedRules(chance)): Book {
  const book = new Book(rules);
  for (const one of rules.assets.values()) {
    const price = (started[one.id] as number) * chance.between(0.9, 1.1);
    book.market.setIndexPrice(book.assetIndex(one.id), decimal(price, chance.whole(1, 8)));
    if (one.haircut !== null && chance.is(0.7)) {
      book.market.setHaircuts(
        book.assetIndex(one.id),
        one.haircut.base,
        decimal(chance.between(0, 0.4), chance.whole(2, 6)),
      );
    }
  }
  for (const one of rules.instruments.values()) {
    const price = (started[one.base] as number) * chance.between(0.9, 1.1);
    book.market.setMarkPrice(book.instrumentIndex(one.id), decimal(price, chance.whole(1, 10)));
  }
  payFunding(chance, book);
  return book;
}

/** One payment on some instruments, of up to a tenth of a percent of a contract's value. */
export function payFunding(chance: Chance, book: Book): number[] {
  const moved: number[] = [];
  for (const one of book.rules.instruments.values()) {
    if (chance.is(0.4)) continue;
    const number = book.instrumentIndex(one.id);
    const mark = book.market.markPrice(number) as Rational;
    const worth = one.kind === "linear" ? one.multiplier.times(mark) : one.multiplier.dividedBy(mark).negated();
    book.market.addFunding(number, worth.times(decimal(chance.between(-0.001, 0.001), 6)));
    moved.push(book.market.fundingFactor(number));
  }
  return moved;
}

function hold(chance: Chance, book: Book, account: number, instrument: number, isolated: boolean): number {
  const rules = book.instrumentRules(instrument);
  const mark = book.market.markPrice(instrument) as Rational;
  const settle = book.settleIndex(instrument);
  const quantum = book.assetRules(settle).quantum;
  const lotWorth =
    rules.kind === "linear"
      ? rules.lot.times(rules.multiplier).times(mark)
      : rules.lot.times(rules.multiplier).dividedBy(mark);
  const worth = rules.kind === "linear" ? chance.scale(100, 3e6) : chance.scale(0.01, 60);
  const size = BigInt(Math.max(1, Math.round(worth / lotWorth.toNumber())));
  const lots = chance.is(0.5) ? size : -size;
  const entry = mark.times(decimal(chance.between(0.85, 1.15), 6));
  const cost = fillValue(rules, rules.lot.times(Rational.ofInteger(lots)), entry, quantum);
  const row = book.row(account, instrument);
  if (isolated) book.setIsolated(row, true);
  book.setHolding(row, lots, cost.floorIn(quantum));
  if (isolated) book.addMargin(row, decimal(worth * chance.between(0, 0.3), 6).floorIn(quantum));
  return row;
}

/** A new account with cash, debts and positions by chance; returns its pools that hold anything. */
export function generatedAccount(chance: Chance, book: Book): number[] {
  const account = book.internAccount(`a${book.accountCount}`);
  const pools = [book.crossPool(account)];
  for (let c = 0; c < book.assetCount; c += 1) {
    if (!chance.is(0.35)) continue;
    const rules = book.assetRules(c);
    const usd = chance.scale(1, 2e6) * (chance.is(0.2) ? -0.2 : 1);
    book.addCash(account, c, decimal(usd / (started[rules.id] as number), 6).floorIn(rules.quantum));
  }
  const count = chance.is(0.1) ? 0 : chance.whole(1, 4);
  for (let at = 0; at < count; at += 1) {
    const instrument = chance.whole(0, book.instrumentCount - 1);
    if (book.findRow(account, instrument) >= 0) continue;
    const row = hold(chance, book, account, instrument, chance.is(0.25));
    if (book.isIsolated(row)) pools.push(book.isolatedPool(row));
  }
  return pools;
}

/** What the plain rules say of a pool. */
export function plainHealth(book: Book, pool: number): PoolHealth {
  return evaluatePool(book.poolView(pool), book.marketView(), book.rules);
}

/**
 * Changes the pool's cash (isolated: margin) in one settle asset until its ratio is about `target`, by the slope that its collateral has
 * there; false when that does not succeed (no requirement, a cap in the way).
 */
export function settleNear(book: Book, pool: number, target: number): boolean {
  const row = book.poolRow(pool);
  const account = book.poolAccount(pool);
  const asset = row >= 0 ? book.settleIndex(book.rowInstrument(row)) : book.assetIndex("USDT");
  const quantum = book.assetRules(asset).quantum;
  const price = (book.market.indexPrice(asset) as Rational).toNumber();
  for (let step = 0; step < 12; step += 1) {
    const { maintenanceEquity, mm } = plainHealth(book, pool);
    if (mm.isZero()) return false;
    const missing = target * mm.toNumber() - maintenanceEquity.toNumber();
    if (Math.abs(missing) < 1e-6 * mm.toNumber()) return true;
    const units = decimal(missing / price, 12).floorIn(quantum);
    if (row >= 0) book.addMargin(row, units);
    else book.addCash(account, asset, units);
  }
  return false;
}

/** One frame: some marks, indices, haircuts and funding move, by little or by much; returns the factors that did. */
export function movePrices(chance: Chance, book: Book, share = 0.5): number[] {
  const { market, rules } = book;
  const moved: number[] = [];
  const size = chance.scale(1e-6, 0.3);
  const step = (): number => 1 + size * chance.between(-1, 1);
  const next = (price: Rational): Rational => decimal(Math.max(price.toNumber() * step(), 1e-6), 12);
  for (const one of rules.assets.values()) {
    const asset = book.assetIndex(one.id);
    if (chance.is(share)) {
      market.setIndexPrice(asset, next(market.indexPrice(asset) as Rational));
      moved.push(market.indexFactor(asset));
    }
    if (one.haircut !== null && chance.is(share / 2)) {
      const haircut = market.haircutMaintenance(asset).toNumber() + size * chance.between(-0.2, 0.2);
      market.setHaircuts(asset, one.haircut.base, decimal(Math.min(1, Math.max(0, haircut)), 6));
      moved.push(market.haircutFactor(asset));
    }
  }
  for (const one of rules.instruments.values()) {
    if (!chance.is(share)) continue;
    const instrument = book.instrumentIndex(one.id);
    market.setMarkPrice(instrument, next(market.markPrice(instrument) as Rational));
    moved.push(market.markFactor(instrument));
  }
  return chance.is(0.2) ? [...moved, ...payFunding(chance, book)] : moved;
}
