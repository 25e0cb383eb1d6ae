import { Rational } from "#libs/decimal/index.ts";
import { indexPrice, type SourceQuote } from "#libs/domain/mark-price/index-price.ts";
import type { MarkRules } from "#libs/domain/rule-set/types.ts";
import {
  crossPoints,
  type Direction,
  directionOf,
  frameMs,
  mergedPoints,
  PriceFeed,
  type PricePoint,
} from "./price-points.ts";
import { BadRecording, type Bar, type CrashManifest, type RecordedCrash } from "./recorded-crash.ts";

/** One instant of a replay: what each source and each book says, and how busy each market is. */
export interface ReplayStep {
  /** UTC ms. */
  readonly t: number;
  /** Before the crash: prices alone, one step a minute, to fill the volatility windows. */
  readonly warmup: boolean;
  /** USD. A source that says nothing is not here: its last quote ages. */
  readonly quotes: readonly { readonly asset: string; readonly source: string; readonly price: string }[];
  readonly books: readonly { readonly instrument: string; readonly price: string }[];
  /** By asset: the index as the mark-price stage will find it, for whoever needs a price before the frame. */
  readonly indices: ReadonlyMap<string, Rational>;
  /** By asset. */
  readonly activity: ReadonlyMap<string, Activity>;
}

export interface Activity {
  readonly usdPerMinute: number;
  /** The widest bar under way. */
  readonly rangeBp: number;
}

interface Feed {
  readonly source: string;
  readonly asset: string;
  readonly quote: string;
  readonly volumeUnit: "base" | "usd" | null;
  readonly feed: PriceFeed;
}

const minuteMs = 60_000;
/** Pair prices times the index of what they are quoted in, to this many decimals, rounded down. */
const priceDecimals = 12;
const dollars = new Set(["USD", "USDT"]);

function barsOf(crash: RecordedCrash, file: string): readonly Bar[] {
  const bars = crash.bars.get(file);
  if (bars === undefined) throw new BadRecording(`${file} is named by the manifest and was not read`);
  return bars;
}

/** The lead: the finest recording of the first instrument's index that has opens. */
function leadDirection(crash: RecordedCrash): Direction {
  const symbol = crash.manifest.instruments[0]?.index;
  const files = crash.manifest.sources
    .filter((one) => one.symbol === symbol && barsOf(crash, one.file).some((bar) => bar.open !== null))
    .sort((left, right) => left.barMs - right.barMs);
  const finest = files[0];
  return finest === undefined ? () => false : directionOf(barsOf(crash, finest.file), finest.barMs);
}

