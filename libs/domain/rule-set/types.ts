import type { Rational } from "#libs/decimal/index.ts";
import type { LimitHierarchy, Shorting } from "./limit-types.ts";

/** One slice of a collateral curve: everything below `upTo` USD (none: without end) counts at `weight`. */
export interface Slice {
  readonly upTo: Rational | null;
  readonly weight: Rational;
}

/** How the dynamic haircut of an asset moves (RULES §4): fractions, minutes, fractions per hour. */
export interface HaircutRules {
  readonly base: Rational;
  readonly min: Rational;
  readonly max: Rational;
  /** Multiplies σ·√T; zero means that volatility plays no part. */
  readonly k: Rational;
  readonly horizonMinutes: Rational;
  /** The initial haircut falls by at most this much per hour; null: at once. */
  readonly decayPerHour: Rational | null;
  /** The maintenance haircut moves by at most this much per hour, either way; null: at once. */
  readonly maintenanceStepPerHour: Rational | null;
}

export interface AssetRules {
  readonly id: string;
  /** The smallest amount of the asset; every balance and cost is a whole number of it. */
  readonly quantum: Rational;
  /** Maintenance slices, ascending; never empty. */
  readonly slices: readonly Slice[];
  readonly initialSlices: readonly Slice[];
  /** k of the size curve `min(w, 1.1/(1 + k·√balance))`; zero: no curve. */
  readonly sizeCurve: Rational;
  readonly haircut: HaircutRules | null;
  readonly liabilityPremium: Rational;
  /** At most this much collateral value, USD, per account, after weights and haircut. */
  readonly cap: Rational | null;
  /** Platform scaling starts when traders' positive cash is worth more than this, USD. */
  readonly platformStart: Rational | null;
  /** Largest share of an account's collateral value that this asset may be. */
  readonly concentration: Rational | null;
  /** Conversion sells assets in ascending order; null: never sold. */
  readonly conversionOrder: number | null;
  readonly conversionFee: Rational;
  /** At most this much of the asset, USD, may `house` come to hold by conversion. */
  readonly conversionCap: Rational | null;
}

export interface Tier {
  readonly from: Rational;
  readonly im: Rational;
  readonly mm: Rational;
}

export type InstrumentKind = "linear" | "inverse";
export type AdlPolicy = "queue" | "pro-rata" | "hedge-aware" | "hedge-aware-pro-rata";

export interface PositionLimits {
  /** In contracts; each null: no such limit. */
  readonly maxPosition: Rational | null;
  readonly maxLong: Rational | null;
  readonly maxShort: Rational | null;
  readonly maxOrderQty: Rational | null;
  /** Σ long contracts over all accounts. */
  readonly maxOpenInterest: Rational | null;
  /** One account's share of open interest. */
  readonly maxOpenInterestShare: Rational | null;
}

/** When a perpetual pays funding, and how much at most; rates are per interval. */
export interface FundingRules {
  /** Whole intervals of UTC; a day is a whole number of them. */
  readonly intervalMs: number;
  /** Added to the average premium. */
  readonly interest: Rational;
  /** The rate is no further from zero. */
  readonly rateMax: Rational;
}

export interface InstrumentRules {
  readonly id: string;
  readonly kind: InstrumentKind;
  readonly base: string;
  readonly quote: string;
  /** Cash, cost, profit, tiers and fees are in this asset. */
  readonly settle: string;
  /** The asset whose index this instrument follows. */
  readonly index: string;
  readonly multiplier: Rational;
  readonly tick: Rational | null;
  readonly lot: Rational;
  readonly minNotional: Rational;
  readonly maxLeverage: Rational | null;
  readonly tierMode: "progressive" | "whole";
  readonly notional: "mark" | "entry";
  /** Ascending from 0; empty: no tiered requirement. */
  readonly tiers: readonly Tier[];
  readonly sizePremium: { readonly shape: "sqrt" | "linear"; readonly k: Rational } | null;
  readonly oiScaling: { readonly lower: Rational; readonly upper: Rational } | null;
  readonly closeFeeInMargin: boolean;
  readonly takerFee: Rational;
  readonly makerFee: Rational;
  readonly liquidationFee: Rational;
  readonly priceBand: Rational | null;
  readonly adlPolicy: AdlPolicy;
  /** UTC ms at which a dated future expires; null: perpetual. */
  readonly expiry: number | null;
  readonly funding: FundingRules;
  readonly limits: PositionLimits;
  /** What its exposure counts towards; null: nothing. */
  readonly sector: string | null;
  /** Where contracts stand, unless the account says so itself. */
  readonly counterparty: string | null;
  readonly venue: string | null;
  readonly shorting: Shorting;
}

