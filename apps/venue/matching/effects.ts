import { Rational } from "#libs/decimal/index.ts";
import type { Fill } from "#libs/contracts/log.ts";
import type { VenueReply } from "#libs/contracts/live/venue.ts";
import { fundedLots, topUp } from "#libs/domain/liquidation/fund-backed.ts";
import { sliceQty } from "#libs/domain/liquidation/full.ts";
import type { VenueEffect } from "./commands.ts";
import { everywhere, type Floor, orderKey } from "./floor.ts";
import { type Grid, ticksMax } from "./grid.ts";
import { matchesMax, planMatches } from "./plan.ts";

type CancelAllEffect = Extract<VenueEffect, { effect: "cancel_all" }>;
type CloseEffect = Extract<VenueEffect, { effect: "close" }>;

/** Prices of the engine may have more digits than a border lets in; they are read as they are. */
function parsed(text: string): Rational {
  const [whole = "0", fraction = ""] = text.split(".");
  return Rational.ofUnits(BigInt(whole + fraction), fraction.length);
}

/** Why a command is not carried out at all; null: it is. */
export function refusal(floor: Floor, shard: string, effect: VenueEffect): string | null {
  if (effect.effect === "cancel" || effect.effect === "cancel_all") return null;
  if (floor.owners.shardOf(effect.account) !== shard) return "wrong_shard";
  // An order of an instrument that is gone is gone too.
  if (effect.effect !== "close") return null;
  const grid = floor.grids.get(effect.instrument);
  if (grid === undefined) return "unknown_instrument";
  return lotsOf(grid, effect.qty) < 1n ? "lot_size" : null;
}

const lotsOf = (grid: Grid, qty: string): bigint => Rational.parse(qty).floorIn(grid.lot);

/**
 * Carries an effect out and says what came of it in the same step, so that its outcome stands in the shard's sequence behind all
 * that led to it. Told again, nothing happens and the answer is the same.
 */
export function carryOutEffect(floor: Floor, shard: string, effect: VenueEffect): VenueReply {
  const before = floor.effects.get(effect.id);
  if (before !== undefined) return { effect: effect.id, state: "done", seq: before.seq };
  const reason = refusal(floor, shard, effect);
  if (reason !== null) return { effect: effect.id, state: "refused", seq: null, reason };
  // A close is over when it is answered: of what `cancel` names nothing works any longer.
  if (effect.effect === "cancel")
    return { effect: effect.id, state: "done", seq: floor.effects.get(effect.of)?.seq ?? null };
  const seq = outcome(floor, shard, effect);
  floor.done(effect.id, shard, seq);
  return { effect: effect.id, state: "done", seq };
}

function outcome(floor: Floor, shard: string, effect: Exclude<VenueEffect, { effect: "cancel" }>): number {
  if (effect.effect === "block") {
    block(floor, effect);
    return floor.emit(shard, { k: "blocked", effect: effect.id });
  }
  if (effect.effect === "withdraw") {
    const order = floor.orders.get(orderKey(effect.account, effect.order));
    if (order !== undefined && order.instrument === effect.instrument) floor.cancel(order);
    return floor.emit(shard, { k: "withdrawn", effect: effect.id });
  }
  if (effect.effect === "cancel_all") {
    const orders = cancelScope(floor, shard, effect);
    return floor.emit(shard, { k: "cancelled", effect: effect.id, orders });
  }
  const { fills, exhausted } = close(floor, effect);
  return floor.emit(shard, { k: "closed", effect: effect.id, fills, exhausted });
}

/** Everything of a scope that belongs to the shard, account by account. How many orders there were. */
function cancelScope(floor: Floor, shard: string, { scope, of, accounts }: CancelAllEffect): number {
  floor.massCancels += 1;
  const ofScope = (account: string): boolean => {
    if (floor.owners.shardOf(account) !== shard) return false;
    return accounts === null ? scope !== "account" || account === of : accounts.includes(account);
  };
  const gone = [...floor.byAccount.keys()]
    .filter(ofScope)
    .sort()
    .flatMap((account) => floor.ordersOf(account, scope === "instrument" ? of : null));
  for (const order of gone) floor.cancel(order);
  return gone.length;
}

