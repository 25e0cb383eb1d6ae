import type { Bar, RecordedCrash, RecordedInstrument } from "#libs/simulation/recorded-crash.ts";

type Path = (minute: number) => { readonly open: number; readonly close: number };

export interface MadeCrash {
  /** Minutes of the crash itself; as many more come before as warm-up. */
  readonly minutes: number;
  readonly lead: Path;
  readonly other: Path;
  /** Minutes of the crash in which nothing was recorded of the other instrument. */
  readonly silent?: (minute: number) => boolean;
  readonly warmupMinutes?: number;
}

const minuteMs = 60_000;

function instrument(base: string): RecordedInstrument {
  return {
    id: `${base}-PERP`,
    kind: "linear",
    base,
    quote: "USDT",
    settle: "USDT",
    index: base,
    multiplier: "1",
    tick: "0.01",
    lot: "0.001",
    minNotional: "5",
    maxLeverage: "100",
    book: null,
    tierFile: "tiers.csv",
    tierSymbol: base,
  };
}

function barsOf(path: Path, from: number, to: number, silent: (minute: number) => boolean): Bar[] {
  const bars: Bar[] = [];
  for (let minute = from; minute < to; minute += 1) {
    if (silent(minute)) continue;
    const { open, close } = path(minute);
    const [high, low] = [Math.max(open, close) * 1.001, Math.min(open, close) * 0.999];
    const text = (price: number): string => price.toFixed(4);
    bars.push({
      ts: minute * minuteMs,
      open: text(open),
      high: text(high),
      low: text(low),
      close: text(close),
      volume: 1_000,
    });
  }
  return bars;
}

/** A crash of two coins with minute bars, made for a test: minute 0 is the start, negative minutes are the warm-up. */
export function madeCrash({
  minutes,
  lead,
  other,
  silent = () => false,
  warmupMinutes = 90,
}: MadeCrash): RecordedCrash {
  const start = 1_600_000_020_000 - (1_600_000_020_000 % minuteMs);
  const shifted = (bars: readonly Bar[]): Bar[] => bars.map((bar) => ({ ...bar, ts: bar.ts + start }));
  const source = (symbol: string) => ({
    source: "made",
    symbol,
    file: `${symbol}.csv`,
    barMs: minuteMs,
    quote: "USDT",
    volumeUnit: "base" as const,
    weight: "1",
  });
  const tiers = [{ floor: "0", maintenanceRate: "0.005", maxLeverage: "100" }];
  return {
    manifest: {
      name: "made",
      title: "A crash made for a test",
      warmupFrom: start - warmupMinutes * minuteMs,
      from: start,
      to: start + minutes * minuteMs,
      assets: ["BTC", "ETH"].map((id) => ({ id, from: start, until: start + minutes * minuteMs })),
      instruments: [instrument("BTC"), instrument("ETH")],
      sources: [source("BTC"), source("ETH")],
    },
    bars: new Map([
      ["BTC.csv", shifted(barsOf(lead, -warmupMinutes, minutes, () => false))],
      ["ETH.csv", shifted(barsOf(other, -warmupMinutes, minutes, silent))],
    ]),
    tiers: new Map(["BTC-PERP", "ETH-PERP"].map((id) => [id, tiers])),
    funding: new Map(),
  };
}
