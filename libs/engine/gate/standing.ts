import { Rational } from "#libs/decimal/index.ts";
import { type CollateralRow, equities, initialValue, balances, profits } from "#libs/domain/collateral/values.ts";
import { weightedProfit } from "#libs/domain/collateral/values.ts";
import { orderDemand } from "#libs/domain/margin/orders.ts";
import { initialMargin, positionNotional } from "#libs/domain/margin/requirement.ts";
import type { CrossPool, OpenPosition, RestingOrder } from "#libs/domain/positions/views.ts";
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
}

/**
 * An account as the pre-trade check sees it at one place of the log: its cross pool with resting and approved orders. Each figure
 * is computed once, when first needed, and equals what the plain rules say of the whole pool: only the part of the instrument
 * asked about is computed again for an order.
 */
export class Standing {
  readonly machine: Machine;
  readonly account: number;
  readonly name: string;
  readonly pool: CrossPool;
  readonly orders: RestingOrder[];
  #initialEquity: Rational | null = null;
  #collateral: readonly CollateralRow[] | null = null;
  #im: Rational | null = null;
  /** By instrument id; an instrument without position and orders has none. */
  readonly #needs = new Map<string, Need>();
  /** The need of the change that was asked about last. */
  #asked: { readonly change: Change; readonly need: Need | null } | null = null;

  /** `orders`: what rests and what is approved, oldest first; an account below 0 is unknown to the book and empty. */
  constructor(machine: Machine, name: string, account: number, ordersOf: (view: CrossPool) => readonly RestingOrder[]) {
    this.machine = machine;
    this.name = name;
    this.account = account;
    const view = account < 0 ? nobody : machine.book.crossView(account);
    this.orders = [...ordersOf(view)];
    this.pool = { ...view, orders: this.orders };
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

  /** Initial margin of positions and orders, USD. */
  get im(): Rational {
    if (this.#im !== null) return this.#im;
    let im = Rational.zero;
    const resting = this.#resting();
    for (const { instrument } of this.pool.positions) if (!resting.has(instrument.id)) resting.set(instrument.id, []);
    for (const [id, orders] of resting) {
      const instrument = orders[0]?.instrument ?? (this.position(id) as OpenPosition).instrument;
      const need = this.#need(instrument, orders);
      if (need === null) continue;
      this.#needs.set(id, need);
      im = im.plus(need.margin);
    }
    this.#im = im;
    return im;
  }

  #resting(): Map<string, RestingOrder[]> {
    const found = new Map<string, RestingOrder[]>();
    for (const order of this.orders) {
      if (order.reduceOnly) continue;
      const known = found.get(order.instrument.id);
      if (known === undefined) found.set(order.instrument.id, [order]);
      else known.push(order);
    }
    return found;
  }

  /** TIER-09, ORD-01, ORD-02, ORD-06: of the position alone where no order counts; null: there is nothing. */
  #need(instrument: InstrumentRules, orders: readonly RestingOrder[]): Need | null {
    const { market } = this.machine;
    const { id } = instrument;
    const cross = this.pool.positions.find((one) => one.instrument.id === id);
    if (orders.length === 0) {
      if (cross === undefined) return null;
      const index = market.index(instrument.settle);
      const notional = positionNotional(cross, market);
      const margin = initialMargin(instrument, cross.qty, notional, cross.leverage, market.openInterest(id));
      return { margin: margin.times(index), notional: notional.times(index) };
    }
    const index = market.index(instrument.settle);
    const own = cross === undefined ? this.pool.isolated.find((one) => one.instrument.id === id) : undefined;
    const demand = orderDemand(instrument, cross ?? own ?? null, own !== undefined, orders, market);
    const whole = demand.im.plus(demand.difference);
    // An isolated position has a margin of its own: only what the orders add is needed here.
    if (own === undefined) return { margin: whole.times(index), notional: demand.notional.times(index) };
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
    const here = (one: RestingOrder): boolean => one.instrument.id === id && !one.reduceOnly;
    const need = this.#need(change.order.instrument, this.ordersWith(change).filter(here));
    this.#asked = { change, need };
    return need;
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
    const { id } = change.order.instrument;
    if (this.#im !== null) {
      const need = this.#needWith(change);
      this.#im = this.#imWith(id, need);
      if (need !== null) this.#needs.set(id, need);
    }
    this.#asked = null;
    if (change.replaces === null) this.orders.push(change.order);
    else this.orders.splice(0, this.orders.length, ...this.ordersWith(change));
  }
}
