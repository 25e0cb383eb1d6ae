import { Rational } from "#libs/decimal/index.ts";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import type { Side } from "#libs/contracts/log.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import type { Grid } from "../matching/grid.ts";
import type { VenueBus } from "./bus.ts";

/** A mark older than this is no ground for a market order. */
export const markAgeMaxMs = 5_000;
/** Of instruments whose rules have no band. */
const defaultBand = Rational.parse("0.05");

/**
 * The marks of the frames that mark-price publishes. A market order trades no worse than the edge of the instrument's price band
 * around its mark: the price at which risk judges it.
 */
export class Marks {
  readonly #marks = new Map<string, { readonly mark: Rational; readonly at: number }>();

  listen(bus: VenueBus, shard: string): { stop(): void } {
    return bus.subscribe(bus.names.subjects.entry(shard, "frame"), ({ data, subject }) => {
      const read = readLiveEntry(data, subject);
      if (!read.ok || read.entry.k !== "frame") return;
      for (const [instrument, mark] of Object.entries(read.entry.mark ?? {})) this.set(instrument, mark);
    });
  }

  set(instrument: string, mark: string): void {
    this.#marks.set(instrument, { mark: Rational.parse(mark), at: monotonicMs() });
  }

  /** The worst price of a market order, in ticks inside the band; null: no fresh mark is known. */
  edge(grid: Grid, side: Side): number | null {
    const known = this.#marks.get(grid.id);
    if (known === undefined || monotonicMs() - known.at > markAgeMaxMs) return null;
    const width = known.mark.times(grid.rules.priceBand ?? defaultBand);
    const ticks =
      side === "buy" ? known.mark.plus(width).floorIn(grid.tick) : known.mark.minus(width).ceilIn(grid.tick);
    return ticks < 1n || ticks > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(ticks);
  }
}
