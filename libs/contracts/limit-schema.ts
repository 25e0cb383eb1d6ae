import Type from "typebox";
import { Amount, byId, Count, Duration, Id, maybe, nullable, oneOf, record, Text, Time } from "./primitives.ts";

const instrumentLimits = {
  maxPosition: maybe(Amount),
  maxLong: maybe(Amount),
  maxShort: maybe(Amount),
  maxOrderQty: maybe(Amount),
  maxOpenInterest: maybe(Amount),
  maxOpenInterestShare: maybe(Amount),
  maxVolumeShare: maybe(Amount),
  maxDepthShare: maybe(Amount),
  maxPositionShare: maybe(Amount),
  maxInstrumentLeverage: maybe(Amount),
  maxSlippage: maybe(Amount),
};

/** Every level takes the same keys, which are documented once: the title tells so. */
const limitSet = { additionalProperties: false, title: "limits" } as const;

export const InstrumentLimitsSchema = Type.Object(instrumentLimits, limitSet);

const limits = {
  ...instrumentLimits,
  maxLeverage: maybe(Amount),
  maxNotionalUsd: maybe(Amount),
  maxGrossUsd: maybe(Amount),
  maxNetUsd: maybe(Amount),
  maxDeltaUsd: maybe(Amount),
  maxOpenPositions: maybe(Count),
  maxExposure: maybe(Amount),
  maxSectorShare: maybe(Amount),
  maxCounterpartyUsd: maybe(Amount),
  maxVenueUsd: maybe(Amount),
  maxRiskShare: maybe(Amount),
  maxRiskSumShare: maybe(Amount),
  maxCorrelation: maybe(Amount),
  dayLoss: maybe(Amount),
  weekLoss: maybe(Amount),
  drawdown: maybe(Amount),
  ordersPerDay: maybe(Count),
  tradesPerDay: maybe(Count),
};

export const LimitsSchema = Type.Object(
  {
    ...limits,
    velocity: maybe(
      Type.Array(record({ windowMs: Duration, orders: maybe(Count), valueUsd: maybe(Amount) }), { maxItems: 10 }),
    ),
  },
  limitSet,
);

const level = {
  limits: maybe(LimitsSchema),
  instruments: maybe(byId(InstrumentLimitsSchema)),
  restricted: maybe(Type.Array(Id, { maxItems: 2000 })),
};
const profile = maybe(oneOf("exchange", "desk"));
const tier = maybe(Id);
const accountsMax = 100_000;

/** A limit by its name, so that an override can say which it is about. */
const LimitName = oneOf(...(Object.keys(limits) as (keyof typeof limits)[]));

/** What a rule document says of limits beside `limits` and `instruments[].limits`. */
export const hierarchySchemas = {
  tiers: maybe(byId(record({ ...level, profile }))),
  entities: maybe(byId(record({ accounts: Type.Array(Id, { maxItems: accountsMax }), tier, profile, ...level }))),
  accounts: maybe(
    byId(
      record({ tier, profile, counterparty: maybe(Id), venue: maybe(Id), keys: maybe(byId(record(level))), ...level }),
    ),
  ),
  overrides: maybe(
    Type.Array(
      record({
        level: oneOf("exchange", "instrument", "tier", "entity", "account", "key"),
        of: maybe(Id),
        account: maybe(Id),
        instrument: maybe(Id),
        limit: LimitName,
        value: nullable(Amount),
        until: Time,
        reason: Text,
      }),
      { maxItems: 10_000 },
    ),
  ),
  profile,
  shadow: maybe(Type.Array(Id, { maxItems: 100 })),
  locates: maybe(byId(byId(Amount))),
};

/** What an instrument says beside its limits. */
export const placeSchemas = {
  sector: maybe(Id),
  counterparty: maybe(Id),
  venue: maybe(Id),
  shorting: maybe(oneOf("free", "locate", "banned")),
};
