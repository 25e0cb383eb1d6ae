import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  BadRecording,
  type Bar,
  type CrashManifest,
  type RecordedInstrument,
  type RecordedSource,
} from "#libs/simulation/recorded-crash.ts";

/** `venue_SYMBOL_bar.csv` or `.csv.gz`: the venue may have underscores of its own, the bar is minutes or hours. */
const barFile = /^([a-z0-9]+(?:_[a-z0-9]+)*)_([A-Z0-9]+)_(\d+)(m|h)\.csv(?:\.gz)?$/;
const quotes = ["USDT", "USDC", "BUSD", "USD", "BTC"] as const;
const dollars: ReadonlySet<string> = new Set(["USDT", "USDC", "BUSD", "USD"]);
const perpetualVenue = /usdm|swap|linear|perp|bitmex/;
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Tiers of the project's own fixtures stand in for those of a venue that recorded none: by symbol, else those of a middling alt. */
export const tierTable = fileURLToPath(
  new URL("../../test/fixtures/tiers/binance_usdm_2022-11-25.csv", import.meta.url),
);
const tiersOfOthers = "LTC/USDT";
const majors: ReadonlySet<string> = new Set(["BTC", "ETH"]);

interface Found extends RecordedSource {
  readonly perpetual: boolean;
}

/** What the name of a file of bars says; null where it is not the name of one (mark prices, closes, funding …). */
function sourceOf(file: string): Found | null {
  const [, venue = "", symbol = "", length = "", unit = ""] = barFile.exec(file) ?? [];
  const pair = symbol.replace(/^XBT/, "BTC");
  const quote = quotes.find((one) => pair.endsWith(one) && pair.length > one.length);
  if (quote === undefined) return null;
  const perpetual = perpetualVenue.test(venue);
  return {
    source: venue,
    symbol: pair.slice(0, -quote.length),
    file,
    barMs: Number(length) * (unit === "h" ? 60 : 1) * minuteMs,
    quote: dollars.has(quote) ? "USDT" : quote,
    volumeUnit: venue === "bitmex" ? "usd" : "base",
    weight: perpetual ? "1" : "2",
    perpetual,
  };
}

/** A power of ten as an amount. */
const power = (exponent: number): string =>
  exponent >= 0 ? `1${"0".repeat(exponent)}` : `0.${"0".repeat(-exponent - 1)}1`;

function instrumentsOf(
  symbol: string,
  price: number,
  book: string | null,
  tierSymbols: ReadonlySet<string>,
): RecordedInstrument[] {
  const magnitude = Math.floor(Math.log10(price));
  const own = `${symbol}/USDT`;
  const common = {
    base: symbol,
    index: symbol,
    multiplier: "1",
    maxLeverage: majors.has(symbol) ? "100" : "20",
    book,
    tierFile: tierTable,
    tierSymbol: tierSymbols.has(own) ? own : tiersOfOthers,
  };
  const linear: RecordedInstrument = {
    ...common,
    id: `${symbol}-PERP`,
    kind: "linear",
    quote: "USDT",
    settle: "USDT",
    tick: power(Math.max(magnitude - 5, -12)),
    // A lot is worth between one and ten dollars, or a hundredth of that for coins that cost more.
    lot: power(Math.min(Math.max(-magnitude, -8), 8)),
    minNotional: "5",
  };
  if (symbol !== "BTC") return [linear];
  const inverse: RecordedInstrument = {
    ...common,
    id: `${symbol}-INV`,
    kind: "inverse",
    quote: "USD",
    settle: symbol,
    tick: linear.tick,
    lot: "1",
    minNotional: "1",
  };
  return [linear, inverse];
}

/** Two days around the lowest price of the lead asset, a day of warm-up before them where the recording has it. */
function windowOf(bars: readonly Bar[], barMs: number): Pick<CrashManifest, "warmupFrom" | "from" | "to"> {
  const first = bars[0] as Bar;
  const end = (bars.at(-1) as Bar).ts + barMs;
  let lowest = first;
  for (const bar of bars) if (Number(bar.low ?? bar.close) < Number(lowest.low ?? lowest.close)) lowest = bar;
  const from = Math.max(first.ts + Math.min(dayMs, Math.floor((end - first.ts) / 4)), lowest.ts - dayMs);
  const start = Math.floor(from / minuteMs) * minuteMs;
  return { warmupFrom: Math.max(first.ts, start - dayMs), from: start, to: Math.min(end, start + 2 * dayMs) };
}

/**
 * The manifest that a folder of recorded bars without `crash.json` implies: every file named `venue_SYMBOL_bar.csv[.gz]` is a source of
 * its asset, perpetuals follow from the assets, ticks and lots from their prices. `readBars` reads one file. Throws `BadRecording`
 * where the folder holds nothing of the kind.
 */
export function impliedManifest(
  folder: string,
  readBars: (file: string) => readonly Bar[],
  tierSymbols: ReadonlySet<string>,
): CrashManifest {
  const found = readdirSync(folder)
    .sort()
    .flatMap((file) => sourceOf(file) ?? [])
    .filter((one) => readBars(one.file).length > 0);
  const priced = new Set(found.filter((one) => dollars.has(one.quote)).map((one) => one.symbol));
  const sources = found.filter((one) => dollars.has(one.quote) || priced.has(one.quote));
  const lead = sources.find((one) => one.symbol === "BTC") ?? sources[0];
  if (lead === undefined)
    throw new BadRecording(
      `${folder}: neither crash.json nor files named venue_SYMBOL_bar.csv (as binance_spot_BTCUSDT_1m.csv.gz)`,
    );
  const symbols = [lead.symbol, ...new Set(sources.map((one) => one.symbol).filter((one) => one !== lead.symbol))];
  const window = windowOf(readBars(lead.file), lead.barMs);
  const spans = symbols.map((id) => {
    const own = sources.filter((one) => one.symbol === id);
    const from = Math.min(...own.map((one) => (readBars(one.file)[0] as Bar).ts));
    const until = Math.max(...own.map((one) => (readBars(one.file).at(-1) as Bar).ts + one.barMs));
    return { id, from, until };
  });
  const assets = spans.filter((one) => one.from <= window.from && one.until > window.from);
  const kept = new Set(assets.map((one) => one.id));
  const usdOf = (symbol: string): number => priceAt(sources, symbol, window.from, readBars);
  return {
    name: folder.split("/").at(-1) ?? "recorded",
    title: `Recorded bars of ${[...kept].join(", ")}`,
    ...window,
    assets,
    instruments: symbols
      .filter((symbol) => kept.has(symbol) && symbol !== "USDT" && symbol !== "USDC" && symbol !== "BUSD")
      .flatMap((symbol) => {
        const book = sources.find((one) => one.symbol === symbol && one.perpetual)?.source ?? null;
        return instrumentsOf(symbol, usdOf(symbol), book, tierSymbols);
      }),
    sources: sources.filter((one) => kept.has(one.symbol)),
  };
}

/** A rough price in dollars at a time: only ticks and lots depend on it. */
function priceAt(
  sources: readonly Found[],
  symbol: string,
  t: number,
  readBars: (file: string) => readonly Bar[],
): number {
  const source = sources.find((one) => one.symbol === symbol);
  if (source === undefined) return 1;
  const bars = readBars(source.file);
  const bar = bars.find((one) => one.ts >= t) ?? bars.at(-1);
  const price = Number(bar?.close ?? "1");
  return dollars.has(source.quote) ? price : price * priceAt(sources, source.quote, t, readBars);
}
