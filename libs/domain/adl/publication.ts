import { Rational } from "#libs/decimal/index.ts";
import type { AdlPolicy } from "#libs/domain/rule-set/types.ts";
import { allocate, type Allocated, type Counterparty } from "./allocation.ts";
import type { Ranked } from "./ranking.ts";
import { adlScore, compareForAdl, exactScoreText, type PoolMode } from "./score.ts";

/** What one deleveraging was decided from, and its outcome. */
export interface Deleveraging {
  readonly instrument: string;
  /** The side that is deleveraged, opposite to the pool being liquidated. */
  readonly side: "long" | "short";
  readonly policy: AdlPolicy;
  readonly mark: Rational;
  /** p_bk. */
  readonly price: Rational;
  /** R. */
  readonly need: Rational;
  readonly lot: Rational;
  /**
   * The frame's ranking, or the SHA-256 of its `rankingText`: where many sagas of a frame use one ranking, it is published once
   * and each of them names it.
   */
  readonly candidates: readonly Ranked[] | string;
  /** Those of the ranking who were asked, with what this price allows them, in its order. */
  readonly counterparties: readonly Counterparty[];
  readonly allocation: readonly Allocated[];
  readonly unfilled: Rational;
}

/** An exact fraction as text: `n`, or `n/d` in lowest terms. */
type Fraction = string;

interface PublishedCandidate {
  readonly account: string;
  readonly mode: PoolMode;
  readonly qty: Fraction;
  readonly notionalUsd: Fraction;
  readonly profit: Fraction;
  readonly cost: Fraction;
  readonly fullEquityUsd: Fraction;
  readonly score: string;
}

interface PublishedCounterparty {
  readonly account: string;
  readonly mode: PoolMode;
  readonly qty: Fraction;
  readonly profitAtPrice: boolean;
  readonly capacity: Fraction;
  readonly hedged: Fraction | null;
  readonly capacityKeepingRatio: Fraction | null;
}

interface PublishedDeleveraging {
  readonly format: "plimsoll-adl-1";
  readonly instrument: string;
  readonly side: "long" | "short";
  readonly policy: AdlPolicy;
  readonly mark: Fraction;
  readonly price: Fraction;
  readonly need: Fraction;
  readonly lot: Fraction;
  readonly candidates: readonly PublishedCandidate[] | string;
  readonly counterparties: readonly PublishedCounterparty[];
  readonly allocation: readonly { readonly account: string; readonly mode: PoolMode; readonly qty: Fraction }[];
  readonly unfilled: Fraction;
}

const publishedCandidates = (ranking: readonly Ranked[]): PublishedCandidate[] =>
  ranking.map((one) => ({
    account: one.account,
    mode: one.mode,
    qty: one.qty.toString(),
    notionalUsd: one.notionalUsd.toString(),
    profit: one.profit.toString(),
    cost: one.cost.toString(),
    fullEquityUsd: one.fullEquityUsd.toString(),
    score: exactScoreText(one.score),
  }));

/** ADL-16: a frame's ranking as one text, where it is published apart from the deleveragings that use it. */
export function rankingText(ranking: readonly Ranked[]): string {
  return JSON.stringify(publishedCandidates(ranking));
}

/**
 * ADL-16: everything that decided a deleveraging as one text that is published and hashed: JSON with its keys in this order and
 * every number an exact fraction, so the same decision is the same text on every machine.
 */
export function adlPublication(of: Deleveraging): string {
  const published: PublishedDeleveraging = {
    format: "plimsoll-adl-1",
    instrument: of.instrument,
    side: of.side,
    policy: of.policy,
    mark: of.mark.toString(),
    price: of.price.toString(),
    need: of.need.toString(),
    lot: of.lot.toString(),
    candidates: typeof of.candidates === "string" ? of.candidates : publishedCandidates(of.candidates),
    counterparties: of.counterparties.map((one) => ({
      account: one.account,
      mode: one.mode,
      qty: one.qty.toString(),
      profitAtPrice: one.profitAtPrice,
      capacity: one.capacity.toString(),
      hedged: one.hedged?.toString() ?? null,
      capacityKeepingRatio: one.capacityKeepingRatio?.toString() ?? null,
    })),
    allocation: of.allocation.map(({ account, mode, qty }) => ({ account, mode, qty: qty.toString() })),
    unfilled: of.unfilled.toString(),
  };
  return JSON.stringify(published);
}

