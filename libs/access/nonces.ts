import { AccessRefused } from "./refused.ts";

/**
 * Nonces that were used, for as long as their timestamps are accepted. Only those of right signatures come here, so nobody without a key can
 * fill it, and one key only its own part.
 */
export class Nonces {
  readonly #expiries = new Map<string, number>();
  readonly #byKey = new Map<string, number>();
  readonly #perKeyMax: number;

  constructor(perKeyMax: number) {
    this.#perKeyMax = perKeyMax;
  }

  /** Throws `nonce_used` for one that is remembered, `too_many_requests` where the key's part is full. */
  use(key: string, nonce: string, until: number, now: number): void {
    this.#forget(now);
    const name = `${key} ${nonce}`;
    if (this.#expiries.has(name)) throw new AccessRefused("nonce_used", { subject: null, key, verified: true });
    const held = this.#byKey.get(key) ?? 0;
    if (held >= this.#perKeyMax) throw new AccessRefused("too_many_requests");
    this.#expiries.set(name, until);
    this.#byKey.set(key, held + 1);
  }

  get size(): number {
    return this.#expiries.size;
  }

  /** The first in were used first; one that ends earlier than one before it waits for that. */
  #forget(now: number): void {
    for (const [name, until] of this.#expiries) {
      if (until > now) return;
      this.#expiries.delete(name);
      const key = name.slice(0, name.indexOf(" "));
      const left = (this.#byKey.get(key) ?? 1) - 1;
      if (left === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, left);
    }
  }
}
