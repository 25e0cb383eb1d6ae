import { Rational } from "#libs/decimal/index.ts";
import { type CollateralRow, equities, initialValue, balances, profits } from "#libs/domain/collateral/values.ts";
import { weightedProfit } from "#libs/domain/collateral/values.ts";
import { demandOf, nothingResting, type Resting, restingWith } from "#libs/domain/margin/orders.ts";
import { initialMargin, positionNotional } from "#libs/domain/margin/requirement.ts";
import type { CrossPool, OpenPosition, RestingOrder } from "#libs/domain/positions/views.ts";
import type { Exposure } from "#libs/domain/pre-trade/exposures.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import type { Machine } from "../machine.ts";

/** What one instrument needs of the cross pool with its orders, and their notional with the position's, USD. */
interface Need {
  readonly margin: Rational;
  readonly notional: Rational;
}

const nobody: CrossPool = { kind: "cross", cash: [], positions: [], orders: [], isolated: [] };

/** Takes an order's place for what is asked: itself in place of another of the same id, or as one more. */
export interface Change {
  readonly order: RestingOrder;
  /** Id of the order that it replaces; null: it comes as the newest. */
  readonly replaces: string | null;
  /** The API key that it came with. */
  readonly key?: string | null;
  /** Where it would be closed at a loss. */
  readonly stop?: Rational | null;
}

/** The other accounts of an owner, as they stand. */
export type PeersOf = (name: string) => Standing;

/**
 * An account as the pre-trade check sees it at one place of the log: its cross pool with resting and approved orders. Each figure
 * is computed once, when first needed, and equals what the plain rules say of the whole pool: only the part of the instrument
 * asked about is computed again for an order.
 */
export class Standing {
  readonly machine: Machine;
  readonly account: number;
  readonly name: string;
  /** Its owner, if it has one beside itself. */
  readonly entity: string | null;
  readonly pool: CrossPool;
  readonly orders: RestingOrder[];
  readonly #peerOf: PeersOf;
  readonly #pendingOf: () => number;
  #exposures: readonly Exposure[] | null = null;
  #initialEquity: Rational | null = null;
  #collateral: readonly CollateralRow[] | null = null;
  #im: Rational | null = null;
  /** By instrument id; an instrument without position and orders has none. */
  readonly #needs = new Map<string, Need>();
  /** By instrument id: what rests on it, added up. */
  readonly #restings = new Map<string, Resting>();
  /** The need of the change that was asked about last. */
  #asked: { readonly change: Change; readonly need: Need | null; readonly resting: Resting | null } | null = null;
  /** Made when first asked for, and kept up: ids of orders, and contracts of them by instrument, side and reduce-only. */
  #ids: Set<string> | null = null;
  #sums: Map<string, Rational> | null = null;

  /** `orders`: what rests and what is approved, oldest first; an account below 0 is unknown to the book and empty. */
  constructor(
    machine: Machine,
    name: string,
    account: number,
    ordersOf: (view: CrossPool) => readonly RestingOrder[],
    peerOf: PeersOf = (peer) => bookStanding(machine, peer),
    pendingOf: () => number = () => 0,
  ) {
    this.machine = machine;
    this.name = name;
    this.account = account;
    this.entity = machine.entityOfAccount.get(name) ?? null;
    this.#peerOf = peerOf;
    this.#pendingOf = pendingOf;
    const view = account < 0 ? nobody : machine.book.crossView(account);
    this.orders = [...ordersOf(view)];
    this.pool = { ...view, orders: this.orders };
  }

