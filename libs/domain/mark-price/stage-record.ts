import { Rational } from "#libs/decimal/index.ts";
import type { SourceQuote } from "./index-price.ts";
import type { PriceQuality } from "./quality.ts";
import type { MarkStage, PublishedPrice } from "./stage.ts";

type QuoteRecord = readonly [id: string, price: string, t: number];
type PriceRecord = readonly [id: string, price: string | null, quality: PriceQuality];

/** The stage as JSON: lists in order of id, prices as decimal strings. */
export interface MarkStageRecord {
  readonly quotes: readonly (readonly [asset: string, quotes: readonly QuoteRecord[]])[];
  readonly books: readonly QuoteRecord[];
  readonly bases: readonly QuoteRecord[];
  readonly indices: readonly PriceRecord[];
  readonly marks: readonly PriceRecord[];
}

function ordered<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([left], [right]) => (left < right ? -1 : 1));
}

function quoteRecords(quotes: ReadonlyMap<string, SourceQuote>): QuoteRecord[] {
  return ordered(quotes).map(([id, { price, t }]) => [id, price.toStringDown(), t]);
}

function priceRecords(prices: ReadonlyMap<string, PublishedPrice>): PriceRecord[] {
  return ordered(prices).map(([id, { price, quality }]) => [id, price?.toStringDown() ?? null, quality]);
}

function loadQuotes(records: readonly QuoteRecord[]): Map<string, SourceQuote> {
  return new Map(records.map(([id, price, t]) => [id, { price: Rational.parse(price), t }]));
}

function loadPrices(records: readonly PriceRecord[]): Map<string, PublishedPrice> {
  return new Map(
    records.map(([id, price, quality]) => [id, { price: price === null ? null : Rational.parse(price), quality }]),
  );
}

/** MARK-20: nothing the stage keeps has more than 18 decimals, so the text loses nothing. */
export function saveStage(stage: MarkStage): MarkStageRecord {
  return {
    quotes: ordered(stage.quotes).map(([asset, quotes]) => [asset, quoteRecords(quotes)]),
    books: quoteRecords(stage.books),
    bases: ordered(stage.bases).map(([id, { average, t }]) => [id, average.toStringDown(), t]),
    indices: priceRecords(stage.indices),
    marks: priceRecords(stage.marks),
  };
}

/** The stage that `saveStage` wrote; throws `NotAnAmount` for a price that is none. */
export function loadStage(record: MarkStageRecord): MarkStage {
  return {
    quotes: new Map(record.quotes.map(([asset, quotes]) => [asset, loadQuotes(quotes)])),
    books: loadQuotes(record.books),
    bases: new Map(record.bases.map(([id, average, t]) => [id, { average: Rational.parse(average), t }])),
    indices: loadPrices(record.indices),
    marks: loadPrices(record.marks),
  };
}