const fractionPattern = /^(-?\d+)(?:\/(\d+))?$/;

/** Reads `n` or `n/d`; throws `RangeError` for anything else. */
export function parseFraction(text: Fraction): Rational {
  const found = fractionPattern.exec(text);
  if (found === null) throw new RangeError(`not an exact fraction: ${text.slice(0, 64)}`);
  return Rational.fraction(BigInt(found[1] as string), BigInt(found[2] ?? "1"));
}

function counterparty(one: PublishedCounterparty): Counterparty {
  return {
    account: one.account,
    mode: one.mode,
    qty: parseFraction(one.qty),
    profitAtPrice: one.profitAtPrice,
    capacity: parseFraction(one.capacity),
    ...(one.hedged === null ? {} : { hedged: parseFraction(one.hedged) }),
    ...(one.capacityKeepingRatio === null ? {} : { capacityKeepingRatio: parseFraction(one.capacityKeepingRatio) }),
  };
}

const nameOf = (one: { readonly account: string; readonly mode: PoolMode }): string => `${one.account} (${one.mode})`;

/** What anyone who ranks the published figures finds different. */
function rankingDisagreements(published: readonly PublishedCandidate[]): string[] {
  const again = published
    .map((one) => {
      const notionalUsd = parseFraction(one.notionalUsd);
      const score = adlScore({
        profit: parseFraction(one.profit),
        cost: parseFraction(one.cost),
        notionalUsd,
        fullEquityUsd: parseFraction(one.fullEquityUsd),
      });
      return { account: one.account, mode: one.mode, notionalUsd, score };
    })
    .sort(compareForAdl);
  return published.flatMap((one, at): string[] => {
    const other = again[at] as (typeof again)[number];
    if (nameOf(other) !== nameOf(one)) return [`rank ${at + 1} belongs to ${nameOf(other)}`];
    const score = exactScoreText(other.score);
    return score === one.score ? [] : [`the score of ${nameOf(one)} is ${score}`];
  });
}

/** Whether those asked are candidates, in the order of the ranking. */
function asked(counterparties: readonly PublishedCounterparty[], candidates: readonly PublishedCandidate[]): string[] {
  const places = new Map(candidates.map((one, at) => [nameOf(one), at]));
  let last = -1;
  for (const one of counterparties) {
    const place = places.get(nameOf(one)) ?? -1;
    if (place <= last) return [`${nameOf(one)} was asked out of turn`];
    last = place;
  }
  return [];
}

/**
 * ADL-16: recomputes scores, ranking and allocation from the published texts alone and returns what does not agree; nothing when
 * all does. `ranking` is the text of the ranking where the publication only names it (whose hash the reader compares).
 */
export function disagreements(publication: string, ranking?: string): string[] {
  const published = JSON.parse(publication) as PublishedDeleveraging;
  const { candidates } = published;
  const ranked =
    typeof candidates !== "string" ? candidates : (JSON.parse(ranking ?? "[]") as readonly PublishedCandidate[]);
  const found = [...rankingDisagreements(ranked), ...asked(published.counterparties, ranked)];
  const again = allocate({
    policy: published.policy,
    need: parseFraction(published.need),
    lot: parseFraction(published.lot),
    ranking: published.counterparties.map(counterparty),
  });
  const text = (of: readonly { account: string; mode: PoolMode; qty: Rational | Fraction }[]): string =>
    of.map((one) => `${nameOf(one)} ${one.qty.toString()}`).join(", ");
  if (text(published.allocation) !== text(again.allocation)) found.push(`the allocation is ${text(again.allocation)}`);
  if (published.unfilled !== again.unfilled.toString()) found.push(`unfilled is ${again.unfilled.toString()}`);
  return found;
}