  /** The other accounts of its owner. */
  peers(): readonly Standing[] {
    const owner = this.entity === null ? undefined : this.machine.rules.entities.get(this.entity);
    const others = owner?.accounts.filter((name) => name !== this.name) ?? [];
    return others.map((name) => this.#peerOf(name));
  }

  /** How many of its orders are approved of which the log has not told yet. */
  get pending(): number {
    return this.#pendingOf();
  }

  /** By instrument: position, and the orders that may open. */
  get exposures(): readonly Exposure[] {
    this.#exposures ??= this.#exposuresOf(this.orders);
    return this.#exposures;
  }

  exposuresWith(change: Change): readonly Exposure[] {
    return this.#exposuresOf(this.ordersWith(change));
  }

  #exposuresOf(orders: readonly RestingOrder[]): readonly Exposure[] {
    const found = new Map<
      string,
      { account: string; instrument: InstrumentRules; held: Rational; buys: Rational; sells: Rational }
    >();
    const of = (instrument: InstrumentRules) => {
      const known = found.get(instrument.id);
      if (known !== undefined) return known;
      const { zero } = Rational;
      const made = { account: this.name, instrument, held: zero, buys: zero, sells: zero };
      found.set(instrument.id, made);
      return made;
    };
    for (const { instrument, qty } of [...this.pool.positions, ...this.pool.isolated]) of(instrument).held = qty;
    for (const { instrument, side, qty, reduceOnly } of orders) {
      if (reduceOnly) continue;
      const one = of(instrument);
      if (side === "buy") one.buys = one.buys.plus(qty);
      else one.sells = one.sells.plus(qty);
    }
    return [...found.values()];
  }

  /** ORD-08: notional of positions and orders, USD. */
  get notional(): Rational {
    void this.im;
    return Rational.sum([...this.#needs.values()].map((one) => one.notional));
  }

  position(instrument: string): OpenPosition | null {
    const here = (one: OpenPosition): boolean => one.instrument.id === instrument;
    return this.pool.positions.find(here) ?? this.pool.isolated.find(here) ?? null;
  }

  /** COL-08 to COL-10. Orders play no part in it. */
  get initialEquity(): Rational {
    if (this.#initialEquity === null) {
      const { market, rules } = this.machine;
      const weighted = profits(this.pool, market).map((one) => weightedProfit(one, rules));
      this.#initialEquity = initialValue(balances(this.pool, weighted), market);
    }
    return this.#initialEquity;
  }

  get collateral(): readonly CollateralRow[] {
    this.#collateral ??= equities(this.pool, this.machine.market, this.machine.rules).collateral;
    return this.#collateral;
  }

  /** Whether an order of that id counts. */
  has(id: string): boolean {
    this.#ids ??= new Set(this.orders.map((one) => one.id));
    return this.#ids.has(id);
  }

  /** Contracts of the orders of one instrument and side, reduce-only ones or the others. */
  resting(instrument: string, side: "buy" | "sell", reduceOnly: boolean): Rational {
    if (this.#sums === null) {
      this.#sums = new Map();
      for (const order of this.orders) this.#sum(this.#sums, order);
    }
    return this.#sums.get(keyOf(instrument, side, reduceOnly)) ?? Rational.zero;
  }

  #sum(sums: Map<string, Rational>, { instrument, side, reduceOnly, qty }: RestingOrder): void {
    const key = keyOf(instrument.id, side, reduceOnly);
    sums.set(key, (sums.get(key) ?? Rational.zero).plus(qty));
  }

  /** Initial margin of positions and orders, USD. */
  get im(): Rational {
    if (this.#im !== null) return this.#im;
    this.#restings.clear();
    for (const order of this.orders) {
      if (order.reduceOnly) continue;
      const { id } = order.instrument;
      this.#restings.set(id, restingWith(this.#restings.get(id) ?? this.#nothing(order.instrument), order));
    }
    let im = Rational.zero;
    for (const resting of this.#restings.values()) im = im.plus(this.#keep(this.#needOf(resting), resting));
    for (const position of this.pool.positions)
      if (!this.#restings.has(position.instrument.id)) im = im.plus(this.#keep(this.#needAlone(position), position));
    this.#im = im;
    return im;
  }

  #keep(need: Need, { instrument }: { readonly instrument: InstrumentRules }): Rational {
    this.#needs.set(instrument.id, need);
    return need.margin;
  }

  #nothing(instrument: InstrumentRules): Resting {
    const here = (one: OpenPosition): boolean => one.instrument.id === instrument.id;
    const cross = this.pool.positions.find(here);
    const own = cross === undefined ? this.pool.isolated.find(here) : undefined;
    return nothingResting(instrument, cross ?? own ?? null, own !== undefined, this.machine.market);
  }

  /** TIER-09 of a position on which no order counts. */
  #needAlone(position: OpenPosition): Need {
    const { market } = this.machine;
    const { instrument, qty, leverage } = position;
    const index = market.index(instrument.settle);
    const notional = positionNotional(position, market);
    const margin = initialMargin(instrument, qty, notional, leverage, market.openInterest(instrument.id));
    return { margin: margin.times(index), notional: notional.times(index) };
  }

  /** ORD-01, ORD-02, ORD-06. */
  #needOf(resting: Resting): Need {
    const index = this.machine.market.index(resting.instrument.settle);
    const demand = demandOf(resting);
    const whole = demand.im.plus(demand.difference);
    // An isolated position has a margin of its own: only what the orders add is needed here.
    if (!resting.isolated) return { margin: whole.times(index), notional: demand.notional.times(index) };
    const added = demand.notional.minus(demand.positionNotional);
    return { margin: whole.minus(demand.positionIm).times(index), notional: added.times(index) };
  }

