import { Rational } from "#libs/decimal/index.ts";
import type { Subject } from "#libs/domain/limits/subject.ts";
import { type VelocityBinding, velocityBindings } from "#libs/domain/limits/velocity.ts";
import { counted, emptyWindow, type SlidingWindow, sumAt } from "#libs/domain/limits/windows.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import type { Finding } from "#libs/domain/pre-trade/codes.ts";
import { atMost } from "#libs/domain/pre-trade/limit-checks.ts";
import type { Machine } from "../machine.ts";

/** Values are counted in these units of USD, rounded up. */
const usdQuantum = Rational.ofUnits(1n, 8);
/** Windows that have run empty are forgotten once so many have been counted in. */
const countsPerSweep = 65_536;

interface Kept {
  readonly windowMs: number;
  readonly window: SlidingWindow;
}

const keyOf = ({ account, key, entity }: Subject, { counted: whose, windowMs }: VelocityBinding): string => {
  const id = whose === "client" ? (entity ?? account) : whose === "account" ? account : `${account} ${key ?? ""}`;
  return `${whose} ${id} ${windowMs}`;
};

/** LIM-08: how many orders, of what value, clients, accounts and API keys have had approved of late. Times are monotonic ms. */
export class Rates {
  readonly #machine: Machine;
  readonly #orders = new Map<string, Kept>();
  readonly #values = new Map<string, Kept>();
  #untilSweep = countsPerSweep;
  /** What stood before a batch that may have to be undone. */
  #undo: (() => void)[] | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  subjectOf(account: string, key: string | undefined): Subject {
    return { account, key: key ?? null, entity: this.#machine.entityOfAccount.get(account) ?? null };
  }

  #bindings(subject: Subject): readonly VelocityBinding[] {
    return velocityBindings(this.#machine.rules.hierarchy, subject);
  }

  /** The windows that one more order would overfill. Throws `PriceMissing` where its value is not known. */
  findings(subject: Subject, order: RestingOrder, now: number): readonly Finding[] {
    const found: Finding[] = [];
    for (const one of this.#bindings(subject)) {
      const key = keyOf(subject, one);
      const take = (finding: Finding | null): void => void (finding === null || found.push(finding));
      const most = (value: Rational): { value: Rational; source: string } => ({ value, source: one.source });
      if (one.orders !== null) {
        const orders = held(this.#orders, key, now) + 1n;
        take(atMost("velocity_orders", Rational.ofInteger(orders), most(one.orders)));
      }
      if (one.valueUsd !== null) {
        const value = held(this.#values, key, now) + this.#worth(order);
        take(atMost("velocity_value", usdQuantum.times(Rational.ofInteger(value)), most(one.valueUsd)));
      }
    }
    return found;
  }

  /** An order has been approved. */
  count(subject: Subject, order: RestingOrder, now: number): void {
    for (const one of this.#bindings(subject)) {
      const key = keyOf(subject, one);
      if (one.orders !== null) this.#add(this.#orders, key, one.windowMs, now, 1n);
      if (one.valueUsd !== null) this.#add(this.#values, key, one.windowMs, now, this.#worth(order));
    }
    this.#untilSweep -= 1;
    if (this.#untilSweep > 0) return;
    this.#untilSweep = countsPerSweep;
    for (const kept of [this.#orders, this.#values])
      for (const key of kept.keys()) if (held(kept, key, now) === 0n) kept.delete(key);
  }

  /** Quanta of USD: at its limit, a market order at mark. */
  #worth({ instrument, qty, price }: RestingOrder): bigint {
    const { market } = this.#machine;
    const value = notional(instrument, qty, price ?? market.mark(instrument.id));
    return value.times(market.index(instrument.settle)).ceilIn(usdQuantum);
  }

  #add(kept: Map<string, Kept>, key: string, windowMs: number, now: number, amount: bigint): void {
    const before = kept.get(key);
    this.#undo?.push(() => void (before === undefined ? kept.delete(key) : kept.set(key, before)));
    kept.set(key, { windowMs, window: counted(before?.window ?? emptyWindow, windowMs, now, amount) });
  }

  /** Runs what may not stand: counts of it are taken back unless it says so. */
  attempt<Result>(run: () => { readonly result: Result; readonly stands: boolean }): Result {
    this.#undo = [];
    const { result, stands } = run();
    if (!stands) for (const back of this.#undo.toReversed()) back();
    this.#undo = null;
    return result;
  }

  /** By window: what it holds of those that bind a subject, so that a decision can be made again. */
  read(subject: Subject, now: number, into: Record<string, readonly [orders: string, valueUsd: string]>): void {
    for (const one of this.#bindings(subject)) {
      const key = keyOf(subject, one);
      const orders = held(this.#orders, key, now);
      const value = held(this.#values, key, now);
      if (orders > 0n || value > 0n) into[key] = [String(orders), String(value)];
    }
  }

  load(windows: Readonly<Record<string, readonly [orders: string, valueUsd: string]>>): void {
    for (const [key, [orders, value]] of Object.entries(windows)) {
      const windowMs = Number(key.slice(key.lastIndexOf(" ") + 1));
      const window = (sum: string): Kept => ({ windowMs, window: { bucket: 0, sums: [BigInt(sum)] } });
      this.#orders.set(key, window(orders));
      this.#values.set(key, window(value));
    }
  }
}

function held(kept: ReadonlyMap<string, Kept>, key: string, now: number): bigint {
  const one = kept.get(key);
  return one === undefined ? 0n : sumAt(one.window, one.windowMs, now);
}
