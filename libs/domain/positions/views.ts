import type { Rational } from "#libs/decimal/index.ts";
import type { AssetRules, InstrumentRules } from "#libs/domain/rule-set/types.ts";

/** What every account sees alike at one instant. Prices are USD per unit of asset, or quote per base for marks. */
export interface MarketView {
  asset(id: string): AssetRules;
  /** USD per unit of the asset. */
  index(asset: string): Rational;
  mark(instrument: string): Rational;
  haircutInitial(asset: string): Rational;
  haircutMaintenance(asset: string): Rational;
  /** Σ long value at mark, in the settle asset. */
  openInterest(instrument: string): Rational;
  /** Σ positive cash of traders in the asset, in units of the asset. */
  platformCash(asset: string): Rational;
}

/** One net position. `qty` signed contracts (never zero), `cost` Σ value at entry, signed, settle asset. */
export interface OpenPosition {
  readonly instrument: InstrumentRules;
  readonly qty: Rational;
  readonly cost: Rational;
  /** Accrued and not yet booked, settle asset, signed: positive is to be received. */
  readonly funding: Rational;
  /** Chosen leverage; null: none chosen and the instrument has no maximum. */
  readonly leverage: Rational | null;
}

export interface RestingOrder {
  readonly id: string;
  readonly instrument: InstrumentRules;
  readonly side: "buy" | "sell";
  /** What is still open of it, positive contracts. */
  readonly qty: Rational;
  /** null: a market order, priced at the edge of the band. */
  readonly price: Rational | null;
  readonly reduceOnly: boolean;
  /** Leverage chosen for that account and instrument. */
  readonly leverage: Rational | null;
}

export interface Cash {
  readonly asset: string;
  readonly amount: Rational;
}

/** Everything of an account that is judged together and has no margin of its own. */
export interface CrossPool {
  readonly kind: "cross";
  /** In order of asset id; zero balances may be left out. */
  readonly cash: readonly Cash[];
  /** In order of instrument id. */
  readonly positions: readonly OpenPosition[];
  /** All resting orders of the account, oldest first; those on isolated instruments reserve here too. */
  readonly orders: readonly RestingOrder[];
  /** Isolated positions, only because their resting orders reserve in the cross pool. */
  readonly isolated: readonly OpenPosition[];
}

/** One isolated position with its own margin balance, settle asset. */
export interface IsolatedPool {
  readonly kind: "isolated";
  readonly margin: Rational;
  readonly position: OpenPosition;
}

export type Pool = CrossPool | IsolatedPool;
