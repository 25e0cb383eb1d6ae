import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";

/** The recorded crashes are only worth replaying if the recordings are what their manifests say. */

type Bars = {
  readonly source: string;
  readonly symbol: string;
  readonly file: string;
  readonly barMs: number;
  readonly kind: "spot" | "perp" | "mark";
  readonly quote: "USD" | "USDT" | "BTC";
  readonly volumeUnit: "base" | "usd" | null;
  readonly weight?: string;
  readonly columns: readonly string[];
  readonly openIsPreviousClose?: boolean;
  readonly rows: number;
  readonly firstTs: number;
  readonly lastTs: number;
  readonly gaps: number;
  readonly missing: number;
  readonly zeroVolume: number;
  readonly low: string;
  readonly lowTs: number;
  readonly high: string;
  readonly highTs: number;
  readonly origin: {
    readonly repository: string;
    readonly path: string;
    readonly commit: string;
    readonly licence: string;
  };
};
type Instrument = {
  readonly id: string;
  readonly kind: "linear" | "inverse";
  readonly index: string;
  readonly settle: string;
  readonly book: string | null;
  readonly tierFile: string;
  readonly tierSymbol: string;
};
type Manifest = {
  readonly name: string;
  readonly warmupFrom: number;
  readonly from: number;
  readonly to: number;
  readonly assets: readonly {
    readonly id: string;
    readonly from: number;
    readonly until: number;
    readonly note?: string;
  }[];
  readonly instruments: readonly Instrument[];
  readonly sources: readonly Bars[];
  readonly crossSources: readonly { readonly symbol: string; readonly file: string; readonly over: string }[];
  readonly references: readonly Bars[];
  readonly funding: readonly { readonly instrument: string; readonly file: string }[];
};
type Row = { readonly [column: string]: string };

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const crashes = ["covid-2020-03", "ftx-2022-11", "terra-2022-05"];
// The digits of prices in the recordings are few enough for a comparison in doubles to be exact in order.
const number = (text: string | undefined): number => Number(text ?? Number.NaN);
const plainAmount = /^(0|[1-9]\d*)(\.\d+)?$/;
const signedAmount = /^-?(0|[1-9]\d*)(\.\d+)?$/;

function rowsOf(text: string): readonly Row[] {
  const [head = "", ...lines] = text.trimEnd().split("\n");
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    expect(cells.length).toBe(names.length);
    return Object.fromEntries(names.map((name, place) => [name, cells[place] ?? ""]));
  });
}
const plainRows = (path: string): readonly Row[] => rowsOf(readFileSync(fixtures + path, "utf8"));
const barRows = (crash: string, file: string): readonly Row[] =>
  rowsOf(gunzipSync(readFileSync(`${fixtures}crashes/${crash}/${file}`)).toString("utf8"));
const manifestOf = (crash: string): Manifest =>
  JSON.parse(readFileSync(`${fixtures}crashes/${crash}/crash.json`, "utf8")) as Manifest;

