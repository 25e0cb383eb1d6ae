import type {
  InstrumentLimitsDocument,
  InstrumentPlaceDocument,
  LimitHierarchyDocument,
  LimitsDocument,
} from "./limit-documents.ts";

/**
 * The rule set as people write it: JSON, every amount a decimal string. An absent key means off, or its stated default.
 * `libs/contracts` checks the shape; `compileRules` checks the meaning and turns it into exact numbers.
 */
export interface SliceDocument {
  upTo?: string;
  weight: string;
}
export interface AssetDocument {
  id: string;
  quantum?: string;
  slices?: SliceDocument[];
  initialSlices?: SliceDocument[];
  sizeCurve?: string;
  haircut?: {
    base: string;
    min?: string;
    max?: string;
    k?: string;
    horizonMinutes?: string;
    decayPerHour?: string;
    maintenanceStepPerHour?: string;
  };
  liabilityPremium?: string;
  cap?: string;
  platformStart?: string;
  concentration?: string;
  conversionOrder?: number;
  conversionFee?: string;
  conversionCap?: string;
}
export interface FundingDocument {
  intervalMs?: number;
  interest?: string;
  rateMax?: string;
}
export interface InstrumentDocument extends InstrumentPlaceDocument {
  id: string;
  kind: "linear" | "inverse";
  base: string;
  quote: string;
  settle: string;
  index?: string;
  multiplier?: string;
  tick?: string;
  lot?: string;
  minNotional?: string;
  maxLeverage?: string;
  tierMode?: "progressive" | "whole";
  notional?: "mark" | "entry";
  tiers?: { from: string; im: string; mm: string }[];
  sizePremium?: { shape: "sqrt" | "linear"; k: string };
  oiScaling?: { lower: string; upper: string };
  closeFeeInMargin?: boolean;
  takerFee?: string;
  makerFee?: string;
  liquidationFee?: string;
  priceBand?: string;
  adlPolicy?: "queue" | "pro-rata" | "hedge-aware" | "hedge-aware-pro-rata";
  expiry?: number;
  funding?: FundingDocument;
  limits?: InstrumentLimitsDocument;
}
/** Operators tighten something for a time (BRK-24). */
export interface EmergencyDocument {
  /** Absent: every instrument. */
  instrument?: string;
  /** What initial and maintenance rates are multiplied by, from 1 to 10. */
  marginFactor?: string;
  /** Thresholds of liquidation, for all instruments; only upwards. */
  partialAt?: string;
  fullAt?: string;
  /** UTC ms. */
  until: number;
  reason: string;
}
export interface RuleDocument extends LimitHierarchyDocument {
  emergencies?: EmergencyDocument[];
  assets: AssetDocument[];
  instruments: InstrumentDocument[];
  liquidation?: {
    partialAt?: string;
    fullAt?: string;
    target?: string;
    closeMin?: string;
    closeMax?: string;
    depthShare?: string;
    expectedSlippage?: string;
    maxSlippage?: string;
    staleConfirmMs?: number;
    disputedGraceMs?: number;
    cancelAllWaitMs?: number;
  };
  warnings?: string[];
  warningRearm?: string;
  profitWeight?: { weight?: string; k?: string };
  withdrawFloor?: string;
  convertAt?: string;
  fund?: {
    eventCap?: string;
    brake?: { drawdown?: string; until?: string; hours?: string };
    tradingFeeShare?: string;
  };
  providers?: { account: string; instrument?: string; asset?: string; capacity: string; discount?: string }[];
  marks?: {
    sources?: Record<string, Record<string, string>>;
    outlier?: string;
    staleMs?: number;
    quorum?: number;
    stepMax?: string;
    basisEmaMs?: number;
    basisMax?: string;
    redemption?: Record<string, { value: string; sources?: number }>;
  };
  limits?: LimitsDocument;
  breakers?: {
    priceMove?: { windowMs?: number; reduceOnlyAt?: string; noNewOrdersAt?: string };
    stalePrice?: { state?: "reduce_only" | "no_new_orders" };
    fundDrawdown?: { at?: string; state?: "reduce_only" | "no_new_orders" };
    liquidationRate?: { windowMs?: number; countMax: number; state?: "reduce_only" | "no_new_orders" };
    lag?: { commitMs?: number; engineMs?: number; state?: "reduce_only" | "no_new_orders" };
    dependencyErrors?: { share: string; state?: "reduce_only" | "no_new_orders" };
    limitBreach?: { state?: "reduce_only" | "no_new_orders" };
    expiryMs?: number;
    reopenStepMs?: number;
  };
  liquidity?: "mark" | "depth" | "none";
  funding?: FundingDocument;
  settlementMinutes?: number;
  settlementBand?: string;
  accountsPerEntryMax?: number;
}

/** One thing wrong with a document: where (JSON path), which rule, the value found and the bound it breaks. */
export interface Problem {
  readonly path: string;
  readonly code: string;
  readonly message: string;
  /** Where a border says them apart from the message. */
  readonly value?: string;
  readonly bound?: string;
}
