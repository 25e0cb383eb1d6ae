import { Rational } from "#libs/decimal/index.ts";
import { type Allocation, allocate, type Counterparty } from "#libs/domain/adl/allocation.ts";
import { capacity, lotsKeepingRatio, profitsAt } from "#libs/domain/adl/capacity.ts";
import { adlPublication, rankingText } from "#libs/domain/adl/publication.ts";
import type { Ranked } from "#libs/domain/adl/ranking.ts";
import { scoreText } from "#libs/domain/adl/score.ts";
import { compareRatios } from "#libs/domain/liquidation/order-of-pools.ts";
import { notional, unrealisedProfit } from "#libs/domain/positions/value.ts";
import type { AdlPolicy } from "#libs/domain/rule-set/types.ts";
import { amountOf, contractsOf } from "../amounts.ts";
import { type BookCandidate, candidateNow, placeOf, rankingKey, rankingOf } from "../adl-ranking.ts";
import { sha256 } from "../digest.ts";
import { fillSide, releaseIfFlat } from "../fills.ts";
import { accruedFunding, bookAccruedFunding } from "../funding.ts";
import { gateOf } from "../gates.ts";
import { hedgedContracts } from "../hedges.ts";
import type { Machine } from "../machine.ts";
import { noteMoved } from "../moved-elsewhere.ts";
import { markOf } from "../pools.ts";
import { cancelOrders, cancelUncoveredReduceOnly } from "../resting-orders.ts";
import { adlReceipt } from "../receipts.ts";
import { poolAfterClose, poolHealth, positionsOf, referencePrice } from "./judgement.ts";
import { emitResume, heldBy, type StageResult } from "./orders.ts";
import { coverDeficit } from "./bad-debt.ts";
import { noteRounding } from "./settlement.ts";
import type { Deleveraging, Saga, Taking } from "./saga.ts";
import { badDebtAccount } from "../system-accounts.ts";

/** What a ranked position can give at this price, as it stands now: scores are the frame's, sizes and equity are of this moment. */
function counterpartyOf(
  machine: Machine,
  ranked: Ranked<BookCandidate>,
  price: Rational,
  policy: AdlPolicy,
): Counterparty | null {
  const { book } = machine;
  if (book.rowAccount(ranked.row) < 0 || machine.accountName(book.rowAccount(ranked.row)) !== ranked.account)
    return null;
  if (book.qty(ranked.row) === 0n || machine.liquidating(ranked.pool)) return null;
  const now = machine.changesInFrame(ranked.pool) === 0 ? ranked : candidateNow(machine, ranked.row, ranked.pool);
  if (now.qty.sign !== ranked.qty.sign || now.fullEquityUsd.sign <= 0) return null;
  const instrument = machine.instrument(book.rowInstrument(ranked.row));
  const mark = machine.market.mark(instrument.id);
  const settle = machine.market.asset(instrument.settle);
  const terms = { instrument, qty: now.qty, mark, price };
  const base: Counterparty = {
    account: ranked.account,
    mode: ranked.mode,
    qty: now.qty,
    profitAtPrice: profitsAt(terms, now.cost),
    capacity: Rational.min(
      capacity(terms, {
        settleUsd: machine.market.index(instrument.settle),
        quantum: settle.quantum,
        // Booking accrued funding with the fill may cost up to a quantum more.
        fullEquityUsd: accruedFunding(machine, ranked.row).isZero()
          ? now.fullEquityUsd
          : now.fullEquityUsd.minus(settle.quantum.times(machine.market.index(instrument.settle))),
      }),
      marginCapacity(machine, now, price),
    ),
  };
  if (policy !== "hedge-aware" && policy !== "hedge-aware-pro-rata") return base;
  return {
    ...base,
    hedged: hedgedContracts(machine, now),
    capacityKeepingRatio: contractsOf(instrument, keepingRatio(machine, now, base.capacity, price)),
  };
}