function groupsOf<T>(values: readonly T[], keyOf: (value: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

/** Everything a manifest says about one file, found again in the file itself. */
function measured(rows: readonly Row[], barMs: number) {
  const times = rows.map((row) => number(row["ts"]));
  const steps = times.slice(1).map((ts, place) => ts - (times[place] ?? ts));
  const low = (row: Row): string => row["low"] ?? row["close"] ?? "";
  const high = (row: Row): string => row["high"] ?? row["close"] ?? "";
  const lowest = rows.reduce((least, row) => (number(low(row)) < number(low(least)) ? row : least));
  const highest = rows.reduce((most, row) => (number(high(row)) > number(high(most)) ? row : most));
  return {
    rows: rows.length,
    firstTs: times[0],
    lastTs: times.at(-1),
    gaps: steps.filter((step) => step !== barMs).length,
    missing: steps.reduce((sum, step) => sum + step / barMs - 1, 0),
    zeroVolume: rows.filter((row) => row["volume"] !== undefined && number(row["volume"]) === 0).length,
    low: low(lowest),
    lowTs: number(lowest["ts"]),
    high: high(highest),
    highTs: number(highest["ts"]),
  };
}

function expectSoundBar(row: Row, bars: Bars): void {
  const prices = bars.columns.filter((column) => column !== "ts" && column !== "volume");
  const sound =
    prices.every((column) => plainAmount.test(row[column] ?? "") && number(row[column]) > 0) &&
    (bars.volumeUnit === null || plainAmount.test(row["volume"] ?? "")) &&
    number(row["ts"]) % bars.barMs === 0;
  const low = number(row["low"] ?? row["close"]);
  const high = number(row["high"] ?? row["close"]);
  const inside = (column: string): boolean => low <= number(row[column]) && number(row[column]) <= high;
  // One venue reports as open the close of the bar before, which may lie outside this bar's range.
  const openInside = row["open"] === undefined || bars.openIsPreviousClose === true || inside("open");
  if (!sound || !inside("close") || !openInside) expect.fail(`${bars.file} has an unsound bar: ${JSON.stringify(row)}`);
}

describe.each(crashes)("recorded crash %s", (name) => {
  const manifest = manifestOf(name);
  const files = [...manifest.sources, ...manifest.references];

  test("the manifest names itself, its window, and exactly the files that lie beside it", () => {
    expect(manifest.name).toBe(name);
    expect(manifest.warmupFrom).toBeLessThan(manifest.from);
    expect(manifest.from).toBeLessThan(manifest.to);
    const named = files.map((bars) => bars.file).sort();
    const beside = readdirSync(`${fixtures}crashes/${name}`).filter((file) => file !== "crash.json");
    expect(beside.sort()).toEqual(named);
    for (const cross of manifest.crossSources) expect(named).toEqual(expect.arrayContaining([cross.file, cross.over]));
  });

  test.each(files.map((bars) => [bars.file, bars] as const))("%s holds what the manifest says", (file, bars) => {
    const rows = barRows(name, file);
    expect(Object.keys(rows[0] ?? {})).toEqual(bars.columns);
    for (const row of rows) expectSoundBar(row, bars);
    const times = rows.map((row) => number(row["ts"]));
    expect(times.slice(1).every((ts, place) => ts > (times[place] ?? ts))).toBe(true);
    expect(times.every((ts) => ts >= manifest.warmupFrom && ts < manifest.to)).toBe(true);
    const { rows: count, firstTs, lastTs, gaps, missing, zeroVolume, low, lowTs, high, highTs } = bars;
    const said = { rows: count, firstTs, lastTs, gaps, missing, zeroVolume, low, lowTs, high, highTs };
    expect(measured(rows, bars.barMs)).toEqual(said);
    expect(Object.values(bars.origin).every((text) => text.length > 0)).toBe(true);
    expect(Object.keys(bars.origin)).toEqual(["repository", "path", "commit", "licence"]);
  });

  test("every asset has prices from the first warm-up bar to the last, or says why not", () => {
    for (const asset of manifest.assets) {
      const own = manifest.sources.filter((bars) => bars.symbol === asset.id);
      expect(Math.min(...own.map((bars) => bars.firstTs))).toBe(asset.from);
      expect(Math.max(...own.map((bars) => bars.lastTs + bars.barMs))).toBe(asset.until);
      const whole = asset.from === manifest.warmupFrom && asset.until === manifest.to;
      expect([asset.id, whole || asset.note !== undefined]).toEqual([asset.id, true]);
    }
    expect(new Set(manifest.sources.map((bars) => bars.symbol))).toEqual(new Set(manifest.assets.map(({ id }) => id)));
  });
});

describe.each(crashes)("recorded crash %s as a whole", (name) => {
  const manifest = manifestOf(name);

  test("one source recorded at two bar lengths says the same wherever both close", () => {
    const bySource = groupsOf(manifest.sources, (bars) => `${bars.symbol} ${bars.source}`);
    for (const [key, recordings] of bySource) {
      const closes = new Map<number, string>();
      for (const bars of recordings) {
        for (const row of barRows(name, bars.file)) {
          const ts = number(row["ts"]) + bars.barMs;
          const known = closes.get(ts);
          if (known !== undefined) expect([key, ts, number(row["close"])]).toEqual([key, ts, number(known)]);
          closes.set(ts, row["close"] ?? "");
        }
      }
      expect(closes.size).toBeGreaterThan(0);
    }
  });

  test("instruments refer to an asset, a perpetual and a tier table that exist", () => {
    const assets = new Set(manifest.assets.map(({ id }) => id));
    for (const instrument of manifest.instruments) {
      expect([instrument.id, assets.has(instrument.index)]).toEqual([instrument.id, true]);
      const table = plainRows(`tiers/${instrument.tierFile.replace("../../tiers/", "")}`);
      const tiers = table.filter((row) => row["symbol"] === instrument.tierSymbol);
      expect([instrument.id, tiers.length > 0]).toEqual([instrument.id, true]);
      if (instrument.book === null) continue;
      const book = manifest.sources.find((bars) => bars.symbol === instrument.index && bars.source === instrument.book);
      expect([instrument.id, book?.kind]).toEqual([instrument.id, "perp"]);
    }
    for (const { file } of manifest.funding) expect(existsSync(`${fixtures}crashes/${name}/${file}`)).toBe(true);
  });

  test("funding is given for every eighth hour of the window, its ends included", () => {
    for (const { file } of manifest.funding) {
      const rows = plainRows(`funding/${file.replace("../../funding/", "")}`);
      const times = rows.map((row) => number(row["ts"]));
      const interval = 28_800_000;
      for (let ts = manifest.warmupFrom; ts <= manifest.to; ts += interval) expect(times).toContain(ts);
      expect(rows.every((row) => signedAmount.test(row["rate"] ?? ""))).toBe(true);
    }
  });
});

test("tier tables are continuous: each floor is the cap before, each maintenance amount follows from the rates", () => {
  // In millionths, so that the products compare as whole numbers.
  const millionths = (text: string | undefined): number => Math.round(number(text) * 1e6);
  for (const file of readdirSync(`${fixtures}tiers`)) {
    for (const [symbol, tiers] of groupsOf(plainRows(`tiers/${file}`), (row) => row["symbol"] ?? "")) {
      tiers.forEach((tier, place) => {
        const before = tiers[place - 1];
        expect([symbol, tier["tier"]]).toEqual([symbol, String(place + 1)]);
        expect([symbol, tier["notional_floor"]]).toEqual([symbol, before?.["notional_cap"] ?? "0"]);
        const step =
          millionths(tier["maint_margin_rate"]) -
          millionths(before?.["maint_margin_rate"] ?? tier["maint_margin_rate"]);
        const added = millionths(tier["cum"]) - millionths(before?.["cum"] ?? "0");
        expect([symbol, added]).toEqual([symbol, step * number(tier["notional_floor"])]);
      });
    }
  }
});

test("order books are not crossed, and their depth profiles only grow", () => {
  const files = readdirSync(`${fixtures}orderbook`);
  expect(files.length).toBe(5);
  for (const file of files.filter((each) => each.endsWith("_top.csv"))) {
    const rows = plainRows(`orderbook/${file}`);
    const prices = (side: string): readonly number[] =>
      rows.filter((row) => row["side"] === side).map((row) => number(row["price"]));
    const bids = prices("bid");
    const asks = prices("ask");
    expect(bids).toEqual([...bids].sort((a, b) => b - a));
    expect(asks).toEqual([...asks].sort((a, b) => a - b));
    expect(bids[0]).toBeLessThan(asks[0] ?? 0);
  }
  for (const file of files.filter((each) => each.endsWith("_profile.csv"))) {
    const rows = plainRows(`orderbook/${file}`);
    for (const column of ["distance_bp", "bid_levels", "bid_qty", "ask_levels", "ask_qty"]) {
      const values = rows.map((row) => number(row[column]));
      expect([file, column, values]).toEqual([file, column, [...values].sort((a, b) => a - b)]);
    }
  }
});

test("the recorded account adds up: its margin used is the sum over its positions", () => {
  type Account = {
    readonly assetPositions: readonly { readonly position: { readonly marginUsed: string } }[];
    readonly crossMarginSummary: { readonly totalMarginUsed: string };
  };
  const account = JSON.parse(readFileSync(`${fixtures}hyperliquid/clearinghouse_state.json`, "utf8")) as Account;
  const sum = account.assetPositions.reduce((total, { position }) => total + number(position.marginUsed), 0);
  expect(sum).toBeCloseTo(number(account.crossMarginSummary.totalMarginUsed), 4);
});

test("the lows are the recorded ones", () => {
  const low = (crash: string, symbol: string, source: string): readonly [string | undefined, string] => {
    const bars = manifestOf(crash).sources.filter((each) => each.symbol === symbol && each.source === source);
    const least = [...bars].sort((a, b) => number(a.low) - number(b.low))[0];
    return [least?.low, new Date(least?.lowTs ?? 0).toISOString().slice(0, 16)];
  };
  expect(low("covid-2020-03", "BTC", "bitmex")).toEqual(["3596", "2020-03-13T02:15"]);
  expect(low("covid-2020-03", "ETH", "binance_spot")).toEqual(["86", "2020-03-13T02:15"]);
  expect(low("terra-2022-05", "LUNA", "binance_spot")).toEqual(["0.00004", "2022-05-13T00:35"]);
  expect(low("terra-2022-05", "UST", "binance_spot")).toEqual(["0.225", "2022-05-11T07:00"]);
  expect(low("ftx-2022-11", "BTC", "binance_usdm")).toEqual(["15462.6", "2022-11-09T22:05"]);
});
