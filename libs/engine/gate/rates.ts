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
/** Windows that have run empty are forgotten once so many orders have been counted, and bindings once so many are kept. */
const countsPerSweep = 65_536;

/** What binds, with the window in which it is counted and the most that this may hold. */
interface Bound extends VelocityBinding {
  readonly window: RateWindow;
  readonly ordersMost: number;
  readonly valueMost: bigint;
}

/** A window by its name; `valued`: some limit is on the value of what is in it. */
interface Named {
  readonly id: string;
  readonly window: RateWindow;
  readonly valued: boolean;
}

/** The windows of an account, or of one of its keys, each once, however many levels say something of it. */
interface Paced {
  readonly windows: readonly Named[];
  readonly bounds: readonly Bound[];
}

/** By window: orders, and their value in 1e-8 USD. */
export type RecordedRates = Readonly<Record<string, readonly [orders: string, valueUsd: string]>>;

/** What a decision had read of the windows; in JSON as it is recorded. */
export class ReadRates {
  readonly #read: readonly (readonly [id: string, orders: number, valueUsd: bigint])[];

  constructor(read: readonly (readonly [id: string, orders: number, valueUsd: bigint])[]) {
    this.#read = read;
  }

  toJSON(): RecordedRates {
    return Object.fromEntries(this.#read.map(([id, orders, value]) => [id, [String(orders), String(value)]]));
  }
}

const idOf = ({ account, key, entity }: Subject, { counted, windowMs }: VelocityBinding): string => {
  const whose =
    counted === "client" ? (entity ?? account) : counted === "account" ? account : `${account} ${key ?? ""}`;
  return `${counted} ${whose} ${windowMs}`;
};

const unbound: Paced = { windows: [], bounds: [] };
const nothing: readonly Finding[] = [];

/** LIM-08: how many orders, of what value, clients, accounts and API keys have had approved of late. Times are monotonic ms. */
export class Rates {
  readonly #machine: Machine;
  readonly #windows = new Map<string, RateWindow>();
  /** By account and key, under the rules in force. */
  readonly #paced = new Map<string, Paced>();
  #hierarchy: LimitHierarchy | null = null;
  #untilSweep = countsPerSweep;
  /** The order last valued, and what it is worth. */
  #valued: RestingOrder | null = null;
  #worth = 0n;
  /** What a batch has added, which may have to be taken back. */
  #added: (() => void)[] | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  #of(account: string, key: string | undefined): Paced {
    const { hierarchy } = this.#machine.rules;
    if (!hierarchy.paced) return unbound;
    if (this.#hierarchy !== hierarchy || this.#paced.size > countsPerSweep) this.#paced.clear();
    this.#hierarchy = hierarchy;
    const name = key === undefined ? account : `${account} ${key}`;
    let known = this.#paced.get(name);
    if (known === undefined) this.#paced.set(name, (known = this.#bind(hierarchy, account, key)));
    return known;
  }

  #bind(hierarchy: LimitHierarchy, account: string, key: string | undefined): Paced {
    const entity = this.#machine.entityOfAccount.get(account) ?? null;
    const subject = { account, key: key ?? null, entity };
    const windows = new Map<string, Named>();
    const bounds = velocityBindings(hierarchy, subject).map((one): Bound => {
      const id = idOf(subject, one);
      const window = this.#window(id, one.windowMs);
      windows.set(id, { id, window, valued: one.valueUsd !== null || windows.get(id)?.valued === true });
      const ordersMost = one.orders === null ? Infinity : Number(one.orders.floorIn(Rational.one));
      return { ...one, window, ordersMost, valueMost: one.valueUsd?.floorIn(usdQuantum) ?? 0n };
    });
    return { windows: [...windows.values()], bounds };
  }

  #window(id: string, windowMs: number): RateWindow {
    let window = this.#windows.get(id);
    if (window === undefined) this.#windows.set(id, (window = new RateWindow(windowMs)));
    return window;
  }

  /** The windows that one more order would overfill. Throws `PriceMissing` where its value is not known. */
  findings(account: string, key: string | undefined, order: RestingOrder, now: number): readonly Finding[] {
    let found = nothing;
    for (const { window, orders, ordersMost, valueUsd, valueMost, source } of this.#of(account, key).bounds) {
      window.turn(now);
      if (orders !== null && window.orders + 1 > ordersMost) {
        const count = Rational.ofInteger(window.orders + 1);
        found = [...found, ...told(atMost("velocity_orders", count, { value: orders, source }))];
      }
      if (valueUsd !== null && window.value + this.#worthOf(order) > valueMost) {
        const value = usdQuantum.times(Rational.ofInteger(window.value + this.#worthOf(order)));
        found = [...found, ...told(atMost("velocity_value", value, { value: valueUsd, source }))];
      }
    }
    return found;
  }

  /** An order has been approved. */
  count(account: string, key: string | undefined, order: RestingOrder, now: number): void {
    const { windows } = this.#of(account, key);
    for (const { window, valued } of windows) {
      const worth = valued ? this.#worthOf(order) : 0n;
      window.add(now, 1, worth);
      this.#added?.push(() => window.add(now, -1, -worth));
    }
    this.#untilSweep -= 1;
    if (this.#untilSweep <= 0) this.#sweep(now);
  }

  /** Whoever is asked about next finds the windows that are left, or begins new ones. */
  #sweep(now: number): void {
    this.#untilSweep = countsPerSweep;
    this.#paced.clear();
    for (const [id, window] of this.#windows) {
      window.turn(now);
      if (window.isEmpty) this.#windows.delete(id);
    }
  }

  /** Quanta of USD: at its limit, a market order at mark. */
  #worthOf(order: RestingOrder): bigint {
    if (this.#valued === order) return this.#worth;
    const { instrument, qty, price } = order;
    const { market } = this.#machine;
    const value = notional(instrument, qty, price ?? market.mark(instrument.id));
    this.#worth = value.times(market.index(instrument.settle)).ceilIn(usdQuantum);
    this.#valued = order;
    return this.#worth;
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
    if (!this.#machine.rules.hierarchy.paced) return null;
    const read: (readonly [id: string, orders: number, valueUsd: bigint])[] = [];
    const seen = new Set<Paced>();
    for (const { account, order } of asked) {
      const paced = this.#of(account, order.key);
      if (asked.length > 1 && seen.size === seen.add(paced).size) continue;
      for (const { id, window } of paced.windows) {
        window.turn(now);
        if (!window.isEmpty) read.push([id, window.orders, window.value]);
      }
    }
    return read.length === 0 ? null : new ReadRates(read);
  }

  load(read: ReadRates | RecordedRates): void {
    for (const [id, [orders, value]] of Object.entries(read instanceof ReadRates ? read.toJSON() : read)) {
      const windowMs = Number(id.slice(id.lastIndexOf(" ") + 1));
      this.#window(id, windowMs).add(Number.NEGATIVE_INFINITY, Number(orders), BigInt(value));
    }
  }
}

const told = (finding: Finding | null): readonly Finding[] => (finding === null ? nothing : [finding]);