export interface LiquidationRules {
  readonly partialAt: Rational;
  readonly fullAt: Rational;
  readonly target: Rational;
  readonly closeMin: Rational;
  readonly closeMax: Rational;
  /** Largest share of the visible depth that one slice may take; null: all of it. */
  readonly depthShare: Rational | null;
  readonly expectedSlippage: Rational;
  /** Limit of a closing order against mark, a fraction; null: only the bankruptcy price limits. */
  readonly maxSlippage: Rational | null;
  /** How long a stale price must have been confirmed before it may liquidate; null: it never may. */
  readonly staleConfirmMs: number | null;
  readonly disputedGraceMs: number | null;
  /** How long closing orders wait for depth while the scope is `cancel_all`. */
  readonly cancelAllWaitMs: number;
}

export interface FundRules {
  /** USD one saga may take from the fund; null: no cap. */
  readonly eventCap: Rational | null;
  readonly brake: { readonly drawdown: Rational; readonly until: Rational; readonly hours: Rational } | null;
  readonly tradingFeeShare: Rational;
}

export interface ProviderRules {
  readonly account: string;
  /** Exactly one of instrument (takes positions) and asset (buys collateral in a conversion). */
  readonly instrument: string | null;
  readonly asset: string | null;
  /** Contracts or units it stands ready for in one frame. */
  readonly capacity: Rational;
  readonly discount: Rational;
}

export interface MarkRules {
  /** asset → source → weight. */
  readonly sources: ReadonlyMap<string, ReadonlyMap<string, Rational>>;
  readonly outlier: Rational | null;
  readonly staleMs: number | null;
  readonly quorum: number;
  readonly stepMax: Rational | null;
  readonly basisEmaMs: number | null;
  readonly basisMax: Rational | null;
  /** asset → redemption value, USD; a thin or depegged one counts at the lower of median and this. */
  readonly redemption: ReadonlyMap<string, { readonly value: Rational; readonly sources: number }>;
}

export type HaltState = "normal" | "reduce_only" | "no_new_orders" | "cancel_all" | "paused";

export interface BreakerRules {
  readonly priceMove: {
    readonly windowMs: number;
    readonly reduceOnlyAt: Rational;
    readonly noNewOrdersAt: Rational;
  } | null;
  readonly stalePrice: { readonly state: HaltState } | null;
  readonly fundDrawdown: { readonly at: Rational; readonly state: HaltState } | null;
  readonly liquidationRate: { readonly windowMs: number; readonly countMax: number; readonly state: HaltState } | null;
  /** null: that lag asks for nothing. */
  readonly lag: {
    readonly commitMs: number | null;
    readonly engineMs: number | null;
    readonly state: HaltState;
  } | null;
  readonly dependencyErrors: { readonly share: Rational; readonly state: HaltState } | null;
  readonly limitBreach: { readonly state: HaltState } | null;
  readonly expiryMs: number;
  readonly reopenStepMs: number;
}

export interface AccountLimits {
  /** Σ notional USD ≤ this × E_I. */
  readonly maxLeverage: Rational | null;
  readonly maxOpenPositions: number | null;
  readonly maxNotionalUsd: Rational | null;
}

export interface EntityRules {
  readonly id: string;
  readonly accounts: readonly string[];
}

/** One version of every configurable number of the rule book, validated whole (RULES: ⚙). */
export interface RuleSet {
  readonly version: number;
  readonly assets: ReadonlyMap<string, AssetRules>;
  readonly instruments: ReadonlyMap<string, InstrumentRules>;
  readonly liquidation: LiquidationRules;
  /** Descending ratios. */
  readonly warnings: readonly Rational[];
  readonly warningRearm: Rational;
  readonly profitWeight: { readonly weight: Rational; readonly k: Rational };
  readonly withdrawFloor: Rational;
  /** A negative balance is converted when it is worth more than this share of equity; null: only on request or after a liquidation. */
  readonly convertAt: Rational | null;
  readonly fund: FundRules;
  readonly providers: readonly ProviderRules[];
  readonly marks: MarkRules;
  readonly limits: AccountLimits;
  /** Every limit with all its levels, those in `limits` and in instruments' `limits` among them. */
  readonly hierarchy: LimitHierarchy;
  readonly breakers: BreakerRules;
  readonly entities: ReadonlyMap<string, EntityRules>;
  readonly liquidity: "mark" | "depth" | "none";
  /** The settlement index of an expiry is an average over so many minutes. */
  readonly settlementMinutes: number;
  /** How far from the index, as a share of it, an operator may settle an instrument. */
  readonly settlementBand: Rational;
  /** Entries may write at most this many accounts. */
  readonly accountsPerEntryMax: number;
}

export const systemAccounts = ["insurance", "fees", "house", "rounding", "bad_debt", "clearing", "market"] as const;
export type SystemAccount = (typeof systemAccounts)[number];
const systemAccountSet: ReadonlySet<string> = new Set(systemAccounts);

/** Fixed list in code: no rule or flag can exempt a trader's account (RULES §2). */
export function isSystemAccount(account: string): boolean {
  return systemAccountSet.has(account);
}
