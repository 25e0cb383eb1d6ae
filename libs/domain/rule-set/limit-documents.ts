import type { LimitLevel, LimitKey, ProfileName, Shorting } from "./limit-types.ts";

/** At most so many orders, and so much value, USD, in a window that slides in 20 equal steps. */
export interface VelocityDocument {
  windowMs: number;
  orders?: number;
  valueUsd?: string;
}

/** Limits that bind one instrument at a time: contracts, or shares of something of it. */
export interface InstrumentLimitsDocument {
  maxPosition?: string;
  maxLong?: string;
  maxShort?: string;
  maxOrderQty?: string;
  maxOpenInterest?: string;
  maxOpenInterestShare?: string;
  maxVolumeShare?: string;
  maxDepthShare?: string;
  maxPositionShare?: string;
  maxInstrumentLeverage?: string;
  maxSlippage?: string;
}

/** Limits of a whole account or of all accounts of an owner; those of instruments hold for each instrument. */
export interface LimitsDocument extends InstrumentLimitsDocument {
  maxLeverage?: string;
  maxNotionalUsd?: string;
  maxGrossUsd?: string;
  maxNetUsd?: string;
  maxDeltaUsd?: string;
  maxOpenPositions?: number;
  maxExposure?: string;
  maxSectorShare?: string;
  maxCounterpartyUsd?: string;
  maxVenueUsd?: string;
  maxRiskShare?: string;
  maxRiskSumShare?: string;
  maxCorrelation?: string;
  dayLoss?: string;
  weekLoss?: string;
  drawdown?: string;
  ordersPerDay?: number;
  tradesPerDay?: number;
  velocity?: VelocityDocument[];
}

/** What an API key may do at most. */
export interface KeyDocument {
  limits?: LimitsDocument;
  /** By instrument id. */
  instruments?: Record<string, InstrumentLimitsDocument>;
  /** Instruments in which nothing may be opened. */
  restricted?: string[];
}

export interface ClientTierDocument extends KeyDocument {
  profile?: ProfileName;
}

export interface EntityDocument extends ClientTierDocument {
  accounts: string[];
  tier?: string;
}

export interface AccountDocument extends ClientTierDocument {
  tier?: string;
  counterparty?: string;
  venue?: string;
  keys?: Record<string, KeyDocument>;
}

/** Until `until` (UTC ms of the log) what a level and the wider ones say of a limit gives way to this figure; null: to none. */
export interface OverrideDocument {
  level: LimitLevel;
  /** Which instrument, tier, entity, account or key; absent for the exchange. */
  of?: string;
  /** Whose key it is. */
  account?: string;
  /** For this instrument alone. */
  instrument?: string;
  limit: LimitKey;
  value: string | null;
  until: number;
  reason: string;
}

/** What a rule document says of limits beside `limits` and `instruments[].limits`. */
export interface LimitHierarchyDocument {
  tiers?: Record<string, ClientTierDocument>;
  entities?: Record<string, EntityDocument>;
  accounts?: Record<string, AccountDocument>;
  overrides?: OverrideDocument[];
  profile?: ProfileName;
  /** Codes of refusal that are decided and counted, but refuse nothing. */
  shadow?: string[];
  /** account → instrument → contracts that it may be short. */
  locates?: Record<string, Record<string, string>>;
}

/** What an instrument document says beside its limits. */
export interface InstrumentPlaceDocument {
  sector?: string;
  counterparty?: string;
  venue?: string;
  shorting?: Shorting;
}
