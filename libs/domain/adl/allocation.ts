import { Rational } from "#libs/decimal/index.ts";
import type { AdlPolicy } from "#libs/domain/rule-set/types.ts";
import { compareIds, type PoolMode } from "./score.ts";

/** A ranked position with what this price allows. */
export interface Counterparty {
  readonly account: string;
  readonly mode: PoolMode;
  /** Signed contracts it holds now. */
  readonly qty: Rational;
  /** Whether it would realise a profit at this price. */
  readonly profitAtPrice: boolean;
  /** Contracts that may be taken at this price; more than |qty| counts as |qty|. */
  readonly capacity: Rational;
  /** Contracts of |qty| that offset the same owner's exposure; only the hedge-aware policies look at it. */
  readonly hedged?: Rational;
  /** Contracts that may be taken without the pool's ratio falling; absent: all. Only the hedge-aware policies look at it. */
  readonly capacityKeepingRatio?: Rational;
}

export interface AllocationRequest {
  readonly policy: AdlPolicy;
  /** R: contracts to be closed, positive. */
  readonly need: Rational;
  readonly lot: Rational;
  /** In the order of the frame's ranking: its scores serve every saga of the frame, its sizes are those left now. */
  readonly ranking: readonly Counterparty[];
}

export interface Allocated {
  readonly account: string;
  readonly mode: PoolMode;
  /** Contracts taken from it, positive, whole lots. */
  readonly qty: Rational;
}

export interface Allocation {
  /** In the order of the ranking; those that give nothing are left out. */
  readonly allocation: readonly Allocated[];
  /** Contracts of the need that nobody can take. */
  readonly unfilled: Rational;
}

/** One candidate in one pass over the queue, in lots. */
interface Offer {
  /** Its place in the ranking. */
  readonly at: number;
  /** What it gives in proportion to. */
  readonly size: bigint;
  /** The most it gives in this pass. */
  readonly most: bigint;
}

interface Share {
  readonly offer: Offer;
  readonly lots: bigint;
  /** Numerator of the fraction of a lot that the share in lots leaves out; the denominator is the same for all of a pass. */
  readonly remainder: bigint;
}

/** ADL-08: one after the other, each as much as it can, until nothing is needed. */
function queue(offers: readonly Offer[], need: bigint): Map<number, bigint> {
  const taken = new Map<number, bigint>();
  let rest = need;
  for (const { at, most } of offers) {
    if (rest === 0n) break;
    const lots = most < rest ? most : rest;
    if (lots > 0n) taken.set(at, lots);
    rest -= lots;
  }
  return taken;
}

/**
 * ADL-10: τ as `needLeft / sizeLeft` once every candidate whose capacity is below its part is set to its capacity: those are the
 * ones with the smallest capacity per size, so one pass in that order finds them. Needs Σ most ≥ need > 0.
 */
function waterLevel(offers: readonly Offer[], need: bigint): { bound: Set<Offer>; need: bigint; size: bigint } {
  const tightest = [...offers].sort((left, right) => {
    const difference = left.most * right.size - right.most * left.size;
    return difference < 0n ? -1 : difference > 0n ? 1 : left.at - right.at;
  });
  let needLeft = need;
  let sizeLeft = offers.reduce((sum, offer) => sum + offer.size, 0n);
  const bound = new Set<Offer>();
  for (const offer of tightest) {
    if (offer.most * sizeLeft > needLeft * offer.size) break;
    bound.add(offer);
    needLeft -= offer.most;
    sizeLeft -= offer.size;
  }
  return { bound, need: needLeft, size: sizeLeft };
}

