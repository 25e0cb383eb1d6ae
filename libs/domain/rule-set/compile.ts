import { Rational } from "#libs/decimal/index.ts";
import type {
  AssetDocument,
  FundingDocument,
  InstrumentDocument,
  Problem,
  RuleDocument,
  SliceDocument,
} from "./documents.ts";
import type {
  AssetRules,
  BreakerRules,
  EntityRules,
  FundingRules,
  InstrumentRules,
  MarkRules,
  ProviderRules,
  RuleSet,
  Slice,
} from "./types.ts";
import { checkRules } from "./check.ts";
import { activeAt, underEmergencies } from "./emergencies.ts";
import { defaultLeverage } from "./default-leverage.ts";
import { compileHierarchy } from "./compile-limits.ts";

const decimal = (text: string | undefined, absent: string): Rational => Rational.parse(text ?? absent);
const optional = (text: string | undefined): Rational | null => (text === undefined ? null : Rational.parse(text));

/** Eight hours of UTC. */
const fundingIntervalMs = 28_800_000;

/** The finest amount that the textual form can express: what a missing quantum or lot means. */
const finest = "0.000000000000000001";

function slices(documents: readonly SliceDocument[] | undefined): readonly Slice[] | null {
  if (documents === undefined) return null;
  return documents.map((slice) => ({ upTo: optional(slice.upTo), weight: Rational.parse(slice.weight) }));
}

function asset(document: AssetDocument): AssetRules {
  const maintenance = slices(document.slices) ?? [{ upTo: null, weight: Rational.one }];
  const haircut = document.haircut;
  return {
    id: document.id,
    quantum: decimal(document.quantum, finest),
    slices: maintenance,
    initialSlices: slices(document.initialSlices) ?? maintenance,
    sizeCurve: decimal(document.sizeCurve, "0"),
    haircut:
      haircut === undefined
        ? null
        : {
            base: Rational.parse(haircut.base),
            min: decimal(haircut.min, "0"),
            max: decimal(haircut.max, "1"),
            k: decimal(haircut.k, "0"),
            horizonMinutes: decimal(haircut.horizonMinutes, "0"),
            decayPerHour: optional(haircut.decayPerHour),
            maintenanceStepPerHour: decimal(haircut.maintenanceStepPerHour, "0.01"),
          },
    liabilityPremium: decimal(document.liabilityPremium, "0"),
    cap: optional(document.cap),
    platformStart: optional(document.platformStart),
    concentration: optional(document.concentration),
    conversionOrder: document.conversionOrder ?? null,
    conversionFee: decimal(document.conversionFee, "0"),
    conversionCap: optional(document.conversionCap),
  };
}

/** An instrument's own word, else the exchange's, else the rule book's. */
function funding(own: FundingDocument = {}, all: FundingDocument = {}): FundingRules {
  return {
    intervalMs: own.intervalMs ?? all.intervalMs ?? fundingIntervalMs,
    interest: decimal(own.interest ?? all.interest, "0.0001"),
    rateMax: decimal(own.rateMax ?? all.rateMax, "0.0075"),
  };
}

