import { Rational } from "#libs/decimal/index.ts";
import type { Subject } from "#libs/domain/limits/subject.ts";
import { type VelocityBinding, velocityBindings } from "#libs/domain/limits/velocity.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import type { Finding } from "#libs/domain/pre-trade/codes.ts";
import { atMost } from "#libs/domain/pre-trade/limit-checks.ts";
import type { LimitHierarchy } from "#libs/domain/rule-set/limit-types.ts";
import type { Machine } from "../machine.ts";
import { RateWindow } from "./rate-window.ts";
import type { Asked } from "./verdicts.ts";

/** Values are counted in these units of USD, rounded up. */
export const usdQuantum = Rational.ofUnits(1n, 8);
/** Windows that have run empty are forgotten once so many have been counted in, and bindings once so many are kept. */
const countsPerSweep = 65_536;

/** A window that binds, with the names under which it is counted. */
interface Bound extends VelocityBinding {
  readonly id: string;
}

/** By window: orders, and their value in 1e-8 USD; what a decision had read. */
export type ReadRates = Record<string, readonly [orders: string, valueUsd: string]>;

const idOf = ({ account, key, entity }: Subject, { counted, windowMs }: VelocityBinding): string => {
  const whose =
    counted === "client" ? (entity ?? account) : counted === "account" ? account : `${account} ${key ?? ""}`;
  return `${counted} ${whose} ${windowMs}`;
};

const unbound: readonly Bound[] = [];

/** LIM-08: how many orders, of what value, clients, accounts and API keys have had approved of late. Times are monotonic ms. */
export class Rates {
  readonly #machine: Machine;
  readonly #orders = new Map<string, RateWindow>();
  readonly #values = new Map<string, RateWindow>();
  /** By account and key, under the rules in force. */
  readonly #bound = new Map<string, readonly Bound[]>();
  #hierarchy: LimitHierarchy | null = null;
  #untilSweep = countsPerSweep;
  /** What a batch has added, which may have to be taken back. */
  #added: (() => void)[] | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  #bindings(account: string, key: string | undefined): readonly Bound[] {
    const { hierarchy } = this.#machine.rules;
    if (!hierarchy.paced) return unbound;
    if (this.#hierarchy !== hierarchy || this.#bound.size > countsPerSweep) this.#bound.clear();
    this.#hierarchy = hierarchy;
    const name = `${account} ${key ?? ""}`;
    const known = this.#bound.get(name);
    if (known !== undefined) return known;
    const entity = this.#machine.entityOfAccount.get(account) ?? null;
    const subject = { account, key: key ?? null, entity };
    const bound = velocityBindings(hierarchy, subject).map((one) => ({ ...one, id: idOf(subject, one) }));
    this.#bound.set(name, bound);
    return bound;
  }

  /** The windows that one more order would overfill. Throws `PriceMissing` where its value is not known. */
  findings(account: string, key: string | undefined, order: RestingOrder, now: number): readonly Finding[] {
    const found: Finding[] = [];
    for (const { id, orders, valueUsd, source } of this.#bindings(account, key)) {
      if (orders !== null) {
        const count = Rational.ofInteger(held(this.#orders, id, now) + 1n);
        const finding = atMost("velocity_orders", count, { value: orders, source });
        if (finding !== null) found.push(finding);
      }
      if (valueUsd !== null) {
        const value = usdQuantum.times(Rational.ofInteger(held(this.#values, id, now) + this.#worth(order)));
        const finding = atMost("velocity_value", value, { value: valueUsd, source });
        if (finding !== null) found.push(finding);
      }
    }
    return found;
  }

  /** An order has been approved. */
  count(account: string, key: string | undefined, order: RestingOrder, now: number): void {
    for (const { id, windowMs, orders, valueUsd } of this.#bindings(account, key)) {
      if (orders !== null) this.#add(this.#orders, id, windowMs, now, 1n);
      if (valueUsd !== null) this.#add(this.#values, id, windowMs, now, this.#worth(order));
    }
    this.#untilSweep -= 1;
    if (this.#untilSweep > 0) return;
    this.#untilSweep = countsPerSweep;
    for (const windows of [this.#orders, this.#values])
      for (const [id, window] of windows) if (window.sum(now) === 0n) windows.delete(id);
  }

  /** Quanta of USD: at its limit, a market order at mark. */
  #worth({ instrument, qty, price }: RestingOrder): bigint {
    const { market } = this.#machine;
    const value = notional(instrument, qty, price ?? market.mark(instrument.id));
    return value.times(market.index(instrument.settle)).ceilIn(usdQuantum);
  }

  #add(windows: Map<string, RateWindow>, id: string, windowMs: number, now: number, amount: bigint): void {
    let window = windows.get(id);
    if (window === undefined) windows.set(id, (window = new RateWindow(windowMs)));
    window.add(now, amount);
    const kept = window;
    this.#added?.push(() => kept.add(now, -amount));
  }

  /** Runs what may not stand: counts of it are taken back unless it says so. */
  attempt<Result>(run: () => { readonly result: Result; readonly stands: boolean }): Result {
    this.#added = [];
    const { result, stands } = run();
    if (!stands) for (const takeBack of this.#added) takeBack();
    this.#added = null;
    return result;
  }

  /** What the windows hold that bind some orders, so that a decision can be made again; null: nothing. */
  read(asked: readonly Asked[], now: number): ReadRates | null {
    let read: ReadRates | null = null;
    for (const { account, order } of asked)
      for (const { id } of this.#bindings(account, order.key)) {
        const orders = held(this.#orders, id, now);
        const value = held(this.#values, id, now);
        if (orders > 0n || value > 0n) (read ??= {})[id] = [String(orders), String(value)];
      }
    return read;
  }

  load(read: ReadRates): void {
    for (const [id, [orders, value]] of Object.entries(read)) {
      const windowMs = Number(id.slice(id.lastIndexOf(" ") + 1));
      const longAgo = Number.NEGATIVE_INFINITY;
      this.#add(this.#orders, id, windowMs, longAgo, BigInt(orders));
      this.#add(this.#values, id, windowMs, longAgo, BigInt(value));
    }
  }
}

function held(windows: ReadonlyMap<string, RateWindow>, id: string, now: number): bigint {
  return windows.get(id)?.sum(now) ?? 0n;
}
