import { Rational } from "#libs/decimal/index.ts";
import { defaultLeverage } from "#libs/domain/rule-set/default-leverage.ts";
import type { LimitKey, Limits, ProfileName, VelocityRules } from "#libs/domain/rule-set/limit-types.ts";

const r = (text: string): Rational => Rational.parse(text);

interface Profile {
  readonly limits: Limits;
  readonly velocity: readonly VelocityRules[];
}

/** LIM-05: what an exchange asks of every client. */
const exchange: Profile = {
  limits: {},
  velocity: [
    { windowMs: 1_000, orders: r("200"), valueUsd: null },
    { windowMs: 60_000, orders: r("6000"), valueUsd: r("100000000") },
  ],
};

/** LIM-06: what a trading desk asks of its own people in addition; shares are of equity. */
const desk: Profile = {
  limits: {
    maxPositionShare: r("0.1"),
    maxRiskShare: r("0.02"),
    maxRiskSumShare: r("0.06"),
    maxOpenPositions: r("10"),
    maxExposure: r("0.8"),
    maxSectorShare: r("0.3"),
    maxCorrelation: r("0.8"),
    tradesPerDay: r("20"),
    dayLoss: r("0.03"),
    weekLoss: r("0.08"),
  },
  velocity: exchange.velocity,
};

const profiles: Readonly<Record<ProfileName, Profile>> = { exchange, desk };

/** Whether a profile sets a limit, for whatever instrument. */
export function profileSets(profile: ProfileName, key: LimitKey): boolean {
  return key === "maxInstrumentLeverage" || profiles[profile].limits[key] !== undefined;
}

/** The figure of a profile for a limit on an instrument with this base; null: it sets none. */
export function profileFigure(profile: ProfileName, key: LimitKey, base: string | null): Rational | null {
  if (key === "maxInstrumentLeverage") return defaultLeverage(base);
  return profiles[profile].limits[key] ?? null;
}

export function profileVelocity(profile: ProfileName): readonly VelocityRules[] {
  return profiles[profile].velocity;
}