function instrument(document: InstrumentDocument, { funding: all, profile }: RuleDocument): InstrumentRules {
  const absent = profile === undefined ? null : defaultLeverage(document.base);
  const limits = document.limits ?? {};
  return {
    id: document.id,
    kind: document.kind,
    base: document.base,
    quote: document.quote,
    settle: document.settle,
    index: document.index ?? document.base,
    multiplier: decimal(document.multiplier, "1"),
    tick: optional(document.tick),
    lot: decimal(document.lot, finest),
    minNotional: decimal(document.minNotional, "0"),
    maxLeverage: optional(document.maxLeverage) ?? absent,
    tierMode: document.tierMode ?? "progressive",
    notional: document.notional ?? "mark",
    tiers: (document.tiers ?? []).map((tier) => ({
      from: Rational.parse(tier.from),
      im: Rational.parse(tier.im),
      mm: Rational.parse(tier.mm),
    })),
    sizePremium: document.sizePremium
      ? { shape: document.sizePremium.shape, k: Rational.parse(document.sizePremium.k) }
      : null,
    oiScaling: document.oiScaling
      ? { lower: Rational.parse(document.oiScaling.lower), upper: Rational.parse(document.oiScaling.upper) }
      : null,
    closeFeeInMargin: document.closeFeeInMargin ?? false,
    takerFee: decimal(document.takerFee, "0"),
    makerFee: decimal(document.makerFee, "0"),
    liquidationFee: decimal(document.liquidationFee, "0"),
    priceBand: optional(document.priceBand),
    adlPolicy: document.adlPolicy ?? "queue",
    expiry: document.expiry ?? null,
    funding: funding(document.funding, all),
    limits: {
      maxPosition: optional(limits.maxPosition),
      maxLong: optional(limits.maxLong),
      maxShort: optional(limits.maxShort),
      maxOrderQty: optional(limits.maxOrderQty),
      maxOpenInterest: optional(limits.maxOpenInterest),
      maxOpenInterestShare: optional(limits.maxOpenInterestShare),
    },
    sector: document.sector ?? null,
    counterparty: document.counterparty ?? null,
    venue: document.venue ?? null,
    shorting: document.shorting ?? "free",
  };
}

function marks(document: RuleDocument["marks"] = {}): MarkRules {
  const sources = new Map<string, ReadonlyMap<string, Rational>>();
  for (const [id, weights] of Object.entries(document.sources ?? {}))
    sources.set(id, new Map(Object.entries(weights).map(([source, weight]) => [source, Rational.parse(weight)])));
  const redemption = new Map<string, { value: Rational; sources: number }>();
  for (const [id, floor] of Object.entries(document.redemption ?? {}))
    redemption.set(id, { value: Rational.parse(floor.value), sources: floor.sources ?? 1 });
  return {
    sources,
    redemption,
    outlier: optional(document.outlier),
    staleMs: document.staleMs ?? null,
    quorum: document.quorum ?? 1,
    stepMax: optional(document.stepMax),
    basisEmaMs: document.basisEmaMs ?? null,
    basisMax: optional(document.basisMax),
  };
}

function breakers(document: RuleDocument["breakers"] = {}): BreakerRules {
  const { priceMove, stalePrice, fundDrawdown, liquidationRate, lag, dependencyErrors, limitBreach } = document;
  return {
    priceMove: priceMove
      ? {
          windowMs: priceMove.windowMs ?? 60_000,
          reduceOnlyAt: decimal(priceMove.reduceOnlyAt, "0.1"),
          noNewOrdersAt: decimal(priceMove.noNewOrdersAt, "0.2"),
        }
      : null,
    stalePrice: stalePrice ? { state: stalePrice.state ?? "reduce_only" } : null,
    fundDrawdown: fundDrawdown
      ? { at: decimal(fundDrawdown.at, "0.3"), state: fundDrawdown.state ?? "reduce_only" }
      : null,
    liquidationRate: liquidationRate
      ? {
          windowMs: liquidationRate.windowMs ?? 60_000,
          countMax: liquidationRate.countMax,
          state: liquidationRate.state ?? "reduce_only",
        }
      : null,
    lag: lag
      ? { commitMs: lag.commitMs ?? null, engineMs: lag.engineMs ?? null, state: lag.state ?? "reduce_only" }
      : null,
    dependencyErrors: dependencyErrors
      ? { share: Rational.parse(dependencyErrors.share), state: dependencyErrors.state ?? "reduce_only" }
      : null,
    limitBreach: limitBreach ? { state: limitBreach.state ?? "reduce_only" } : null,
    expiryMs: document.expiryMs ?? 300_000,
    reopenStepMs: document.reopenStepMs ?? 30_000,
  };
}

function provider(document: NonNullable<RuleDocument["providers"]>[number]): ProviderRules {
  return {
    account: document.account,
    instrument: document.instrument ?? null,
    asset: document.asset ?? null,
    capacity: Rational.parse(document.capacity),
    discount: decimal(document.discount, "0"),
  };
}