/**
 * A venue does not know margin modes, so a block without an instrument holds for the whole account: it may refuse an order of an
 * isolated position that could have passed, never let one through that must not.
 */
function block(floor: Floor, effect: Extract<VenueEffect, { effect: "block" }>): void {
  let blocks = floor.blocks.get(effect.account);
  if (blocks === undefined) floor.blocks.set(effect.account, (blocks = new Map()));
  blocks.set(effect.instrument ?? everywhere, effect.saga);
  for (const order of floor.ordersOf(effect.account, effect.instrument)) floor.cancel(order);
}

/** The saga is over: what it blocked is free again. */
export function unblock(floor: Floor, saga: string): void {
  for (const [account, blocks] of floor.blocks) {
    for (const [where, by] of blocks) if (by === saga) blocks.delete(where);
    if (blocks.size === 0) floor.blocks.delete(account);
  }
}

/** A closing order's limit in ticks, never worse for the account than the limit itself; null: any price. */
function limitTicks(grid: Grid, effect: CloseEffect): number | null {
  if (effect.limit === null) return null;
  const limit = parsed(effect.limit);
  const ticks = effect.side === "sell" ? limit.ceilIn(grid.tick) : limit.floorIn(grid.tick);
  if (ticks > BigInt(ticksMax)) return ticksMax;
  return ticks < 0n ? 0 : Number(ticks);
}

/** Immediate or cancel: a slice of what is seen within the limit, as far as the fund backs it, never against the account itself. */
function close(floor: Floor, effect: CloseEffect): { readonly fills: readonly Fill[]; readonly exhausted: boolean } {
  const { account, instrument, side } = effect;
  const grid = floor.grid(instrument);
  const book = floor.book(instrument);
  for (const own of floor.ordersOf(account, instrument)) if (own.side !== side) floor.cancel(own);
  const limit = limitTicks(grid, effect);
  const seen = Rational.ofInteger(book.seen(side, limit)).times(grid.lot);
  const wanted = Rational.ofInteger(lotsOf(grid, effect.qty)).times(grid.lot);
  const fills: Fill[] = [];
  if (!(effect.whenDeep && seen.below(wanted))) {
    const share = effect.depthShare === null ? null : Rational.parse(effect.depthShare);
    const lots = Number(sliceQty(wanted, seen, share, grid.lot).floorIn(grid.lot));
    const bound = effect.backing === null ? {} : { bound: backed(grid, effect, effect.backing) };
    const plan = planMatches(floor, { account, instrument, side, lots, limit, ...bound });
    for (const gone of plan.uncovered) floor.cancel(gone);
    floor.trade(side, instrument, account, plan.matches, (fill) => fills.push(fill));
    floor.settleMakers(instrument, plan.matches);
    floor.cancelUncovered(account, instrument);
  }
  const exhausted = fills.length < matchesMax && book.best(side === "sell" ? "buy" : "sell") === null;
  return { fills, exhausted };
}

/** Lots at a price that the fund tops up, given what it has topped up before: the same sums as the engine makes of the fills. */
function backed(grid: Grid, effect: CloseEffect, backing: NonNullable<CloseEffect["backing"]>) {
  const side = effect.side === "sell" ? ("long" as const) : ("short" as const);
  const common = { instrument: grid.rules, side, bankruptcyPrice: parsed(backing.reference), quantum: grid.quantum };
  let budget = parsed(backing.budget);
  return (price: number, lots: number): number => {
    const one = { ...common, price: grid.price(price) };
    const funded = fundedLots(one, BigInt(lots), budget);
    budget = budget.minus(topUp(one, grid.lot.times(Rational.ofInteger(funded))));
    return Number(funded);
  };
}
