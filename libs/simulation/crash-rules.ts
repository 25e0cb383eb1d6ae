import { Rational } from "#libs/decimal/index.ts";
import type { AssetDocument, InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { CrashManifest, RecordedCrash, RecordedInstrument, TierRow } from "./recorded-crash.ts";

export type CrashPolicy = NonNullable<InstrumentDocument["adlPolicy"]>;
export const crashPolicies: readonly CrashPolicy[] = ["queue", "pro-rata", "hedge-aware", "hedge-aware-pro-rata"];

/** Registered backup providers; every one of them stands ready for every instrument. */
export const providerAccounts = ["lp-1", "lp-2", "lp-3"] as const;

/**
 * Providers want to be paid for catching a knife: each its own discount against mark, the best first. The capacity is a
 * share of the instrument's open interest at the start, per frame.
 */
const providerDiscounts: Readonly<Record<(typeof providerAccounts)[number], string>> = {
  "lp-1": "0.01",
  "lp-2": "0.02",
  "lp-3": "0.03",
};
export const providerCapacityShare = 0.0005;

/** Assets that traders may hold as collateral; what is not here counts nothing as cash but is known by its index. */
const collaterals: Readonly<Record<string, Partial<AssetDocument>>> = {
  USDT: { slices: [{ weight: "1" }], conversionOrder: 1, conversionFee: "0.0005" },
  BTC: {
    slices: [{ upTo: "1000000", weight: "0.95" }, { upTo: "10000000", weight: "0.9" }, { weight: "0.8" }],
    haircut: haircut("0.05", "0.3"),
    conversionOrder: 2,
  },
  ETH: {
    slices: [{ upTo: "1000000", weight: "0.95" }, { upTo: "5000000", weight: "0.85" }, { weight: "0.7" }],
    haircut: haircut("0.05", "0.3"),
    conversionOrder: 3,
  },
  UST: {
    slices: [
      { upTo: "500000", weight: "0.95" },
      { upTo: "5000000", weight: "0.8" },
    ],
    haircut: haircut("0.02", "0.3"),
    conversionOrder: 4,
  },
  LUNA: {
    slices: [
      { upTo: "250000", weight: "0.85" },
      { upTo: "2000000", weight: "0.6" },
    ],
    haircut: haircut("0.1", "0.3"),
    conversionOrder: 5,
  },
  FTT: {
    slices: [
      { upTo: "250000", weight: "0.85" },
      { upTo: "2000000", weight: "0.6" },
    ],
    haircut: haircut("0.1", "0.3"),
    conversionOrder: 5,
  },
};

function haircut(base: string, max: string): NonNullable<AssetDocument["haircut"]> {
  return {
    base,
    min: base,
    max,
    k: "2.33",
    horizonMinutes: "60",
    decayPerHour: "0.02",
    maintenanceStepPerHour: "0.01",
  };
}

/** Which assets of a crash traders hold as collateral besides USDT. */
export function collateralAssets(manifest: CrashManifest): readonly string[] {
  return manifest.assets.map(({ id }) => id).filter((id) => id !== "USDT" && collaterals[id] !== undefined);
}

function asset(id: string): AssetDocument {
  const terms = collaterals[id];
  const quantum = id === "USDT" ? "0.000001" : "0.00000001";
  if (terms === undefined) return { id, quantum, slices: [{ weight: "0" }] };
  return { id, quantum, liabilityPremium: id === "USDT" ? "0" : "0.02", conversionFee: "0.002", ...terms };
}

/** `1/leverage`, in 18 decimals and rounded up: an initial rate is a requirement. */
const initialRate = (leverage: string): string => Rational.one.dividedBy(Rational.parse(leverage)).toStringUp();

/**
 * Recorded tiers as ours. Inverse contracts are settled in the coin and tiers are read there, so dollar floors are turned
 * into coins at `settlePrice`, the price at the start of the crash.
 */
function tiersOf(rows: readonly TierRow[], settlePrice: Rational | null): NonNullable<InstrumentDocument["tiers"]> {
  return rows.map(({ floor, maintenanceRate, maxLeverage }) => ({
    from: settlePrice === null ? floor : Rational.parse(floor).dividedBy(settlePrice).toStringDown(4),
    im: initialRate(maxLeverage),
    mm: maintenanceRate,
  }));
}

function instrument(
  recorded: RecordedInstrument,
  rows: readonly TierRow[],
  settlePrice: Rational | null,
  policy: CrashPolicy,
): InstrumentDocument {
  const { id, kind, base, quote, settle, index, multiplier, tick, lot, minNotional, maxLeverage } = recorded;
  return {
    id,
    kind,
    base,
    quote,
    settle,
    index,
    multiplier,
    tick,
    lot,
    // A minimum is in the settle asset; one dollar of an inverse contract is far less than one coin.
    minNotional:
      settlePrice === null ? minNotional : Rational.parse(minNotional).dividedBy(settlePrice).toStringDown(8),
    maxLeverage,
    tierMode: "progressive",
    tiers: tiersOf(rows, settlePrice),
    takerFee: "0.0005",
    makerFee: "0.0002",
    liquidationFee: "0.005",
    priceBand: "0.05",
    adlPolicy: policy,
  };
}

function sourceWeights(manifest: CrashManifest): Record<string, Record<string, string>> {
  const weights: Record<string, Record<string, string>> = {};
  for (const { symbol, source, weight } of [...manifest.sources, ...(manifest.crossSources ?? [])])
    (weights[symbol] ??= {})[source] = weight;
  return weights;
}

export interface CrashRulesOptions {
  readonly policy: CrashPolicy;
  /** USD one saga may take from the fund. */
  readonly fundEventCapUsd: string;
  /** Contracts a provider stands ready for in one frame, by instrument, decimal strings. */
  readonly providerCapacity: ReadonlyMap<string, string>;
  /** USD price of each settle asset that is not a dollar, at the start. */
  readonly settlePrices: ReadonlyMap<string, Rational>;
}

/** Prices silent for longer than this are stale: four frames. */
export const crashStaleMs = 60_000;

/** Marks of a recorded crash: what the manifest says of sources, and how they are judged. Needed before any price is known. */
export function crashMarks(manifest: CrashManifest): NonNullable<RuleDocument["marks"]> {
  return {
    sources: sourceWeights(manifest),
    outlier: "0.05",
    staleMs: crashStaleMs,
    quorum: 1,
    stepMax: "0.2",
    basisEmaMs: 120_000,
    basisMax: "0.01",
    // A dollar token counts at most as a dollar.
    ...(manifest.assets.some(({ id }) => id === "UST") ? { redemption: { UST: { value: "1" } } } : {}),
  };
}

/**
 * The rule set of a crash: the manifest's instruments with recorded tiers, collaterals as such venues take them, and the
 * whole ladder behind them: partial and full closes, providers, a fund with cap and brake, deleveraging, breakers.
 */
export function crashRules(crash: RecordedCrash, options: CrashRulesOptions): RuleDocument {
  const { manifest } = crash;
  const ids = ["USDT", ...manifest.assets.map(({ id }) => id).filter((id) => id !== "USDT")];
  return {
    assets: ids.map(asset),
    instruments: manifest.instruments.map((one) =>
      instrument(one, crash.tiers.get(one.id) ?? [], options.settlePrices.get(one.settle) ?? null, options.policy),
    ),
    liquidation: {
      partialAt: "1.05",
      fullAt: "1",
      target: "1.1",
      closeMin: "0.25",
      closeMax: "0.5",
      depthShare: "0.25",
      expectedSlippage: "0.0005",
      maxSlippage: "0.001",
      staleConfirmMs: 120_000,
      disputedGraceMs: 300_000,
      cancelAllWaitMs: 30_000,
    },
    warnings: ["1.5", "1.25", "1.1"],
    profitWeight: { weight: "1" },
    withdrawFloor: "0.1",
    convertAt: "0.85",
    fund: {
      eventCap: options.fundEventCapUsd,
      brake: { drawdown: "0.3", until: "0.25", hours: "8" },
      tradingFeeShare: "0.1",
    },
    providers: providerAccounts.flatMap((account) =>
      [...options.providerCapacity].map(([id, capacity]) => ({
        account,
        instrument: id,
        capacity,
        discount: providerDiscounts[account],
      })),
    ),
    marks: crashMarks(manifest),
    breakers: {
      priceMove: { windowMs: 60_000, reduceOnlyAt: "0.1", noNewOrdersAt: "0.2" },
      stalePrice: { state: "reduce_only" },
      fundDrawdown: { at: "0.3", state: "reduce_only" },
      liquidationRate: { windowMs: 60_000, countMax: 500, state: "reduce_only" },
      expiryMs: 300_000,
      reopenStepMs: 30_000,
    },
    liquidity: "depth",
    accountsPerEntryMax: 1000,
  };
}