/** ADL-07: an isolated position gives no more than its margin can realise at this price: what is unrealised pays for nothing. */
function marginCapacity(machine: Machine, candidate: BookCandidate, price: Rational): Rational {
  const size = candidate.qty.abs();
  if (candidate.mode === "cross") return size;
  const { book } = machine;
  const number = book.rowInstrument(candidate.row);
  const instrument = machine.instrument(number);
  const settle = book.assetRules(book.settleIndex(number));
  const loss = unrealisedProfit(instrument, candidate.qty, candidate.cost, price).negated();
  if (loss.sign <= 0) return size;
  // One quantum each for the rounding of the value and of the cost that leaves.
  const spare = amountOf(settle, book.margin(candidate.row)).minus(settle.quantum.times(Rational.ofInteger(2)));
  if (spare.sign <= 0) return Rational.zero;
  return Rational.min(size, spare.times(size).dividedBy(loss).floorTo(instrument.lot));
}

/** ADL-14: the most lots whose closing at `price` does not lower the pool's ratio. */
function keepingRatio(machine: Machine, candidate: BookCandidate, most: Rational, price: Rational): bigint {
  const pool = machine.book.poolView(candidate.pool);
  const instrument = machine.instrument(machine.book.rowInstrument(candidate.row));
  const position = positionsOf(pool).find((one) => one.instrument.id === instrument.id);
  if (position === undefined) return 0n;
  const before = poolHealth(machine, pool);
  const perContract = unrealisedProfit(instrument, position.qty, position.cost, price).dividedBy(position.qty.abs());
  const ratio = (health: { maintenanceEquity: Rational; mm: Rational }) => ({
    equity: health.maintenanceEquity,
    mm: health.mm,
  });
  return lotsKeepingRatio(most.floorIn(instrument.lot), (lots) => {
    const contracts = contractsOf(instrument, lots);
    const after = poolAfterClose(pool, position, contracts, perContract.times(contracts), Rational.zero);
    return compareRatios(ratio(poolHealth(machine, after)), ratio(before)) >= 0;
  });
}

export interface AllocationTerms {
  readonly instrument: number;
  /** Side of the positions that would be taken from. */
  readonly side: "long" | "short";
  readonly need: Rational;
  readonly price: Rational;
  readonly policy: AdlPolicy;
  readonly ranking: readonly Ranked<BookCandidate>[];
}

/** Those of a ranking who were asked, in its order, with what the price allows them. */
export interface Asked {
  readonly ranked: readonly Ranked<BookCandidate>[];
  readonly counterparties: readonly Counterparty[];
}

/** Who gives how much: the published decision of RULES §8. */
export function allocation(
  machine: Machine,
  terms: AllocationTerms,
): { readonly result: Allocation; readonly asked: Asked } {
  const asked: { ranked: Ranked<BookCandidate>[]; counterparties: Counterparty[] } = { ranked: [], counterparties: [] };
  const rules = machine.instrument(terms.instrument);
  const inOrder = terms.policy === "queue";
  let reachable = Rational.zero;
  for (const ranked of terms.ranking) {
    const one = counterpartyOf(machine, ranked, terms.price, terms.policy);
    if (one === null) continue;
    asked.ranked.push(ranked);
    asked.counterparties.push(one);
    // A queue asks nobody behind the one who fills the need, as long as all before had profit at the price.
    if (!inOrder || !one.profitAtPrice) continue;
    reachable = reachable.plus(one.capacity);
    if (reachable.atLeast(terms.need)) break;
  }
  const request = { policy: terms.policy, need: terms.need, lot: rules.lot, ranking: asked.counterparties };
  return { result: allocate(request), asked };
}