function entities(document: RuleDocument["entities"] = {}): ReadonlyMap<string, EntityRules> {
  return new Map(Object.entries(document).map(([id, entity]) => [id, { id, accounts: entity.accounts }]));
}

function liquidation(document: RuleDocument["liquidation"] = {}): RuleSet["liquidation"] {
  return {
    partialAt: decimal(document.partialAt, "1.05"),
    fullAt: decimal(document.fullAt, "1"),
    target: decimal(document.target, "1.1"),
    closeMin: decimal(document.closeMin, "0.25"),
    closeMax: decimal(document.closeMax, "0.5"),
    depthShare: optional(document.depthShare),
    expectedSlippage: decimal(document.expectedSlippage, "0"),
    maxSlippage: optional(document.maxSlippage),
    staleConfirmMs: document.staleConfirmMs ?? null,
    disputedGraceMs: document.disputedGraceMs ?? null,
    cancelAllWaitMs: document.cancelAllWaitMs ?? 30_000,
  };
}

function fund(document: RuleDocument["fund"] = {}): RuleSet["fund"] {
  const brake = document.brake;
  return {
    eventCap: optional(document.eventCap),
    brake: brake
      ? {
          drawdown: decimal(brake.drawdown, "0.3"),
          until: decimal(brake.until, "0.25"),
          hours: decimal(brake.hours, "8"),
        }
      : null,
    tradingFeeShare: decimal(document.tradingFeeShare, "0"),
  };
}

function exact(document: RuleDocument, version: number): RuleSet {
  return {
    version,
    assets: new Map(document.assets.map((one) => [one.id, asset(one)])),
    instruments: new Map(document.instruments.map((one) => [one.id, instrument(one, document)])),
    liquidation: liquidation(document.liquidation),
    warnings: (document.warnings ?? ["1.5", "1.25", "1.1"]).map((text) => Rational.parse(text)),
    warningRearm: decimal(document.warningRearm, "0.02"),
    profitWeight: { weight: decimal(document.profitWeight?.weight, "1"), k: decimal(document.profitWeight?.k, "0") },
    withdrawFloor: decimal(document.withdrawFloor, "0.1"),
    convertAt: optional(document.convertAt),
    fund: fund(document.fund),
    providers: (document.providers ?? []).map(provider),
    marks: marks(document.marks),
    limits: {
      maxLeverage: optional(document.limits?.maxLeverage),
      maxOpenPositions: document.limits?.maxOpenPositions ?? null,
      maxNotionalUsd: optional(document.limits?.maxNotionalUsd),
    },
    hierarchy: compileHierarchy(document),
    breakers: breakers(document.breakers),
    entities: entities(document.entities),
    liquidity: document.liquidity ?? "mark",
    settlementMinutes: document.settlementMinutes ?? 30,
    settlementBand: Rational.parse(document.settlementBand ?? "0.1"),
    accountsPerEntryMax: document.accountsPerEntryMax ?? 1000,
  };
}

/**
 * Turns a document of the right shape into a rule set of exact numbers, or lists everything that is wrong with its
 * meaning (tiers that do not ascend, unknown ids, a lot of zero …). Pure; never throws for a document of the right shape.
 * `t`: UTC ms of the log, where emergencies of that time are to bind.
 */
export function compileRules(
  document: RuleDocument,
  version: number,
  t?: number,
): { readonly rules: RuleSet; readonly problems: readonly Problem[] } {
  const rules = exact(document, version);
  const problems = checkRules(document, rules);
  const { emergencies = [] } = document;
  if (emergencies.length === 0 || problems.length > 0) return { rules, problems };
  // However they overlap: with all of them the rules are the strictest, and must be rules still.
  const strictest = underEmergencies(document, emergencies);
  const active = underEmergencies(document, t === undefined ? [] : activeAt(document, t));
  return { rules: exact(active, version), problems: checkRules(strictest, exact(strictest, version)) };
}
