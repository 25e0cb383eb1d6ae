import { Rational } from "#libs/decimal/index.ts";
import { loadStage, type MarkStageRecord, saveStage } from "#libs/domain/mark-price/stage-record.ts";
import { type HaircutRecord, loadHaircut, saveHaircut } from "./haircut.ts";
import type { PriceState } from "./price-frames.ts";
import { continueVolatility, loadVolatility, saveVolatility, type VolatilityRecord } from "./volatility.ts";

/** Everything `PriceFrames` remembers, as JSON: lists in order of id, prices as decimal strings. */
export interface PriceFramesRecord {
  readonly version: 1;
  readonly stage: MarkStageRecord;
  readonly volatility: readonly (readonly [asset: string, windows: VolatilityRecord])[];
  readonly haircuts: readonly (readonly [asset: string, haircut: HaircutRecord])[];
  readonly indices: readonly (readonly [asset: string, price: string])[];
  readonly set: readonly string[];
}

function ordered<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([left], [right]) => (left < right ? -1 : 1));
}

export function savePrices(state: PriceState, since: ReadonlyMap<string, number> = new Map()): PriceFramesRecord {
  return {
    version: 1,
    stage: saveStage(state.stage),
    volatility: ordered(state.volatility).map(([asset, windows]) => [asset, saveVolatility(windows, since.get(asset))]),
    haircuts: ordered(state.haircuts).map(([asset, haircut]) => [asset, saveHaircut(haircut)]),
    indices: ordered(state.indices).map(([asset, price]) => [asset, price.toStringDown()]),
    set: [...state.set].sort(),
  };
}

function refill<Key, Value>(map: Map<Key, Value>, entries: Iterable<readonly [Key, Value]>): void {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

function loadAllButWindows(state: PriceState, record: PriceFramesRecord): void {
  state.stage = loadStage(record.stage);
  refill(
    state.haircuts,
    record.haircuts.map(([asset, haircut]) => [asset, loadHaircut(haircut)]),
  );
  refill(
    state.indices,
    record.indices.map(([asset, price]) => [asset, Rational.parse(price)]),
  );
  state.set.clear();
  for (const id of record.set) state.set.add(id);
}

export function loadPrices(state: PriceState, record: PriceFramesRecord): void {
  loadAllButWindows(state, record);
  refill(
    state.volatility,
    record.volatility.map(([asset, windows]) => [asset, loadVolatility(windows)]),
  );
}

/** A later record, whose windows may hold only what came after those there are. */
export function mergeRecent(state: PriceState, record: PriceFramesRecord): void {
  loadAllButWindows(state, record);
  for (const [asset, windows] of record.volatility) {
    const known = state.volatility.get(asset);
    if (known === undefined) state.volatility.set(asset, loadVolatility(windows));
    else continueVolatility(known, windows);
  }
}