/** ADL-09: each gives τ·size, in whole lots by largest remainder, ties by id; `before(a, b)` is the order of the ids. */
function proRata(
  offers: readonly Offer[],
  need: bigint,
  before: (left: Offer, right: Offer) => number,
): Map<number, bigint> {
  const giving = offers.filter((offer) => offer.most > 0n);
  const most = giving.reduce((sum, offer) => sum + offer.most, 0n);
  if (most <= need) return new Map(giving.map((offer) => [offer.at, offer.most]));
  if (need === 0n) return new Map();
  const level = waterLevel(giving, need);
  const shares = giving.map((offer): Share => {
    if (level.bound.has(offer)) return { offer, lots: offer.most, remainder: 0n };
    const part = level.need * offer.size;
    return { offer, lots: part / level.size, remainder: part % level.size };
  });
  let rest = need - shares.reduce((sum, share) => sum + share.lots, 0n);
  const taken = new Map(shares.map((share) => [share.offer.at, share.lots]));
  const byRemainder = [...shares].sort((left, right) => {
    if (left.remainder !== right.remainder) return left.remainder > right.remainder ? -1 : 1;
    return before(left.offer, right.offer);
  });
  for (const share of byRemainder) {
    if (rest === 0n) break;
    taken.set(share.offer.at, share.lots + 1n);
    rest -= 1n;
  }
  return taken;
}

/** The passes of a policy, first to last; each says which counterparties it asks and for which part of their size. */
function passes({ policy, lot, ranking }: AllocationRequest): readonly { inProfit: boolean; offers: Offer[] }[] {
  const hedgeAware = policy === "hedge-aware" || policy === "hedge-aware-pro-rata";
  const whole = ranking.map((one, at) => {
    const size = one.qty.abs().floorIn(lot);
    const allowed = hedgeAware ? Rational.min(one.capacity, one.capacityKeepingRatio ?? one.capacity) : one.capacity;
    const lots = allowed.floorIn(lot);
    const most = lots < 0n ? 0n : lots < size ? lots : size;
    const unhedged = one.qty
      .abs()
      .minus(one.hedged ?? Rational.zero)
      .floorIn(lot);
    const open = !hedgeAware ? size : unhedged < 0n ? 0n : unhedged < size ? unhedged : size;
    return { at, inProfit: one.profitAtPrice, size, most, open };
  });
  const phase = (inProfit: boolean, last: boolean) => ({
    inProfit,
    offers: whole
      .filter((one) => one.inProfit === inProfit)
      .map(({ at, size, most, open }): Offer => {
        const first = most < open ? most : open;
        return last ? { at, size: size - open, most: most - first } : { at, size: open, most: first };
      }),
  });
  const first = [phase(true, false), phase(false, false)];
  return hedgeAware ? [...first, phase(true, true), phase(false, true)] : first;
}

/**
 * ADL-06, ADL-08 to ADL-15: who gives how much of a need, in whole lots. Those with profit at the price come before the rest,
 * and in hedge-aware policies all unhedged size before any hedged size; pro-rata policies share among those with profit and queue the rest.
 * The sum taken is exactly min(need, Σ capacity): a part of the need smaller than a lot stays unfilled.
 * Pure; throws `RangeError` when the lot is not positive or the need negative.
 */
export function allocate(request: AllocationRequest): Allocation {
  const { policy, need, lot, ranking } = request;
  if (lot.sign <= 0 || need.sign < 0)
    throw new RangeError("an allocation needs a positive lot and a need that is not negative");
  const shared = policy === "pro-rata" || policy === "hedge-aware-pro-rata";
  const byId = (left: Offer, right: Offer): number =>
    compareIds(ranking[left.at] as Counterparty, ranking[right.at] as Counterparty);
  const taken = ranking.map(() => 0n);
  let rest = need.floorIn(lot);
  for (const { inProfit, offers } of passes(request)) {
    const part = shared && inProfit ? proRata(offers, rest, byId) : queue(offers, rest);
    for (const [at, lots] of part) {
      taken[at] = (taken[at] as bigint) + lots;
      rest -= lots;
    }
  }
  const contracts = (lots: bigint): Rational => lot.times(Rational.ofInteger(lots));
  const allocation = ranking.flatMap(({ account, mode }, at): Allocated[] => {
    const lots = taken[at] as bigint;
    return lots === 0n ? [] : [{ account, mode, qty: contracts(lots) }];
  });
  return { allocation, unfilled: need.minus(Rational.sum(allocation.map((one) => one.qty))) };
}
