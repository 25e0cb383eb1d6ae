import { Rational } from "#libs/decimal/index.ts";
import type { PublishedPrice } from "#libs/domain/mark-price/stage.ts";
import type { PriceQuality } from "#libs/domain/mark-price/quality.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import type { PriceFrame, PriceState } from "./price-frames.ts";
import { recordPrice } from "./volatility.ts";

type Prices = ReadonlyMap<string, PublishedPrice>;

function priced(prices: Prices): Record<string, string> {
  const known: Record<string, string> = {};
  for (const [id, { price }] of ordered(prices)) if (price !== null) known[id] = price.toStringDown();
  return known;
}

function ordered<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([left], [right]) => (left < right ? -1 : 1));
}

/** Every index, mark, quality and haircut that was published, in order of id; without inputs. */
export function everything(state: PriceState): PriceFrame {
  const { indices, marks } = state.stage;
  const quality: Record<string, PriceQuality> = {};
  for (const [id, published] of [...ordered(indices), ...ordered(marks)])
    if (!state.set.has(id)) quality[id] = published.quality;
  const haircut: Record<string, { initial: string; maintenance: string }> = {};
  for (const [asset, { initial, maintenance }] of ordered(state.haircuts))
    haircut[asset] = { initial: initial.toStringUp(), maintenance: maintenance.toStringUp() };
  return { index: priced(indices), mark: priced(marks), quality, haircut };
}

function withPrices(prices: Prices, said: Readonly<Record<string, string>>): Map<string, PublishedPrice> {
  const merged = new Map(prices);
  for (const [id, price] of Object.entries(said))
    merged.set(id, { price: Rational.parse(price), quality: prices.get(id)?.quality ?? "good" });
  return merged;
}

function regrade(prices: Map<string, PublishedPrice>, id: string, quality: PriceQuality): void {
  const known = prices.get(id);
  if (known !== undefined) prices.set(id, { ...known, quality });
}

/** Prices, qualities and haircuts of a frame that somebody has published at `t` (UTC ms), as if this state had. */
export function absorbed(state: PriceState, frame: PriceFrame, t: number): void {
  const indices = withPrices(state.stage.indices, frame.index ?? {});
  const marks = withPrices(state.stage.marks, frame.mark ?? {});
  for (const [id, quality] of Object.entries(frame.quality ?? {})) {
    regrade(indices, id, quality);
    regrade(marks, id, quality);
  }
  state.stage = { ...state.stage, indices, marks };
  for (const [asset, text] of Object.entries(frame.index ?? {})) {
    const price = Rational.parse(text);
    state.indices.set(asset, price);
    const windows = state.volatility.get(asset);
    if (windows !== undefined && price.sign > 0) recordPrice(windows, price, t);
  }
  for (const [asset, said] of Object.entries(frame.haircut ?? {})) {
    const initial = Rational.parse(said.initial);
    const maintenance = Rational.parse(said.maintenance);
    const target = state.haircuts.get(asset)?.target ?? initial;
    // A haircut that has just moved by a whole step has used up what it was allowed.
    const nothing = Rational.zero;
    const moved = { initial, maintenance, target, t, initialAllowance: nothing, maintenanceAllowance: nothing };
    state.haircuts.set(asset, moved);
  }
}

/**
 * Qualities of what has sources by the rules and yet no quote of any, as after a start without a saved state: whatever price an
 * engine holds for it, nobody vouches for it now.
 */
export function unquoted(state: PriceState, rules: RuleSet): PriceFrame {
  const indices = new Map(state.stage.indices);
  const marks = new Map(state.stage.marks);
  const quality: Record<string, PriceQuality> = {};
  for (const asset of [...rules.marks.sources.keys()].sort()) {
    if (state.stage.quotes.has(asset) || state.set.has(asset)) continue;
    quality[asset] = "stale";
    regrade(indices, asset, "stale");
    for (const instrument of rules.instruments.values()) {
      if (instrument.index !== asset || state.set.has(instrument.id)) continue;
      quality[instrument.id] = "stale";
      regrade(marks, instrument.id, "stale");
    }
  }
  state.stage = { ...state.stage, indices, marks };
  return Object.keys(quality).length === 0 ? {} : { quality };
}

function kept<Value>(map: ReadonlyMap<string, Value>, keep: (id: string) => boolean): Map<string, Value> {
  return new Map([...map].filter(([id]) => keep(id)));
}

function dropOthers(map: Map<string, unknown>, keep: (id: string) => boolean): void {
  for (const id of map.keys()) if (!keep(id)) map.delete(id);
}

/** Forgets sources, assets and instruments that the rules do not name. */
export function pruned(state: PriceState, rules: RuleSet): void {
  const isAsset = (id: string): boolean => rules.assets.has(id) || rules.marks.sources.has(id);
  const isInstrument = (id: string): boolean => rules.instruments.has(id);
  const quotes = new Map<string, ReadonlyMap<string, { readonly price: Rational; readonly t: number }>>();
  for (const [asset, said] of state.stage.quotes) {
    const sources = rules.marks.sources.get(asset);
    const left = kept(said, (source) => sources?.has(source) === true);
    if (left.size > 0) quotes.set(asset, left);
  }
  state.stage = {
    quotes,
    books: kept(state.stage.books, isInstrument),
    bases: kept(state.stage.bases, isInstrument),
    indices: kept(state.stage.indices, isAsset),
    marks: kept(state.stage.marks, isInstrument),
  };
  const hasHaircut = (id: string): boolean => (rules.assets.get(id)?.haircut ?? null) !== null;
  dropOthers(state.volatility, hasHaircut);
  dropOthers(state.haircuts, hasHaircut);
  dropOthers(state.indices, isAsset);
  for (const id of state.set) if (!isAsset(id) && !isInstrument(id)) state.set.delete(id);
}
