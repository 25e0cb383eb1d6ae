import { Rational } from "#libs/decimal/index.ts";
import {
  bookPrice,
  emptyStage,
  frame as stageFrame,
  type MarkFrame,
  type MarkStage,
  quote,
  setIndex,
  setMark,
} from "#libs/domain/mark-price/stage.ts";
import { indexPrice } from "#libs/domain/mark-price/index-price.ts";
import type { PriceQuality } from "#libs/domain/mark-price/quality.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { type HaircutState, nextHaircut } from "./haircut.ts";
import { loadPrices, mergeRecent, type PriceFramesRecord, savePrices } from "./price-frames-record.ts";
import { absorbed, everything, pruned, unquoted } from "./price-frames-stage.ts";
import { advanceTo, emptyVolatility, realisedVariance, recordPrice, type VolatilityWindows } from "./volatility.ts";

/** What one index was made of; prices and weights are decimal strings. */
export interface PriceFrameInput {
  readonly price: string | null;
  readonly used: readonly {
    readonly source: string;
    readonly price: string;
    readonly ageMs: number;
    readonly weight: string;
  }[];
  readonly dropped: readonly { readonly source: string; readonly reason: string }[];
}

export type Haircuts = Readonly<Record<string, { readonly initial: string; readonly maintenance: string }>>;

/** The body of a frame entry: whatever is left out stays as it was. Ids are of assets or instruments. */
export interface PriceFrame {
  readonly index?: Readonly<Record<string, string>>;
  readonly mark?: Readonly<Record<string, string>>;
  readonly quality?: Readonly<Record<string, PriceQuality>>;
  readonly haircut?: Haircuts;
  readonly inputs?: Readonly<Record<string, PriceFrameInput>>;
  /** Contracts that stand near the middle of books (LIM-14): handed on, no part of any price. */
  readonly depth?: Readonly<Record<string, string>>;
}

/** All that `PriceFrames` remembers. It is changed in place: the windows are too large to copy at each price. */
export interface PriceState {
  stage: MarkStage;
  readonly volatility: Map<string, VolatilityWindows>;
  readonly haircuts: Map<string, HaircutState>;
  /** Index prices as last framed, by asset: what volatility is measured on. */
  readonly indices: Map<string, Rational>;
  /** Qualities that somebody has set by hand: they stand until they are set again, whatever prices come. */
  readonly set: Set<string>;
}

/**
 * What the mark-price process does, as a value that is driven by entries: quotes in, frames out, with volatility windows and the
 * haircuts that follow from them. It has no clock: `t` is UTC ms and never falls from one call to the next.
 */
