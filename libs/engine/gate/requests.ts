import { Fifo } from "./fifo.ts";

/** Answers by request id, so that asking again with the same content gives the same; bounded in time and count. */
export class Requests<Answer> {
  readonly #known = new Map<string, { readonly content: string; readonly answer: Answer }>();
  readonly #ages = new Fifo<{ readonly request: string; readonly at: number }>();
  readonly #rememberMs: number;
  readonly #max: number;

  constructor(rememberMs: number, max: number) {
    this.#rememberMs = rememberMs;
    this.#max = max;
  }

  get size(): number {
    return this.#known.size;
  }
  get isFull(): boolean {
    return this.#known.size >= this.#max;
  }

  /** `reused`: the id stands for another content. */
  find(request: string, content: string): Answer | "reused" | null {
    const known = this.#known.get(request);
    if (known === undefined) return null;
    return known.content === content ? known.answer : "reused";
  }

  keep(request: string, content: string, answer: Answer, at: number): void {
    this.#known.set(request, { content, answer });
    this.#ages.push({ request, at });
  }

  forget(now: number): void {
    for (let oldest = this.#ages.first; oldest !== undefined; oldest = this.#ages.first) {
      if (now - oldest.at < this.#rememberMs) return;
      this.#known.delete(oldest.request);
      this.#ages.shift();
    }
  }
}
