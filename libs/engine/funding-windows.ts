import type { Book } from "./book.ts";
import type { CompiledInstrument, CompiledRules } from "./compiled-rules.ts";
import { powerOfTwoBelow } from "./float-bits.ts";

/** Half the width of a window, as a share of a contract's value: some days of ordinary funding. */
const windowShare = 0.001;

/**
 * Per instrument a window around its funding factor in which it is expected to stay for days. A pool that can afford a whole window
 * needs no band of its own for that funding; when the factor leaves its window all those pools are popped together.
 */
export class FundingWindows {
  private readonly book: Book;
  private readonly compiled: CompiledRules;
  /** By instrument: ends of the window, as the factor less one. Equal ends: nobody relies on it. */
  private lows = new Float64Array(0);
  private highs = new Float64Array(0);
  /** By factor: the instrument whose funding it is; −1: another kind of factor. */
  private instruments = new Int32Array(0);

  constructor(book: Book, compiled: CompiledRules) {
    this.book = book;
    this.compiled = compiled;
  }

  get bytes(): number {
    return this.lows.byteLength + this.highs.byteLength + this.instruments.byteLength;
  }

  /** Centres every window anew; nobody may rely on the old ones any more. */
  adopt(): void {
    const { instrumentCount, market } = this.book;
    this.lows = new Float64Array(instrumentCount);
    this.highs = new Float64Array(instrumentCount);
    this.instruments = new Int32Array(market.factorCount).fill(-1);
    for (const [instrument, compiled] of this.compiled.instruments.entries()) {
      if (compiled === undefined) continue;
      this.instruments[compiled.fundingFactor] = instrument;
      this.centre(instrument);
    }
  }

  /** Centres the window of one instrument on its present funding. */
  centre(instrument: number): void {
    const { market } = this.book;
    const compiled = this.compiled.instruments[instrument] as CompiledInstrument;
    const now = (market.factors[compiled.fundingFactor] as number) - 1;
    const mark = market.factors[compiled.markFactor] as number;
    const contract = compiled.inverse ? compiled.multiplier / mark : compiled.multiplier * mark;
    const scale = market.fundingScale(instrument);
    const half = mark > 0 && scale > 0 ? powerOfTwoBelow((windowShare * contract) / scale) : 0;
    this.lows[instrument] = now - half;
    this.highs[instrument] = now + half;
  }

  instrumentOf(factor: number): number {
    return this.instruments[factor] as number;
  }
  lowOf(instrument: number): number {
    return this.lows[instrument] as number;
  }
  highOf(instrument: number): number {
    return this.highs[instrument] as number;
  }
}
