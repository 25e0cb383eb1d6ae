import { Rational } from "#libs/decimal/index.ts";
import type { MarkRules } from "#libs/domain/rule-set/types.ts";
import { weightedMedian } from "./median.ts";
import type { PriceQuality } from "./quality.ts";

/** What a source said last: USD per unit of the asset, and when (UTC ms). */
export interface SourceQuote {
  readonly price: Rational;
  readonly t: number;
}

export interface UsedQuote {
  readonly source: string;
  readonly price: Rational;
  readonly ageMs: number;
  readonly weight: Rational;
}

/** Why a configured source had no say, in the order in which the reasons are looked at. */
export type DropReason = "no_quote" | "stale" | "non_positive" | "outlier";

export interface DroppedQuote {
  readonly source: string;
  readonly reason: DropReason;
}

export interface IndexPrice {
  /** At most 18 decimals, rounded down; null: there is no price that anyone vouches for and no earlier one. */
  readonly price: Rational | null;
  readonly quality: PriceQuality;
  /** In order of source id, like `dropped`. */
  readonly used: readonly UsedQuote[];
  readonly dropped: readonly DroppedQuote[];
}

export interface IndexQuestion {
  readonly asset: string;
  /** The last quote of each source; sources that the rules do not name are not looked at. */
  readonly quotes: ReadonlyMap<string, SourceQuote>;
  /** The last index; kept while no fresh source vouches for another. */
  readonly last: Rational | null;
  /** UTC ms. */
  readonly t: number;
}

/** MARK-20: prices leave the stage with at most 18 decimals. */
export const priceStep = Rational.ofUnits(1n, 18);

const noSources: ReadonlyMap<string, Rational> = new Map();

interface Sifted {
  readonly fresh: readonly UsedQuote[];
  readonly dropped: readonly DroppedQuote[];
  /** Sources that spoke in time, whatever they said. */
  readonly inTime: number;
}

/** MARK-03, MARK-04: sorts out sources that are silent, too old (`age > staleMs`) or not positive, in order of source id. */
function sift(question: IndexQuestion, rules: MarkRules): Sifted {
  const fresh: UsedQuote[] = [];
  const dropped: DroppedQuote[] = [];
  let inTime = 0;
  const weights = rules.sources.get(question.asset) ?? noSources;
  for (const source of [...weights.keys()].sort()) {
    const weight = weights.get(source) ?? Rational.zero;
    const quote = question.quotes.get(source);
    if (quote === undefined) {
      dropped.push({ source, reason: "no_quote" });
      continue;
    }
    const ageMs = Math.max(0, question.t - quote.t);
    if (rules.staleMs !== null && ageMs > rules.staleMs) {
      dropped.push({ source, reason: "stale" });
      continue;
    }
    inTime += 1;
    if (quote.price.sign <= 0) dropped.push({ source, reason: "non_positive" });
    else fresh.push({ source, price: quote.price, ageMs, weight });
  }
  return { fresh, dropped, inTime };
}

/** Whether `price` is further than the share `outlier` of `reference` away from it; exactly that far is not. */
export function isOutlier(price: Rational, reference: Rational, outlier: Rational | null): boolean {
  return outlier !== null && price.minus(reference).abs().above(outlier.times(reference));
}

/**
 * MARK-03 to MARK-10: the index of an asset from the last quotes of its sources: fresh and positive ones, without those
 * too far from their median, counted once more without them. Pure; `t` is the only clock.
 */
export function indexPrice(question: IndexQuestion, rules: MarkRules): IndexPrice {
  const { fresh, dropped: silent, inTime } = sift(question, rules);
  const first = weightedMedian(fresh);
  if (first === null) {
    // A source that speaks in time but not of a positive price is worse than silence: it may be right about a default.
    const quality: PriceQuality = inTime > 0 || question.last === null ? "invalid" : "stale";
    return { price: question.last, quality, used: [], dropped: silent };
  }
  const used = fresh.filter((one) => !isOutlier(one.price, first, rules.outlier));
  const outliers = fresh.filter((one) => isOutlier(one.price, first, rules.outlier));
  const dropped = [...silent, ...outliers.map(({ source }) => ({ source, reason: "outlier" as const }))];
  dropped.sort((left, right) => (left.source < right.source ? -1 : 1));

  const median = weightedMedian(used);
  // The middle between two camps is nobody's price, so the last one stands until somebody gives way.
  if (median === null) return { price: question.last, quality: "disputed", used, dropped };

  const freshWeight = Rational.sum(fresh.map((one) => one.weight));
  const usedWeight = Rational.sum(used.map((one) => one.weight));
  const split = usedWeight.plus(usedWeight).atMost(freshWeight);
  const redemption = rules.redemption.get(question.asset) ?? null;
  const quorum = Math.max(rules.quorum, redemption?.sources ?? 0);
  const agreed = redemption !== null && used.length >= redemption.sources;
  const price = agreed ? Rational.min(median, redemption.value) : median;
  return {
    price: price.floorTo(priceStep),
    quality: split || used.length < quorum ? "disputed" : "good",
    used,
    dropped,
  };
}
