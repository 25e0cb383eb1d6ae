import Type from "typebox";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { hierarchySchemas, InstrumentLimitsSchema, LimitsSchema, placeSchemas } from "./limit-schema.ts";
import { Amount, byId, Count, Duration, Id, maybe, oneOf, record, Text, Time } from "./primitives.ts";

const Slices = Type.Array(record({ upTo: maybe(Amount), weight: Amount }), { minItems: 1, maxItems: 100 });

export const AssetSchema = record({
  id: Id,
  quantum: maybe(Amount),
  slices: maybe(Slices),
  initialSlices: maybe(Slices),
  sizeCurve: maybe(Amount),
  haircut: maybe(
    record({
      base: Amount,
      min: maybe(Amount),
      max: maybe(Amount),
      k: maybe(Amount),
      horizonMinutes: maybe(Amount),
      decayPerHour: maybe(Amount),
      maintenanceStepPerHour: maybe(Amount),
    }),
  ),
  liabilityPremium: maybe(Amount),
  cap: maybe(Amount),
  platformStart: maybe(Amount),
  concentration: maybe(Amount),
  conversionOrder: maybe(Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })),
  conversionFee: maybe(Amount),
  conversionCap: maybe(Amount),
});

const FundingSchema = record({ intervalMs: maybe(Duration), interest: maybe(Amount), rateMax: maybe(Amount) });

export const InstrumentSchema = record({
  id: Id,
  kind: oneOf("linear", "inverse"),
  base: Id,
  quote: Id,
  settle: Id,
  index: maybe(Id),
  multiplier: maybe(Amount),
  tick: maybe(Amount),
  lot: maybe(Amount),
  minNotional: maybe(Amount),
  maxLeverage: maybe(Amount),
  tierMode: maybe(oneOf("progressive", "whole")),
  notional: maybe(oneOf("mark", "entry")),
  tiers: maybe(Type.Array(record({ from: Amount, im: Amount, mm: Amount }), { maxItems: 100 })),
  sizePremium: maybe(record({ shape: oneOf("sqrt", "linear"), k: Amount })),
  oiScaling: maybe(record({ lower: Amount, upper: Amount })),
  closeFeeInMargin: maybe(Type.Boolean()),
  takerFee: maybe(Amount),
  makerFee: maybe(Amount),
  liquidationFee: maybe(Amount),
  priceBand: maybe(Amount),
  adlPolicy: maybe(oneOf("queue", "pro-rata", "hedge-aware", "hedge-aware-pro-rata")),
  expiry: maybe(Time),
  funding: maybe(FundingSchema),
  limits: maybe(InstrumentLimitsSchema),
  ...placeSchemas,
});

const LiquidationSchema = record({
  partialAt: maybe(Amount),
  fullAt: maybe(Amount),
  target: maybe(Amount),
  closeMin: maybe(Amount),
  closeMax: maybe(Amount),
  depthShare: maybe(Amount),
  expectedSlippage: maybe(Amount),
  maxSlippage: maybe(Amount),
  staleConfirmMs: maybe(Duration),
  disputedGraceMs: maybe(Duration),
  cancelAllWaitMs: maybe(Duration),
});

const MarksSchema = record({
  sources: maybe(byId(byId(Amount))),
  outlier: maybe(Amount),
  staleMs: maybe(Duration),
  quorum: maybe(Count),
  stepMax: maybe(Amount),
  basisEmaMs: maybe(Duration),
  basisMax: maybe(Amount),
  redemption: maybe(byId(record({ value: Amount, sources: maybe(Count) }))),
});

const BrakingState = oneOf("reduce_only", "no_new_orders");
const BreakersSchema = record({
  priceMove: maybe(record({ windowMs: maybe(Duration), reduceOnlyAt: maybe(Amount), noNewOrdersAt: maybe(Amount) })),
  stalePrice: maybe(record({ state: maybe(BrakingState) })),
  fundDrawdown: maybe(record({ at: maybe(Amount), state: maybe(BrakingState) })),
  liquidationRate: maybe(record({ windowMs: maybe(Duration), countMax: Count, state: maybe(BrakingState) })),
  lag: maybe(record({ commitMs: maybe(Duration), engineMs: maybe(Duration), state: maybe(BrakingState) })),
  dependencyErrors: maybe(record({ share: Amount, state: maybe(BrakingState) })),
  limitBreach: maybe(record({ state: maybe(BrakingState) })),
  expiryMs: maybe(Duration),
  reopenStepMs: maybe(Duration),
});

/** The rule set as people write it: the shape only; `compileRules` judges the meaning. */
export const RuleSchema = record({
  assets: Type.Array(AssetSchema, { maxItems: 500 }),
  instruments: Type.Array(InstrumentSchema, { maxItems: 2000 }),
  liquidation: maybe(LiquidationSchema),
  warnings: maybe(Type.Array(Amount, { maxItems: 20 })),
  warningRearm: maybe(Amount),
  profitWeight: maybe(record({ weight: maybe(Amount), k: maybe(Amount) })),
  withdrawFloor: maybe(Amount),
  convertAt: maybe(Amount),
  fund: maybe(
    record({
      eventCap: maybe(Amount),
      brake: maybe(record({ drawdown: maybe(Amount), until: maybe(Amount), hours: maybe(Amount) })),
      tradingFeeShare: maybe(Amount),
    }),
  ),
  providers: maybe(
    Type.Array(
      record({ account: Id, instrument: maybe(Id), asset: maybe(Id), capacity: Amount, discount: maybe(Amount) }),
      {
        maxItems: 1000,
      },
    ),
  ),
  marks: maybe(MarksSchema),
  limits: maybe(LimitsSchema),
  breakers: maybe(BreakersSchema),
  emergencies: maybe(
    Type.Array(
      record({
        instrument: maybe(Id),
        marginFactor: maybe(Amount),
        partialAt: maybe(Amount),
        fullAt: maybe(Amount),
        until: Time,
        reason: Text,
      }),
      { maxItems: 100 },
    ),
  ),
  ...hierarchySchemas,
  liquidity: maybe(oneOf("mark", "depth", "none")),
  funding: maybe(FundingSchema),
  settlementMinutes: maybe(Count),
  settlementBand: maybe(Amount),
  accountsPerEntryMax: maybe(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
});

type Same<Left, Right> = [Left] extends [Right] ? ([Right] extends [Left] ? true : never) : never;
/** Does not compile when the schema and the document that `compileRules` reads drift apart. */
export const ruleSchemaMatches: Same<Type.Static<typeof RuleSchema>, RuleDocument> = true;