  /** The orders of the pool once the change has been made. */
  ordersWith({ order, replaces }: Change): RestingOrder[] {
    if (replaces === null) return [...this.orders, order];
    return this.orders.map((one) => (one.id === replaces ? order : one));
  }

  /** What the instrument of a change needs once it has been made; computed once for each change. */
  #needWith(change: Change): Need | null {
    const { id } = change.order.instrument;
    if (change.order.reduceOnly) return this.#needs.get(id) ?? null;
    if (this.#asked?.change === change) return this.#asked.need;
    const resting = this.#restingWith(change);
    const need = resting.count === 0 ? null : this.#needOf(resting);
    this.#asked = { change, need, resting };
    return need;
  }

  /** A new order comes as the newest: what was there before is not looked at again. Of one that is replaced all is. */
  #restingWith(change: Change): Resting {
    const { instrument } = change.order;
    if (change.replaces === null)
      return restingWith(this.#restings.get(instrument.id) ?? this.#nothing(instrument), change.order);
    let resting = this.#nothing(instrument);
    for (const one of this.ordersWith(change))
      if (one.instrument.id === instrument.id) resting = restingWith(resting, one);
    return resting;
  }

  #imWith(id: string, need: Need | null): Rational {
    const before = this.#needs.get(id)?.margin ?? Rational.zero;
    const after = need?.margin ?? Rational.zero;
    return before === after ? this.im : this.im.minus(before).plus(after);
  }

  /** Initial margin after the change and the notionals by instrument id, USD. */
  after(change: Change): { readonly im: Rational; readonly notionals: () => Map<string, Rational> } {
    const { id } = change.order.instrument;
    // The needs stand once the whole has been asked for.
    void this.im;
    const need = this.#needWith(change);
    return {
      im: this.#imWith(id, need),
      notionals: () => {
        const found = new Map<string, Rational>();
        for (const [other, one] of this.#needs) found.set(other, one.notional);
        if (need !== null) found.set(id, need.notional);
        return found;
      },
    };
  }

  /** The change has been approved: what follows is judged with it. An order that counts stays so when it is replaced. */
  make(change: Change): void {
    const { order, replaces } = change;
    const { id } = order.instrument;
    if (this.#im !== null) {
      const need = this.#needWith(change);
      this.#im = this.#imWith(id, need);
      if (need !== null) this.#needs.set(id, need);
      if (this.#asked?.change === change && this.#asked.resting !== null) this.#restings.set(id, this.#asked.resting);
    }
    this.#asked = null;
    this.#exposures = null;
    if (replaces === null) {
      this.orders.push(order);
      this.#ids?.add(order.id);
      if (this.#sums !== null) this.#sum(this.#sums, order);
      return;
    }
    this.orders.splice(0, this.orders.length, ...this.ordersWith(change));
    this.#ids = null;
    this.#sums = null;
  }
}

/** An account as the log alone knows it. */
function bookStanding(machine: Machine, name: string): Standing {
  return new Standing(machine, name, machine.book.findAccount(name), (view) => view.orders);
}

const keyOf = (instrument: string, side: "buy" | "sell", reduceOnly: boolean): string =>
  `${side} ${reduceOnly} ${instrument}`;
