import fc from "fast-check";
import type { AssetDocument, InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";

/** What generated rules may be asked to leave out, where a property only holds without it. */
export interface RuleChoice {
  /** Size curves and square-root premia: rounded at 1e-18, so nothing scales exactly with them. */
  readonly curves?: boolean;
  /** What reads the whole exchange: open-interest scaling, platform scaling. */
  readonly shared?: boolean;
  readonly liquidity?: readonly ("mark" | "depth" | "none")[];
  /** One way of reading margin tiers; both when left out. */
  readonly tierMode?: "progressive" | "whole";
  /** Limits of every kind: most of what they are measured by is state of its own. Left out unless asked for. */
  readonly limits?: boolean;
}

/** USD that a unit of each asset starts at. */
export const startPrices: Readonly<Record<string, number>> = { USDT: 1, USDC: 1, BTC: 50_000, ETH: 3000 };

const when = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });

/** Leaves out the keys that are undefined: an absent key means off. */
function without(document: object): object {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));
}

function stable(id: string): fc.Arbitrary<AssetDocument> {
  return fc
    .record({
      quantum: fc.constantFrom("0.000001", "0.01", "0.000000000000000001"),
      haircut: when(fc.constant({ base: "0.02" })),
      liabilityPremium: when(fc.constant("0.05")),
      conversionOrder: when(fc.constant(1)),
      conversionFee: fc.constantFrom("0", "0.001"),
    })
    .map((one) => without({ id, ...one }) as AssetDocument);
}

function volatile(id: string, choice: RuleChoice): fc.Arbitrary<AssetDocument> {
  const slices = [{ upTo: "100000", weight: "0.95" }, { upTo: "500000", weight: "0.9" }, { weight: "0.8" }];
  return fc
    .record({
      quantum: fc.constantFrom("0.00000001", "0.000000000000000001"),
      slices: when(fc.constantFrom(slices, slices.slice(0, 2), slices.slice(2))),
      initialSlices: when(fc.constant([{ weight: "0.7" }])),
      haircut: when(fc.constant({ base: "0.1", min: "0.05", max: "0.3" })),
      liabilityPremium: when(fc.constant("0.1")),
      cap: when(fc.constant("300000")),
      sizeCurve: choice.curves === false ? fc.constant(undefined) : when(fc.constant("0.02")),
      platformStart: choice.shared === false ? fc.constant(undefined) : when(fc.constant("400000")),
      conversionOrder: when(fc.constant(2)),
      conversionFee: fc.constantFrom("0", "0.005"),
    })
    .map((one) => without({ id, ...one }) as AssetDocument);
}

type Fixed = Pick<InstrumentDocument, "id" | "kind" | "base" | "quote" | "settle"> & {
  lots: readonly string[];
  multipliers: readonly string[];
  unit: number;
};

function instrument(fixed: Fixed, choice: RuleChoice): fc.Arbitrary<InstrumentDocument> {
  const { lots, multipliers, unit, ...terms } = fixed;
  const tiers = [
    { from: "0", im: "0.01", mm: "0.005" },
    { from: String(unit), im: "0.03", mm: "0.015" },
    { from: String(unit * 5), im: "0.1", mm: "0.05" },
  ];
  // High rates: between the thresholds there is room for prices to stop in.
  const steep = [{ from: "0", im: "0.1", mm: "0.05" }];
  const premia = [{ shape: "linear" as const, k: terms.kind === "linear" ? "0.00002" : "0.000000001" }];
  const roots = [{ shape: "sqrt" as const, k: terms.kind === "linear" ? "0.0008" : "0.000004" }];
  const { curves, shared, tierMode } = choice;
  return fc
    .record({
      multiplier: fc.constantFrom(...multipliers),
      lot: fc.constantFrom(...lots),
      minNotional: terms.kind === "linear" ? when(fc.constant("5")) : fc.constant(undefined),
      maxLeverage: when(fc.constantFrom("100", "20")),
      tierMode:
        tierMode === undefined ? fc.constantFrom("progressive" as const, "whole" as const) : fc.constant(tierMode),
      notional: fc.constantFrom("mark" as const, "mark" as const, "entry" as const),
      tiers: fc.constantFrom(tiers, tiers.slice(0, 1), steep),
      sizePremium: curves === false ? fc.constant(undefined) : when(fc.constantFrom(...premia, ...roots)),
      oiScaling:
        shared === false
          ? fc.constant(undefined)
          : when(fc.constant({ lower: String(unit), upper: String(unit * 20) })),
      closeFeeInMargin: fc.boolean(),
      takerFee: fc.constantFrom("0", "0.0005"),
      makerFee: fc.constantFrom("0", "0.0002", "-0.0001"),
      liquidationFee: fc.constantFrom("0", "0.005"),
      priceBand: when(fc.constant("0.1")),
      adlPolicy: fc.constantFrom(
        "queue" as const,
        "pro-rata" as const,
        "hedge-aware" as const,
        "hedge-aware-pro-rata" as const,
      ),
    })
    .map((one) => {
      // A rebate needs a taker's fee to come from.
      const makerFee = one.takerFee === "0" && one.makerFee?.startsWith("-") ? "0" : one.makerFee;
      return without({ ...terms, ...one, makerFee }) as InstrumentDocument;
    });
}