/** Stage 6: what is open is closed against opposite positions at p_bk, in chunks of as many accounts as one entry may write. */
export function deleverage(machine: Machine, saga: Saga): StageResult {
  const { book } = machine;
  if (takeChunk(machine, saga) === "waiting") return "waiting";
  for (;;) {
    const instrument = saga.queue[0];
    if (instrument === undefined) return "judge";
    const held = heldBy(machine, saga, instrument);
    const rules = machine.instrument(instrument);
    const permission = gateOf(machine, saga.account, rules.id).permission("adl");
    if (permission !== "yes") return "waiting";
    if (held.isZero()) {
      saga.queue.shift();
      continue;
    }
    const side = held.sign > 0 ? "short" : "long";
    // Whatever may be missing in the end, by roundings alone, comes from here.
    saga.uncovered.set(instrument, saga.uncovered.get(instrument) ?? Rational.zero);
    // Where no price bankrupts the position, or none brings enough, there is no p_bk to settle at: mark leaves everybody as they are.
    const reference =
      rules.kind === "inverse" ? saga.bankruptcy.get(instrument) : referencePrice(machine, saga, instrument, held);
    const price = reference ?? markOf(machine, instrument);
    const ranking = rankingOf(machine, instrument, side);
    const policy = rules.adlPolicy;
    const { result, asked } = allocation(machine, { instrument, side, need: held.abs(), price, policy, ranking });
    const publication = publish(
      machine,
      saga.id,
      { instrument, side, price, need: held.abs(), ranking, policy },
      asked,
      result,
    );
    saga.queue.shift();
    if (result.allocation.length === 0) continue;
    const takings = result.allocation.map((one): Taking => {
      const account = book.internAccount(one.account);
      return { account, row: book.row(account, instrument), qty: one.qty };
    });
    saga.deleveraging = { instrument, price, takings, need: held.abs(), publication };
    const chunk = takeChunk(machine, saga);
    if (chunk === "waiting") return chunk;
  }
}

/** ADL-16: the decision as one text of exact numbers, and its hash; those in the ranking who were not asked play no part in it. */
export function publish(
  machine: Machine,
  saga: string | null,
  terms: AllocationTerms,
  asked: Asked,
  result: Allocation,
): string {
  const rules = machine.instrument(terms.instrument);
  const publication = adlPublication({
    instrument: rules.id,
    side: terms.side,
    policy: terms.policy,
    mark: markOf(machine, terms.instrument),
    price: terms.price,
    need: terms.need,
    lot: rules.lot,
    candidates: terms.policy === "queue" ? asked.ranked : rankingHash(machine, terms),
    counterparties: asked.counterparties,
    allocation: result.allocation,
    unfilled: result.unfilled,
  });
  const hash = sha256(new TextEncoder().encode(publication));
  machine.fact("adl.allocated", {
    saga,
    instrument: rules.id,
    side: terms.side,
    policy: terms.policy,
    price: terms.price.toStringDown(),
    need: terms.need.toStringDown(),
    taken: terms.need.minus(result.unfilled).toStringDown(),
    counterparties: result.allocation.length,
    candidates: terms.ranking.length,
    hash,
    ...(machine.options.receipts ? { publication } : {}),
  });
  return hash;
}

/** The frame's whole ranking is published once; the decisions of its sagas name it by its hash. */
function rankingHash(machine: Machine, terms: AllocationTerms): string {
  const key = rankingKey(terms.instrument, terms.side);
  const known = machine.rankings.hashes.get(key);
  if (known !== undefined) return known;
  const text = rankingText(terms.ranking);
  const hash = sha256(new TextEncoder().encode(text));
  machine.rankings.hashes.set(key, hash);
  machine.fact("adl.ranked", {
    instrument: machine.instrument(terms.instrument).id,
    side: terms.side,
    candidates: terms.ranking.length,
    hash,
    ...(machine.options.receipts ? { ranking: text } : {}),
  });
  return hash;
}

/** Takes from the next counterparties; the rest, if there is one, goes into the next entry. */
function takeChunk(machine: Machine, saga: Saga): StageResult {
  const under = saga.deleveraging;
  if (under === null) return "judge";
  const chunk = under.takings.splice(0, machine.rules.accountsPerEntryMax);
  for (const taking of chunk) take(machine, saga, under, taking);
  if (under.takings.length > 0) return emitResume(machine, saga);
  saga.deleveraging = null;
  return "judge";
}

