import type { Counter, Gauge, Histogram } from "prom-client";

/** The one series of a metric for given labels, ready to be counted without looking anything up. */
export type CounterChild = Counter.Internal;
export type GaugeChild = Gauge.Internal<string>;
export type HistogramChild = Histogram.Internal<string>;

/** More series than this per metric share one whose labels are all `other`: labels must not fill the memory. */
export const seriesMax = 1_000;

/** A metric with labels; `with` gives the series of label values, in the order declared, from a cache. */
export class Labelled<Child> {
  readonly #children = new Map<string, Child>();
  readonly #names: readonly string[];
  readonly #make: (labels: Record<string, string>) => Child;
  readonly #remove: (labels: Record<string, string>) => void;

  constructor(
    names: readonly string[],
    make: (labels: Record<string, string>) => Child,
    remove: (labels: Record<string, string>) => void,
  ) {
    this.#names = names;
    this.#make = make;
    this.#remove = remove;
  }

  with(...values: readonly string[]): Child {
    const key = values.length === 1 ? (values[0] as string) : values.join("\u0000");
    return this.#children.get(key) ?? this.#create(key, values);
  }

  /** Forgets a series, for states that no longer are. */
  remove(...values: readonly string[]): void {
    if (this.#children.delete(values.join("\u0000"))) this.#remove(this.#labels(values));
  }

  #create(key: string, values: readonly string[]): Child {
    if (values.length !== this.#names.length) throw new RangeError(`labels are ${this.#names.join(", ")}`);
    const full = this.#children.size >= seriesMax && values.some((value) => value !== "other");
    if (full) return this.with(...this.#names.map(() => "other"));
    const child = this.#make(this.#labels(values));
    this.#children.set(key, child);
    return child;
  }

  #labels(values: readonly string[]): Record<string, string> {
    return Object.fromEntries(this.#names.map((name, at) => [name, values[at] as string]));
  }
}
