import { Rational } from "#libs/decimal/index.ts";
import type { FrameEntry, PriceInput, Quality } from "#libs/contracts/log.ts";
import { type HaircutState, nextHaircut } from "#libs/domain/collateral/haircut.ts";
import {
  emptyVolatility,
  realisedVariance,
  recordPrice,
  advanceTo,
  type VolatilityWindows,
} from "#libs/domain/collateral/volatility.ts";
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
import type { RuleSet } from "#libs/domain/rule-set/types.ts";

type Frame = Omit<FrameEntry, "k">;
type Haircuts = NonNullable<FrameEntry["haircut"]>;

/**
 * What the mark-price process does, as a value that is driven by entries: quotes in, frames out, with volatility windows and the
 * haircuts that follow from them.
 */
export class Pricing {
  #stage: MarkStage = emptyStage;
  readonly #volatility = new Map<string, VolatilityWindows>();
  readonly #haircuts = new Map<string, HaircutState>();
  /** Index prices as last framed, by asset: what volatility is measured on. */
  readonly #indices = new Map<string, Rational>();

  /** Qualities that somebody has set by hand: they stand until they are set again, whatever prices come. */
  readonly #set = new Set<string>();

  /** A quality set by hand; `good` ends it. */
  setQuality(id: string, quality: Quality): Frame {
    if (quality === "good") this.#set.delete(id);
    else this.#set.add(id);
    return { quality: { [id]: quality } };
  }

  quote(said: { asset: string; source: string; price: string; t: number }): void {
    this.#stage = quote(this.#stage, { ...said, price: Rational.parse(said.price) });
  }

  bookPrice(said: { instrument: string; price: string; t: number }): void {
    this.#stage = bookPrice(this.#stage, { ...said, price: Rational.parse(said.price) });
  }

  /** A frame of prices that are given outright: good by themselves. */
  given(
    prices: { index?: Readonly<Record<string, string>>; mark?: Readonly<Record<string, string>> },
    rules: RuleSet,
    t: number,
  ): Frame {
    const quality: Record<string, Quality> = {};
    for (const [asset, price] of Object.entries(prices.index ?? {})) {
      this.#stage = setIndex(this.#stage, asset, Rational.parse(price));
      this.#indices.set(asset, Rational.parse(price));
      if (!this.#set.has(asset)) quality[asset] = "good";
    }
    for (const [instrument, price] of Object.entries(prices.mark ?? {})) {
      this.#stage = setMark(this.#stage, instrument, Rational.parse(price));
      if (!this.#set.has(instrument)) quality[instrument] = "good";
    }
    const haircut = this.#haircutsAt(new Set(Object.keys(prices.index ?? {})), rules, t);
    return { ...prices, quality, ...(haircut === null ? {} : { haircut }) };
  }

  /** The frame of the mark-price stage at `t`; null when nothing changed. */
  frame(rules: RuleSet, t: number): Frame | null {
    const { frame, state } = stageFrame(this.#stage, rules, t);
    this.#stage = state;
    const sampled = new Set<string>();
    for (const [asset, price] of frame.index) this.#indices.set(asset, Rational.parse(price));
    for (const [asset, published] of state.indices) {
      // An unchanged good price is a price all the same: its minute is not missing.
      if (published.price !== null && published.quality === "good" && state.quotes.has(asset)) sampled.add(asset);
    }
    const haircut = this.#haircutsAt(sampled, rules, t);
    const made = frameOf(frame, haircut, this.#set);
    return Object.keys(made).length === 0 ? null : made;
  }

  /** HAIR-01 … HAIR-10: samples the given assets' indices, lets all haircuts move, and returns those that did. */
  #haircutsAt(sampled: ReadonlySet<string>, rules: RuleSet, t: number): Haircuts | null {
    const moved: Record<string, { initial: string; maintenance: string }> = {};
    for (const asset of rules.assets.values()) {
      if (asset.haircut === null) continue;
      const price = this.#indices.get(asset.id);
      if (price === undefined) continue;
      const windows = this.#volatility.get(asset.id) ?? emptyVolatility();
      this.#volatility.set(asset.id, windows);
      if (sampled.has(asset.id)) recordPrice(windows, price, t);
      else advanceTo(windows, t);
      const before = this.#haircuts.get(asset.id) ?? null;
      const { day, week } = asset.haircut.k.isZero()
        ? { day: Rational.zero, week: Rational.zero }
        : realisedVariance(windows);
      const after = nextHaircut(before, asset.haircut, Rational.max(day, week), t);
      this.#haircuts.set(asset.id, after);
      if (before?.initial.equals(after.initial) && before.maintenance.equals(after.maintenance)) continue;
      moved[asset.id] = { initial: after.initial.toStringUp(), maintenance: after.maintenance.toStringUp() };
    }
    return Object.keys(moved).length === 0 ? null : moved;
  }
}

function frameOf(frame: MarkFrame, haircut: Haircuts | null, set: ReadonlySet<string>): Frame {
  const told = [...frame.indexQuality, ...frame.markQuality].filter(([id]) => !set.has(id));
  const quality = Object.fromEntries(told);
  const inputs: Record<string, PriceInput> = {};
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
