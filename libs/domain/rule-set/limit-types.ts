import type { Rational } from "#libs/decimal/index.ts";

/** Limits that bind one instrument at a time. */
export const instrumentLimitKeys = [
  "maxPosition",
  "maxLong",
  "maxShort",
  "maxOrderQty",
  "maxOpenInterest",
  "maxOpenInterestShare",
  "maxVolumeShare",
  "maxDepthShare",
  "maxPositionShare",
  "maxInstrumentLeverage",
  "maxSlippage",
] as const;

/** Limits of a whole account, or of all accounts of an owner together. */
export const ownerLimitKeys = [
  "maxLeverage",
  "maxNotionalUsd",
  "maxGrossUsd",
  "maxNetUsd",
  "maxDeltaUsd",
  "maxOpenPositions",
  "maxExposure",
  "maxSectorShare",
  "maxCounterpartyUsd",
  "maxVenueUsd",
  "maxRiskShare",
  "maxRiskSumShare",
  "maxCorrelation",
  "dayLoss",
  "weekLoss",
  "drawdown",
  "ordersPerDay",
  "tradesPerDay",
] as const;

export type InstrumentLimitKey = (typeof instrumentLimitKeys)[number];
export type OwnerLimitKey = (typeof ownerLimitKeys)[number];
export type LimitKey = InstrumentLimitKey | OwnerLimitKey;
export const limitKeys: readonly LimitKey[] = [...instrumentLimitKeys, ...ownerLimitKeys];

/** From the widest to the narrowest. */
export const limitLevels = ["exchange", "instrument", "tier", "entity", "account", "key"] as const;
export type LimitLevel = (typeof limitLevels)[number];

export const profileNames = ["exchange", "desk"] as const;
export type ProfileName = (typeof profileNames)[number];

/** May anybody be short, only who has located what he sells, or nobody. */
export type Shorting = "free" | "locate" | "banned";

/** The figures that one level sets; a key that is not there is not limited at that level. */
export type Limits = Readonly<Partial<Record<LimitKey, Rational>>>;

export interface VelocityRules {
  readonly windowMs: number;
  readonly orders: Rational | null;
  readonly valueUsd: Rational | null;
}

/** What one tier, entity, account or API key says. */
export interface LevelRules {
  readonly limits: Limits;
  readonly instruments: ReadonlyMap<string, Limits>;
  readonly velocity: readonly VelocityRules[];
  readonly restricted: ReadonlySet<string>;
  readonly profile: ProfileName | null;
  readonly tier: string | null;
}

export interface AccountRules extends LevelRules {
  readonly counterparty: string | null;
  readonly venue: string | null;
  readonly keys: ReadonlyMap<string, LevelRules>;
}

export interface OverrideRules {
  readonly level: LimitLevel;
  /** Empty for the exchange. */
  readonly of: string;
  /** Of a key: its account. */
  readonly account: string | null;
  /** null: on every instrument. */
  readonly instrument: string | null;
  readonly limit: LimitKey;
  readonly value: Rational | null;
  /** UTC ms at which it ends. */
  readonly until: number;
}

/** All limits with all their levels. */
export interface LimitHierarchy {
  readonly exchange: Limits;
  readonly velocity: readonly VelocityRules[];
  readonly instruments: ReadonlyMap<string, Limits>;
  readonly tiers: ReadonlyMap<string, LevelRules>;
  readonly entities: ReadonlyMap<string, LevelRules>;
  readonly accounts: ReadonlyMap<string, AccountRules>;
  readonly overrides: readonly OverrideRules[];
  readonly profile: ProfileName | null;
  /** Those that somebody has. */
  readonly profiles: ReadonlySet<ProfileName>;
  readonly shadow: ReadonlySet<string>;
  /** account → instrument → contracts. */
  readonly locates: ReadonlyMap<string, ReadonlyMap<string, Rational>>;
  /** Whether anything but the exchange and the instruments says anything, and whether any window of velocity may bind. */
  readonly layered: boolean;
  readonly paced: boolean;
  /** Limits that some level sets: of all others only a profile may say something. */
  readonly used: ReadonlySet<LimitKey>;
}

/**
 * Refusals that may run in shadow: rules about an order, which can be tried out. Not those that say what state the exchange or the
 * account is in, or without which an order could not be judged or booked.
 */
export const shadowable: ReadonlySet<string> = new Set(
  `tick_size lot_size order_size min_notional price_band reduce_only_violation price_quality leverage initial_margin
  position_limit open_interest_limit open_interest_share volume_share depth_share notional_limit gross_limit net_limit delta_limit
  open_positions exposure position_share sector_share collateral_concentration velocity_orders velocity_value orders_per_day
  trades_per_day counterparty_limit venue_limit short_ban locate instrument_restricted day_loss week_loss drawdown
  risk_per_trade correlation`.split(/\s+/),
);