/** Limits that are met now and then, at several levels. */
const limited: readonly Partial<RuleDocument>[] = [
  {},
  { profile: "desk", shadow: ["exposure", "position_share", "risk_per_trade"] },
  {
    limits: { ordersPerDay: 5, tradesPerDay: 6, drawdown: "0.2", maxCorrelation: "0.5", maxGrossUsd: "500000" },
    overrides: [
      { level: "account", of: "a", limit: "ordersPerDay", value: null, until: 1_800_000_000_000, reason: "agreed" },
    ],
  },
  {
    limits: { maxVolumeShare: "5", dayLoss: "0.05", weekLoss: "0.1", maxNetUsd: "200000" },
    tiers: { large: { limits: { maxGrossUsd: "1000000" }, instruments: { "BTC-PERP": { maxPosition: "20" } } } },
    accounts: { b: { tier: "large", limits: { maxOpenPositions: 2 } }, c: { restricted: ["ETH-PERP"] } },
  },
];

const linear = { kind: "linear" as const, lots: ["0.001", "1", "0.000000000000000001"], multipliers: ["1", "0.1"] };

/** Rules of a small exchange: four assets, two linear perpetuals, an inverse one and a dated future, each feature there or not. */
export function ruleDocuments(choice: RuleChoice = {}): fc.Arbitrary<RuleDocument> {
  const fees = fc.constantFrom("0", "0.1");
  // A wide band between the thresholds lets a move of some percent end in it: stage 2 comes up more often.
  const wide = fc.boolean();
  return fc
    .record({
      assets: fc.tuple(stable("USDT"), stable("USDC"), volatile("BTC", choice), volatile("ETH", choice)),
      instruments: fc.tuple(
        instrument({ id: "BTC-PERP", base: "BTC", quote: "USDT", settle: "USDT", unit: 50_000, ...linear }, choice),
        instrument({ id: "ETH-PERP", base: "ETH", quote: "USDC", settle: "USDC", unit: 50_000, ...linear }, choice),
        instrument(
          {
            id: "BTC-INV",
            kind: "inverse",
            base: "BTC",
            quote: "USD",
            settle: "BTC",
            unit: 1,
            lots: ["1", "10"],
            multipliers: ["1", "100"],
          },
          choice,
        ),
        instrument({ id: "BTC-0326", base: "BTC", quote: "USDT", settle: "USDT", unit: 50_000, ...linear }, choice),
      ),
      liquidation: fc
        .record({
          wide,
          maxSlippage: when(fc.constantFrom("0.001", "0")),
          depthShare: when(fc.constantFrom("0.25", "1")),
        })
        .map(
          ({ wide: band, ...one }) =>
            without({ ...one, ...(band ? { partialAt: "1.6", target: "1.7" } : {}) }) as NonNullable<
              RuleDocument["liquidation"]
            >,
        ),
      warnings: fc.constantFrom([], ["2", "1.8"]),
      profitWeight:
        choice.curves === false ? fc.constant(undefined) : when(fc.constant({ weight: "0.9", k: "0.0001" })),
      convertAt: when(fc.constant("0.5")),
      fund: fc
        .record({
          eventCap: when(fc.constant("5000")),
          brake: when(fc.constant({ drawdown: "0.3", until: "0.25", hours: "8" })),
          tradingFeeShare: fees,
        })
        .map((one) => without(one) as NonNullable<RuleDocument["fund"]>),
      providers: when(
        fc.constant([
          { account: "lp1", instrument: "BTC-PERP", capacity: "3", discount: "0.005" },
          { account: "lp2", instrument: "BTC-INV", capacity: "20000", discount: "0.01" },
          { account: "lp2", asset: "BTC", capacity: "2", discount: "0.01" },
        ]),
      ),
      breakers: when(fc.constant({ priceMove: { reduceOnlyAt: "0.1", noNewOrdersAt: "0.2" } })),
      entities: when(fc.constant({ one: { accounts: ["a", "b"] } })),
      liquidity: fc.constantFrom(...(choice.liquidity ?? (["mark", "mark", "depth", "none"] as const))),
      accountsPerEntryMax: fc.constantFrom(1000, 2),
    })
    .chain((one) => {
      const document = without(one) as RuleDocument;
      if (choice.limits !== true) return fc.constant(document);
      return fc.constantFrom(...limited).map((limits) => ({ ...document, ...limits }));
    });
}