/** One counterparty of a saga. */
function take(machine: Machine, saga: Saga, under: Deleveraging, taking: Taking): void {
  const closing = { ...under, account: saga.account, saga: saga.id, step: saga.step + 1, liquidation: true };
  const rounding = closeAgainst(machine, closing, taking);
  if (rounding === null) return;
  noteRounding(saga, machine.book.settleIndex(under.instrument), rounding);
  saga.closed = true;
  saga.step += 1;
}

/** Whose position is closed against others, at which price, and in whose name. */
export interface Closing extends Pick<Deleveraging, "instrument" | "price" | "need" | "publication"> {
  readonly account: number;
  /** Null: by an operator (ADL-19). */
  readonly saga: string | null;
  readonly step: number;
  readonly liquidation: boolean;
}

/**
 * One counterparty: both sides closed at exactly the price, as one transaction; its orders on the instrument go (ADL-18). Returns what the
 * roundings took; null: there is nothing to take any more.
 */
export function closeAgainst(machine: Machine, closing: Closing, taking: Taking): Rational | null {
  const { book } = machine;
  const { account: closed, instrument, price } = closing;
  const rules = machine.instrument(instrument);
  const settle = book.settleIndex(instrument);
  const own = book.row(closed, instrument);
  const held = contractsOf(rules, book.qty(own));
  const theirs = contractsOf(rules, book.qty(taking.row));
  const qty = Rational.min(Rational.min(taking.qty, held.abs()), theirs.abs());
  if (qty.isZero() || theirs.sign === held.sign) return null;
  const mode = book.isIsolated(taking.row) ? "isolated" : "cross";
  const signed = held.sign > 0 ? qty.negated() : qty;
  const place = placeOf(machine, instrument, held.sign > 0 ? "short" : "long", taking.row);
  for (const row of [own, taking.row]) bookAccruedFunding(machine, row);
  const draft = machine.ledger.begin();
  const terms = { instrument, price };
  const { liquidation } = closing;
  const mine = fillSide(machine, draft, { ...terms, account: closed, qty: signed, liquidation });
  const other = fillSide(machine, draft, {
    ...terms,
    account: taking.account,
    qty: signed.negated(),
    liquidation: false,
  });
  const deficit = mine.deficit.plus(other.deficit);
  draft.cash(badDebtAccount, settle, deficit.negated());
  const rounding = draft.residueToRounding(settle);
  draft.book("fill");
  if (deficit.sign > 0) coverDeficit(machine, { asset: settle, amount: deficit, instrument, saga: null });
  cancelOrders(machine, taking.account, instrument, "deleveraged");
  const account = machine.accountName(taking.account);
  const seq = machine.fact("adl.filled", {
    saga: closing.saga,
    step: closing.step,
    account,
    against: machine.accountName(closed),
    instrument: rules.id,
    side: signed.sign < 0 ? "buy" : "sell",
    qty: qty.toStringDown(),
    price: price.toStringDown(),
    notional: notional(rules, qty, price).toStringDown(),
    realised: other.outcome.realised.toStringDown(),
    rank: place.rank,
    score: scoreText(place.score),
  });
  noteMoved(machine, seq, { account: closed, against: taking.account, instrument }, signed);
  adlReceipt(machine, seq, {
    account,
    mode,
    instrument: rules.id,
    saga: closing.saga,
    score: place.score,
    rank: place.rank,
    policy: rules.adlPolicy,
    need: closing.need,
    qty,
    price,
    publication: closing.publication,
    changes: {},
  });
  cancelUncoveredReduceOnly(machine, closed, instrument);
  releaseIfFlat(machine, taking.row);
  if (!liquidation || !book.isIsolated(own)) releaseIfFlat(machine, own);
  return rounding;
}
