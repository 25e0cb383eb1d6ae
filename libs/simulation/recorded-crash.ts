/**
 * A recorded crash: what its manifest `crash.json` says and the rows of its files. Reading files belongs to the callers;
 * here text becomes numbers, and prices stay text, because the digits of the recording are the price.
 */
export interface CrashManifest {
  readonly name: string;
  readonly title: string;
  /** UTC ms; before `from` prices only warm up the volatility windows; `to` is exclusive. */
  readonly warmupFrom: number;
  readonly from: number;
  readonly to: number;
  readonly assets: readonly { readonly id: string; readonly from: number; readonly until: number }[];
  readonly instruments: readonly RecordedInstrument[];
  readonly sources: readonly RecordedSource[];
  readonly crossSources?: readonly CrossSource[];
  readonly funding?: readonly { readonly instrument: string; readonly file: string }[];
}

export interface RecordedInstrument {
  readonly id: string;
  readonly kind: "linear" | "inverse";
  readonly base: string;
  readonly quote: string;
  readonly settle: string;
  readonly index: string;
  readonly multiplier: string;
  readonly tick: string;
  readonly lot: string;
  readonly minNotional: string;
  readonly maxLeverage: string;
  /** The source whose last price stands for the instrument's own book; null: none was recorded. */
  readonly book: string | null;
  readonly tierFile: string;
  readonly tierSymbol: string;
}

export interface RecordedSource {
  readonly source: string;
  /** The asset. */
  readonly symbol: string;
  readonly file: string;
  readonly barMs: number;
  /** USD and USDT count as one dollar; another asset: a price in it. */
  readonly quote: string;
  readonly volumeUnit: "base" | "usd" | null;
  readonly weight: string;
}

/** A price that follows from two files: closes of `file` over closes of `over` at the same instant. */
export interface CrossSource {
  readonly source: string;
  readonly symbol: string;
  readonly file: string;
  readonly over: string;
  readonly barMs: number;
  readonly quote: string;
  readonly weight: string;
}

export interface Bar {
  /** UTC ms at which the bar opens; its close is known at `ts + barMs`. */
  readonly ts: number;
  /** Null in files of closes alone. */
  readonly open: string | null;
  readonly high: string | null;
  readonly low: string | null;
  readonly close: string;
  /** In the source's unit; null: not recorded. */
  readonly volume: number | null;
}

export interface TierRow {
  readonly floor: string;
  readonly maintenanceRate: string;
  readonly maxLeverage: string;
}

/** Everything of one crash in memory. */
export interface RecordedCrash {
  readonly manifest: CrashManifest;
  /** By file name, every file that a source or a cross source names. */
  readonly bars: ReadonlyMap<string, readonly Bar[]>;
  /** By instrument id. */
  readonly tiers: ReadonlyMap<string, readonly TierRow[]>;
  /** By instrument id: UTC ms and the rate as a decimal string, ascending. */
  readonly funding: ReadonlyMap<string, readonly { readonly t: number; readonly rate: string }[]>;
}

/** Thrown where a recording does not have the promised form; names the file and what is missing. */
export class BadRecording extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadRecording";
  }
}

const plainDecimal = /^-?\d+(\.\d+)?$/;

function table(name: string, text: string, wanted: readonly string[]): (string | undefined)[][] {
  const [head = "", ...lines] = text.trimEnd().split("\n");
  const names = head.trim().split(",");
  const places = wanted.map((column) => names.indexOf(column));
  return lines.map((line) => {
    const cells = line.trim().split(",");
    if (cells.length !== names.length) throw new BadRecording(`${name}: a row of ${cells.length} cells: ${line}`);
    return places.map((place) => (place < 0 ? undefined : cells[place]));
  });
}

function decimalCell(name: string, cell: string | undefined): string {
  if (cell === undefined || !plainDecimal.test(cell))
    throw new BadRecording(`${name}: not a plain decimal: ${cell ?? "absent"}`);
  return cell;
}

/** Rows `ts,open,high,low,close[,volume]` or `ts,close`; the header decides. Throws `BadRecording`; times must rise. */
export function parseBars(name: string, text: string): readonly Bar[] {
  let before = -Infinity;
  return table(name, text, ["ts", "open", "high", "low", "close", "volume"]).map(
    ([ts, open, high, low, close, volume]) => {
      const t = Number(decimalCell(name, ts));
      if (!(t > before)) throw new BadRecording(`${name}: time does not rise at ${t}`);
      before = t;
      return {
        ts: t,
        open: open ?? null,
        high: high ?? null,
        low: low ?? null,
        close: decimalCell(name, close),
        volume: volume === undefined ? null : Number(volume),
      };
    },
  );
}

/** The tiers of one symbol in a file `symbol,tier,notional_floor,…`. Throws `BadRecording` where there are none. */
export function parseTiers(name: string, text: string, symbol: string): readonly TierRow[] {
  const columns = ["symbol", "notional_floor", "maint_margin_rate", "max_leverage"];
  const rows = table(name, text, columns).filter(([of]) => of === symbol);
  if (rows.length === 0) throw new BadRecording(`${name}: no tiers of ${symbol}`);
  return rows.map(([, floor, rate, leverage]) => ({
    floor: decimalCell(name, floor),
    maintenanceRate: decimalCell(name, rate),
    maxLeverage: decimalCell(name, leverage),
  }));
}

/** Rows `ts,rate`, ascending. */
export function parseFunding(name: string, text: string): readonly { readonly t: number; readonly rate: string }[] {
  return table(name, text, ["ts", "rate"]).map(([ts, rate]) => ({
    t: Number(decimalCell(name, ts)),
    rate: decimalCell(name, rate),
  }));
}