export class PriceFrames {
  readonly #state: PriceState = {
    stage: emptyStage,
    volatility: new Map(),
    haircuts: new Map(),
    indices: new Map(),
    set: new Set(),
  };

  get stage(): MarkStage {
    return this.#state.stage;
  }

  /** By asset; empty for one without haircut rules. */
  get haircuts(): ReadonlyMap<string, HaircutState> {
    return this.#state.haircuts;
  }

  /** A quality set by hand; `good` ends it. */
  setQuality(id: string, quality: PriceQuality): PriceFrame {
    if (quality === "good") this.#state.set.delete(id);
    else this.#state.set.add(id);
    return { quality: { [id]: quality } };
  }

  quote(said: { asset: string; source: string; price: string; t: number }): void {
    this.#state.stage = quote(this.#state.stage, { ...said, price: Rational.parse(said.price) });
  }

  bookPrice(said: { instrument: string; price: string; t: number }): void {
    this.#state.stage = bookPrice(this.#state.stage, { ...said, price: Rational.parse(said.price) });
  }

  /** A frame of prices that are given outright: good by themselves. */
  given(prices: Pick<PriceFrame, "index" | "mark">, rules: RuleSet, t: number): PriceFrame {
    const state = this.#state;
    const quality: Record<string, PriceQuality> = {};
    for (const [asset, price] of Object.entries(prices.index ?? {})) {
      state.stage = setIndex(state.stage, asset, Rational.parse(price));
      state.indices.set(asset, Rational.parse(price));
      if (!state.set.has(asset)) quality[asset] = "good";
    }
    for (const [instrument, price] of Object.entries(prices.mark ?? {})) {
      state.stage = setMark(state.stage, instrument, Rational.parse(price));
      if (!state.set.has(instrument)) quality[instrument] = "good";
    }
    const haircut = this.#haircutsAt(new Set(Object.keys(prices.index ?? {})), rules, t);
    return { ...prices, quality, ...(haircut === null ? {} : { haircut }) };
  }

  /** The frame of the mark-price stage at `t`; null when nothing changed. */
  frame(rules: RuleSet, t: number): PriceFrame | null {
    const { frame, state } = stageFrame(this.#state.stage, rules, t);
    this.#state.stage = state;
    const sampled = new Set<string>();
    for (const [asset, price] of frame.index) this.#state.indices.set(asset, Rational.parse(price));
    for (const [asset, published] of state.indices) {
      // An unchanged good price is a price all the same: its minute is not missing.
      if (published.price !== null && published.quality === "good" && state.quotes.has(asset)) sampled.add(asset);
    }
    const haircut = this.#haircutsAt(sampled, rules, t);
    const made = frameOf(frame, haircut, this.#state.set);
    return Object.keys(made).length === 0 ? null : made;
  }

  /** What the index of an asset would be at `t` if its quotes were framed now; null: nobody vouches for any. */
  previewIndex(asset: string, rules: RuleSet, t: number): Rational | null {
    const quotes = this.#state.stage.quotes.get(asset);
    if (quotes === undefined) return null;
    const last = this.#state.stage.indices.get(asset)?.price ?? null;
    return indexPrice({ asset, quotes, last, t }, rules.marks).price;
  }

  /** All that was published and still stands, as one frame: for a log that may have missed some of it. */
  everything(): PriceFrame {
    return everything(this.#state);
  }

  /**
   * Takes over what a log says was published after this state was saved, so that the next step starts from what the engine holds.
   * Quotes are not in it: they keep the times at which their sources spoke.
   */
  absorb(frame: PriceFrame, t: number): void {
    absorbed(this.#state, frame, t);
  }

  /** Forgets what the rules no longer name, so that the state is as large as they are. */
  prune(rules: RuleSet): void {
    pruned(this.#state, rules);
  }

  /** The qualities of what has sources and no quote of any, as after a start without a saved state. */
  unquoted(rules: RuleSet): PriceFrame {
    return unquoted(this.#state, rules);
  }

  /** Asset → the running minute (UTC ms / 60,000) of its windows. */
  windowMinutes(): Map<string, number> {
    return new Map([...this.#state.volatility].map(([asset, { minute }]) => [asset, minute ?? 0]));
  }

  /**
   * As JSON. Of an asset's windows only the returns from `since` (asset → minute, UTC ms / 60,000) on: the rest is in an earlier
   * record; an asset that is not in it is saved whole, as are all where `since` is absent.
   */
  save(since?: ReadonlyMap<string, number>): PriceFramesRecord {
    return savePrices(this.#state, since);
  }

  /** Takes the place of all there was. Throws `NotAnAmount` for a price that is none. */
  restore(record: PriceFramesRecord): void {
    loadPrices(this.#state, record);
  }

  /** Continues a restored state with a later record that has the returns since then. */
  restoreRecent(record: PriceFramesRecord): void {
    mergeRecent(this.#state, record);
  }

  /** HAIR-01 … HAIR-10: samples the given assets' indices, lets all haircuts move, and returns those that did. */
  #haircutsAt(sampled: ReadonlySet<string>, rules: RuleSet, t: number): Haircuts | null {
    const { indices, volatility, haircuts } = this.#state;
    const moved: Record<string, { initial: string; maintenance: string }> = {};
    for (const asset of rules.assets.values()) {
      if (asset.haircut === null) continue;
      const price = indices.get(asset.id);
      if (price === undefined) continue;
      const windows = volatility.get(asset.id) ?? emptyVolatility();
      volatility.set(asset.id, windows);
      if (sampled.has(asset.id)) recordPrice(windows, price, t);
      else advanceTo(windows, t);
      const before = haircuts.get(asset.id) ?? null;
      const { day, week } = asset.haircut.k.isZero()
        ? { day: Rational.zero, week: Rational.zero }
        : realisedVariance(windows);
      const after = nextHaircut(before, asset.haircut, Rational.max(day, week), t);
      haircuts.set(asset.id, after);
      if (before?.initial.equals(after.initial) && before.maintenance.equals(after.maintenance)) continue;
      moved[asset.id] = { initial: after.initial.toStringUp(), maintenance: after.maintenance.toStringUp() };
    }
    return Object.keys(moved).length === 0 ? null : moved;
  }
}

function frameOf(frame: MarkFrame, haircut: Haircuts | null, set: ReadonlySet<string>): PriceFrame {
  const told = [...frame.indexQuality, ...frame.markQuality].filter(([id]) => !set.has(id));
  const quality = Object.fromEntries(told);
  const inputs: Record<string, PriceFrameInput> = {};
  for (const one of frame.inputs)
    inputs[one.asset] = { price: frame.index.get(one.asset) ?? null, used: one.used, dropped: one.dropped };
  return {
    ...(frame.index.size > 0 ? { index: Object.fromEntries(frame.index) } : {}),
    ...(frame.mark.size > 0 ? { mark: Object.fromEntries(frame.mark) } : {}),
    ...(Object.keys(quality).length > 0 ? { quality } : {}),
    ...(haircut === null ? {} : { haircut }),
    ...(frame.inputs.length > 0 && frame.index.size + frame.mark.size + Object.keys(quality).length > 0
      ? { inputs }
      : {}),
  };
}