function feedsOf(crash: RecordedCrash): Feed[] {
  const { sources, crossSources = [] } = crash.manifest;
  const rose = leadDirection(crash);
  const feeds: Feed[] = [];
  const seen = new Set<string>();
  for (const { source, symbol, quote, volumeUnit } of sources) {
    const key = `${symbol} ${source}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const files = sources.filter((one) => one.symbol === symbol && one.source === source);
    const points = mergedPoints(
      files.map(({ file, barMs }) => ({ bars: barsOf(crash, file), barMs })),
      rose,
    );
    const unit = files.find((one) => one.volumeUnit !== null)?.volumeUnit ?? volumeUnit;
    feeds.push({ source, asset: symbol, quote, volumeUnit: unit, feed: new PriceFeed(points) });
  }
  for (const { source, symbol, quote, file, over, barMs } of crossSources) {
    const overMs = sources.find((one) => one.file === over)?.barMs ?? barMs;
    const points = crossPoints(
      { bars: barsOf(crash, file), barMs },
      { bars: barsOf(crash, over), barMs: overMs },
      (price, by) => Rational.parse(price).dividedBy(Rational.parse(by)).toStringDown(priceDecimals),
    );
    feeds.push({ source, asset: symbol, quote, volumeUnit: null, feed: new PriceFeed(points) });
  }
  // Prices in dollars first, because the others are turned into dollars at their indices.
  return [...feeds.filter((one) => dollars.has(one.quote)), ...feeds.filter((one) => !dollars.has(one.quote))];
}

/** Follows the indices with the stage's own function, so that a price in BTC meets the BTC index of the same instant. */
class IndexWatch {
  readonly #rules: MarkRules;
  readonly #quotes = new Map<string, Map<string, SourceQuote>>();
  readonly latest = new Map<string, Rational>();

  constructor(rules: MarkRules) {
    this.#rules = rules;
  }

  say(asset: string, source: string, price: Rational, t: number): void {
    let quotes = this.#quotes.get(asset);
    if (quotes === undefined) this.#quotes.set(asset, (quotes = new Map()));
    quotes.set(source, { price, t });
  }

  /** The index at `t`, null unless it is good: an asset cannot be better known than what it is quoted in. */
  good(asset: string, t: number): Rational | null {
    const quotes = this.#quotes.get(asset);
    if (quotes === undefined) return null;
    const { price, quality } = indexPrice({ asset, quotes, last: this.latest.get(asset) ?? null, t }, this.#rules);
    if (price !== null) this.latest.set(asset, price);
    return quality === "good" ? price : null;
  }
}

function addActivity(activity: Map<string, Activity>, feed: Feed, point: PricePoint, usd: number): void {
  if (point.traded === null || feed.volumeUnit === null) return;
  const { volumePerMinute, rangeBp } = point.traded;
  const before = activity.get(feed.asset) ?? { usdPerMinute: 0, rangeBp: 0 };
  activity.set(feed.asset, {
    usdPerMinute: before.usdPerMinute + (feed.volumeUnit === "usd" ? volumePerMinute : volumePerMinute * usd),
    rangeBp: Math.max(before.rangeBp, rangeBp),
  });
}

/** What all feeds say at one instant. */
function stepAt(
  t: number,
  warmup: boolean,
  feeds: readonly Feed[],
  manifest: CrashManifest,
  watch: IndexWatch,
): ReplayStep {
  const quotes: { asset: string; source: string; price: string }[] = [];
  const activity = new Map<string, Activity>();
  const spoken = new Map<string, string>();
  const rates = new Map<string, Rational | null>();
  for (const feed of feeds) {
    const point = feed.feed.advance(t);
    if (point === null) continue;
    let price = point.price;
    if (!dollars.has(feed.quote)) {
      if (!rates.has(feed.quote)) rates.set(feed.quote, watch.good(feed.quote, t));
      const rate = rates.get(feed.quote) ?? null;
      if (rate === null) continue;
      price = Rational.parse(price).times(rate).toStringDown(priceDecimals);
    }
    quotes.push({ asset: feed.asset, source: feed.source, price });
    spoken.set(`${feed.asset} ${feed.source}`, price);
    watch.say(feed.asset, feed.source, Rational.parse(price), t);
    addActivity(activity, feed, point, Number(price));
  }
  for (const asset of new Set(feeds.map((feed) => feed.asset))) watch.good(asset, t);
  const books = manifest.instruments.flatMap(({ id, index, book }) => {
    const price = book === null ? undefined : spoken.get(`${index} ${book}`);
    return price === undefined ? [] : [{ instrument: id, price }];
  });
  return { t, warmup, quotes, books, indices: watch.latest, activity };
}

/**
 * The steps of a recorded crash from `warmupFrom` to `to`: in the warm-up one a minute, from `from` on four, at the last
 * millisecond of every quarter minute. The order of lows and highs within a span is the lead's (the first instrument's
 * index), for all instruments the same. Throws `BadRecording`. `indices` is one live map; read it before the next step.
 */
export function* replaySteps(
  crash: RecordedCrash,
  rules: MarkRules,
  window: { readonly from: number; readonly to: number } = crash.manifest,
): Generator<ReplayStep> {
  const feeds = feedsOf(crash);
  const watch = new IndexWatch(rules);
  const { manifest } = crash;
  for (let t = manifest.warmupFrom + minuteMs - 1; t < window.from; t += minuteMs)
    yield stepAt(t, true, feeds, manifest, watch);
  for (let t = window.from + frameMs - 1; t < window.to; t += frameMs) yield stepAt(t, false, feeds, manifest, watch);
}
