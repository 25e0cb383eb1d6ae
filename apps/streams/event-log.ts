/** The newest items of a list that only grows, each as its JSON. Counted from the first ever, so that a reader can say what it has. */
export class EventLog {
  readonly #kept: number;
  readonly #items: string[] = [];
  #count = 0;

  constructor(kept: number) {
    this.#kept = kept;
  }

  get count(): number {
    return this.#count;
  }

  add(json: string): void {
    this.#count += 1;
    this.#items.push(json);
    // In one go, now and then: taking the first of a list moves all others.
    if (this.#items.length >= 2 * this.#kept) this.#items.splice(0, this.#items.length - this.#kept);
  }

  /** Those after the first `count` ever, as far as they are kept. */
  after(count: number): readonly string[] {
    const fresh = Math.min(this.#count - count, this.#kept, this.#items.length);
    return fresh <= 0 ? [] : this.#items.slice(-fresh);
  }
}
