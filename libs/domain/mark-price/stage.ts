import { Rational } from "#libs/decimal/index.ts";
import type { InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";
import type { Basis } from "./basis.ts";
import { nextBasis, unsteppedMark } from "./basis.ts";
import type { DroppedQuote, IndexPrice, SourceQuote } from "./index-price.ts";
import { indexPrice } from "./index-price.ts";
import type { PriceQuality } from "./quality.ts";
import { steppedMark } from "./step.ts";

export interface PublishedPrice {
  readonly price: Rational | null;
  readonly quality: PriceQuality;
}

/** Everything the mark-price stage remembers: a value; each transition returns another one. */
export interface MarkStage {
  /** asset → source → last quote. */
  readonly quotes: ReadonlyMap<string, ReadonlyMap<string, SourceQuote>>;
  /** instrument → price of this exchange's own book. */
  readonly books: ReadonlyMap<string, SourceQuote>;
  /** instrument → smoothed basis. */
  readonly bases: ReadonlyMap<string, Basis>;
  /** asset → index as last published. */
  readonly indices: ReadonlyMap<string, PublishedPrice>;
  /** instrument → mark as last published. */
  readonly marks: ReadonlyMap<string, PublishedPrice>;
}

/** What an index was made of: kept for receipts. Prices and weights are decimal strings. */
export interface FrameInputs {
  readonly asset: string;
  readonly used: readonly {
    readonly source: string;
    readonly price: string;
    readonly ageMs: number;
    readonly weight: string;
  }[];
  readonly dropped: readonly DroppedQuote[];
}

/** MARK-19: all that changed at one instant, in order of id; prices are decimal strings. */
export interface MarkFrame {
  readonly index: ReadonlyMap<string, string>;
  readonly mark: ReadonlyMap<string, string>;
  readonly indexQuality: ReadonlyMap<string, PriceQuality>;
  readonly markQuality: ReadonlyMap<string, PriceQuality>;
  /** Of every asset whose index changed or whose instruments' marks did. */
  readonly inputs: readonly FrameInputs[];
}

export const emptyStage: MarkStage = {
  quotes: new Map(),
  books: new Map(),
  bases: new Map(),
  indices: new Map(),
  marks: new Map(),
};

const noQuotes: ReadonlyMap<string, SourceQuote> = new Map();

function withEntry<Value>(map: ReadonlyMap<string, Value>, key: string, value: Value): ReadonlyMap<string, Value> {
  return new Map(map).set(key, value);
}

/** MARK-11: a source's newest quote is the one that counts; one with an earlier time than it is passed over. */
export function quote(
  stage: MarkStage,
  said: { readonly asset: string; readonly source: string; readonly price: Rational; readonly t: number },
): MarkStage {
  const ofAsset = stage.quotes.get(said.asset) ?? noQuotes;
  const earlier = ofAsset.get(said.source);
  if (earlier !== undefined && earlier.t > said.t) return stage;
  const quotes = withEntry(ofAsset, said.source, { price: said.price, t: said.t });
  return { ...stage, quotes: withEntry(stage.quotes, said.asset, quotes) };
}

/** MARK-21: the price of the own book of an instrument; it moves the basis, never an index. Not positive: passed over. */
export function bookPrice(
  stage: MarkStage,
  said: { readonly instrument: string; readonly price: Rational; readonly t: number },
): MarkStage {
  if (said.price.sign <= 0) return stage;
  return { ...stage, books: withEntry(stage.books, said.instrument, { price: said.price, t: said.t }) };
}

/** MARK-26: an index given outright is good by itself; what the sources said before it no longer counts. */
export function setIndex(stage: MarkStage, asset: string, price: Rational): MarkStage {
  const quotes = new Map(stage.quotes);
  quotes.delete(asset);
  return { ...stage, quotes, indices: withEntry(stage.indices, asset, { price, quality: "good" }) };
}

/** MARK-26: a mark given outright is where the next step starts from. */
export function setMark(stage: MarkStage, instrument: string, price: Rational): MarkStage {
  return { ...stage, marks: withEntry(stage.marks, instrument, { price, quality: "good" }) };
}

type StageRules = Pick<RuleSet, "marks" | "instruments">;

/**
 * MARK-21: what the average is told at a frame. Without a fresh book there is no evidence of a basis, so it fades; while
 * the index is not good nothing is learnt, only the time passes.
 */
function basisAt(stage: MarkStage, instrument: string, index: IndexPrice, rules: StageRules, t: number): Basis | null {
  const { basisEmaMs, staleMs } = rules.marks;
  const basis = stage.bases.get(instrument) ?? null;
  if (basisEmaMs === null) return null;
  if (index.price === null || index.quality !== "good") return basis === null ? null : { ...basis, t };
  const book = stage.books.get(instrument);
  const fresh = book !== undefined && (staleMs === null || t - book.t <= staleMs);
  return nextBasis(basis, fresh ? book.price.minus(index.price) : Rational.zero, basisEmaMs, t);
}

/** MARK-25: the mark holds while its index has no fresh price, and is invalid where it would not be positive. */
function markAt(
  last: PublishedPrice | null,
  index: IndexPrice,
  basis: Basis | null,
  rules: StageRules,
): PublishedPrice {
  const previous = last?.price ?? null;
  if (index.price === null) return { price: previous, quality: index.quality };
  if (previous !== null && index.used.length === 0) return { price: previous, quality: index.quality };
  const proposed = unsteppedMark(index.price, basis, rules.marks);
  const price = steppedMark(previous, proposed, index.used, rules.marks);
  return price.sign > 0 ? { price, quality: index.quality } : { price: previous, quality: "invalid" };
}

/** Puts what is news of a price into a frame; answers whether anything was. */
function publish(
  id: string,
  before: PublishedPrice | undefined,
  after: PublishedPrice,
  prices: Map<string, string>,
  qualities: Map<string, PriceQuality>,
): boolean {
  const earlier = before?.price ?? null;
  const moved = after.price !== null && (earlier === null || !earlier.equals(after.price));
  const regraded = before?.quality !== after.quality;
  if (moved) prices.set(id, after.price.toStringDown());
  if (regraded) qualities.set(id, after.quality);
  return moved || regraded;
}

function inputsOf(asset: string, index: IndexPrice): FrameInputs {
  const used = index.used.map((one) => ({
    source: one.source,
    price: one.price.toStringDown(),
    ageMs: one.ageMs,
    weight: one.weight.toStringDown(),
  }));
  return { asset, used, dropped: index.dropped };
}

/** Instruments that follow one of these indices, in order of id. */
function followers(rules: StageRules, computed: ReadonlyMap<string, IndexPrice>): readonly InstrumentRules[] {
  const following = [...rules.instruments.values()].filter((one) => computed.has(one.index));
  return following.sort((left, right) => (left.id < right.id ? -1 : 1));
}

/**
 * MARK-19: the frame at `t` (UTC ms): every index with sources and quotes, and the marks that follow it, judged anew; only
 * what changed since the last frame is in it. An asset that was never quoted is left alone: its index comes from elsewhere.
 */
export function frame(
  stage: MarkStage,
  rules: StageRules,
  t: number,
): { readonly frame: MarkFrame; readonly state: MarkStage } {
  const made = {
    index: new Map<string, string>(),
    mark: new Map<string, string>(),
    indexQuality: new Map<string, PriceQuality>(),
    markQuality: new Map<string, PriceQuality>(),
  };
  const indices = new Map(stage.indices);
  const marks = new Map(stage.marks);
  const bases = new Map(stage.bases);
  const computed = new Map<string, IndexPrice>();
  const changed = new Set<string>();
  for (const asset of [...rules.marks.sources.keys()].sort()) {
    const quotes = stage.quotes.get(asset);
    if (quotes === undefined) continue;
    const before = stage.indices.get(asset);
    const after = indexPrice({ asset, quotes, last: before?.price ?? null, t }, rules.marks);
    computed.set(asset, after);
    if (!publish(asset, before, after, made.index, made.indexQuality)) continue;
    indices.set(asset, { price: after.price, quality: after.quality });
    changed.add(asset);
  }
  for (const { id, index: asset } of followers(rules, computed)) {
    const index = computed.get(asset) as IndexPrice;
    const basis = basisAt(stage, id, index, rules, t);
    if (basis === null) bases.delete(id);
    else bases.set(id, basis);
    const before = stage.marks.get(id);
    const after = markAt(before ?? null, index, basis, rules);
    if (!publish(id, before, after, made.mark, made.markQuality)) continue;
    marks.set(id, after);
    changed.add(asset);
  }
  const inputs = [...changed].sort().map((asset) => inputsOf(asset, computed.get(asset) as IndexPrice));
  return { frame: { ...made, inputs }, state: { ...stage, indices, marks, bases } };
}
