import type { Rational } from "#libs/decimal/index.ts";
import type { PopulationCollateral, PopulationInstrument } from "./accounts.ts";
import { collateralAssets } from "./crash-rules.ts";
import {
  CalmMeter,
  type CalmMarket,
  type ContractGrid,
  depthBook,
  type DepthBook,
  depthWithin10BpUsd,
  type DepthRules,
} from "./depth.ts";
import type { Activity, ReplayStep } from "./market-replay.ts";
import type { RecordedCrash, RecordedInstrument } from "./recorded-crash.ts";

/** How popular instruments are: the coin everyone trades, its inverse twin, the second coin, and the rest by turnover. */
const leadShare = 0.36;
const inverseShare = 0.08;
const secondShare = 0.2;
const secondAsset = "ETH";

/** What the warm-up says about each market: its calm, by asset. */
export class CalmMarkets {
  readonly #meters = new Map<string, CalmMeter>();

  add(step: ReplayStep): void {
    for (const [asset, activity] of step.activity) {
      let meter = this.#meters.get(asset);
      if (meter === undefined) this.#meters.set(asset, (meter = new CalmMeter()));
      meter.add(activity);
    }
  }

  of(asset: string): CalmMarket {
    return this.#meters.get(asset)?.calm() ?? { usdPerMinute: 0, rangeBp: 0 };
  }
}

function weightOf(one: RecordedInstrument, lead: string, others: number, calm: CalmMarkets): number {
  if (one.index === lead) return one.kind === "inverse" ? inverseShare : leadShare;
  if (one.index === secondAsset) return secondShare;
  // The square root, because turnover of recorded pairs is more uneven than what their perpetuals are traded for.
  return (
    ((1 - leadShare - inverseShare - secondShare) * Math.sqrt(Math.max(1, calm.of(one.index).usdPerMinute))) / others
  );
}

/** The instruments as the population sees them, at these index prices. Those without a price yet are not traded yet. */
export function populationInstruments(
  crash: RecordedCrash,
  indices: ReadonlyMap<string, Rational>,
  calm: CalmMarkets,
): PopulationInstrument[] {
  const { instruments } = crash.manifest;
  const lead = instruments[0]?.index ?? "";
  const rest = instruments.filter((one) => one.index !== lead && one.index !== secondAsset);
  const others = rest.reduce((sum, one) => sum + Math.sqrt(Math.max(1, calm.of(one.index).usdPerMinute)), 0);
  return instruments.flatMap((one): PopulationInstrument[] => {
    const index = indices.get(one.index);
    if (index === undefined) return [];
    return [
      {
        id: one.id,
        kind: one.kind,
        base: one.base,
        settle: one.settle,
        multiplier: Number(one.multiplier),
        tick: one.tick,
        lot: one.lot,
        mark: index.toNumber(),
        maxLeverage: Number(one.maxLeverage),
        tiers: (crash.tiers.get(one.id) ?? []).map((tier) => ({
          floorUsd: Number(tier.floor),
          maintenanceRate: Number(tier.maintenanceRate),
          maxLeverage: Number(tier.maxLeverage),
        })),
        weight: weightOf(one, lead, Math.max(others, 1), calm),
      },
    ];
  });
}

/** Weight times one minus a haircut that a calm day may have. */
const collateralFactor = (asset: string): number =>
  asset === "USDT" ? 1 : asset === "LUNA" || asset === "FTT" ? 0.6 : 0.85;

export function populationCollaterals(
  crash: RecordedCrash,
  indices: ReadonlyMap<string, Rational>,
): PopulationCollateral[] {
  const priced = collateralAssets(crash.manifest).flatMap((asset) => {
    const price = indices.get(asset)?.toNumber();
    return price === undefined ? [] : [{ asset, price, factor: collateralFactor(asset) }];
  });
  return [{ asset: "USDT", price: 1, factor: 1 }, ...priced];
}

interface DepthInstrument {
  readonly id: string;
  readonly index: string;
  readonly grid: ContractGrid;
  readonly openInterestUsd: number;
}

/** The books of a crash: around the recorded book price where there is one, else around the index. */
export class CrashDepth {
  readonly #rules: DepthRules;
  readonly #calm: CalmMarkets;
  readonly #instruments: readonly DepthInstrument[];

  constructor(
    rules: DepthRules,
    calm: CalmMarkets,
    instruments: readonly RecordedInstrument[],
    openInterestUsd: ReadonlyMap<string, number>,
  ) {
    this.#rules = rules;
    this.#calm = calm;
    this.#instruments = instruments.map(({ id, index, kind, multiplier, tick, lot }) => {
      const size = Number(multiplier);
      const contractsPerUsd = kind === "linear" ? (price: number) => 1 / (size * price) : () => 1 / size;
      return { id, index, grid: { tick, lot, contractsPerUsd }, openInterestUsd: openInterestUsd.get(id) ?? 0 };
    });
  }

  /** USD within 10 bp of one instrument at this step. */
  within10BpUsd(id: string, activity: Activity | undefined): number {
    const of = this.#instruments.find((one) => one.id === id);
    if (of === undefined) return 0;
    return depthWithin10BpUsd(this.#rules, of.openInterestUsd, activity, this.#calm.of(of.index));
  }

  *books(step: ReplayStep): Generator<readonly [instrument: string, book: DepthBook]> {
    const said = new Map(step.books.map(({ instrument, price }) => [instrument, Number(price)]));
    for (const { id, index, grid, openInterestUsd } of this.#instruments) {
      const middle = said.get(id) ?? step.indices.get(index)?.toNumber();
      if (middle === undefined) continue;
      const within = depthWithin10BpUsd(this.#rules, openInterestUsd, step.activity.get(index), this.#calm.of(index));
      yield [id, depthBook(this.#rules, within, middle, grid)];
    }
  }
}
