import { readBookPrice, readQuote } from "#libs/contracts/live/door.ts";
import type { PriceFrames } from "#libs/domain/collateral/price-frames.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { limits } from "./limits.ts";

export interface Refusal {
  readonly border: "quote" | "book";
  readonly reason: "unreadable" | "unknown" | "future" | "old";
  readonly what: string;
  readonly subject: string;
  readonly payload: Uint8Array;
}

interface HeldQuote {
  readonly asset: string;
  readonly source: string;
  readonly price: string;
  readonly t: number;
}

interface HeldBook {
  readonly instrument: string;
  readonly price: string;
  readonly t: number;
}

export interface InboxOptions {
  /** null: none known yet, so nothing is let in. */
  readonly rules: () => RuleSet | null;
  /** The market's clock, UTC ms. */
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly refuse: (refusal: Refusal) => void;
  /** An asset's quote stands further than a jump from its index: look at once. */
  readonly onJump: (asset: string) => void;
  /** The index of an asset as last published, as a float; NaN: none. Only for guessing at jumps. */
  readonly indexNear: (asset: string) => number;
}

/** Quotes and book prices as they come in: checked at the door, and of each source only the newest until somebody looks. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #quotes = new Map<string, HeldQuote>();
  readonly #books = new Map<string, HeldBook>();
  /** Instrument → depth of its book, that nobody has taken yet. */
  #depths = new Map<string, string>();
  /** Asset → source → UTC ms of the newest quote let in. */
  readonly newest = new Map<string, Map<string, number>>();
  #arrived: number | null = null;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** `oracle.quote.<source>.<asset>` */
  quote(subject: string, payload: Uint8Array): void {
    const tokens = subject.split(".");
    const asset = tokens.at(-1) ?? "";
    const source = tokens.at(-2) ?? "";
    const rules = this.#options.rules();
    if (rules === null) return;
    const refuse = (reason: Refusal["reason"], what: string): void =>
      this.#options.refuse({ border: "quote", reason, what, subject, payload });
    if (rules.marks.sources.get(asset)?.has(source) !== true)
      return refuse("unknown", "no rule names this source for this asset");
    const read = readQuote(payload);
    if (!read.ok) return refuse("unreadable", read.problems[0]?.message ?? "unreadable");
    const { price, t } = read.value;
    const untimely = this.#untimely(t, rules);
    if (untimely !== null) return refuse(untimely, `its time is ${t}`);
    const key = `${source}.${asset}`;
    const held = this.#quotes.get(key);
    if (held !== undefined && held.t > t) return;
    this.#quotes.set(key, { asset, source, price, t });
    const bySource = this.newest.get(asset) ?? new Map<string, number>();
    this.newest.set(asset, bySource.set(source, t));
    this.#arrived ??= this.#options.monotonic();
    const ratio = Number(price) / this.#options.indexNear(asset);
    if (Math.abs(ratio - 1) * 10_000 > limits.jumpBp) this.#options.onJump(asset);
  }

  /** `venue.book.<instrument>` */
  book(subject: string, payload: Uint8Array): void {
    const rules = this.#options.rules();
    if (rules === null) return;
    const refuse = (reason: Refusal["reason"], what: string): void =>
      this.#options.refuse({ border: "book", reason, what, subject, payload });
    const read = readBookPrice(payload);
    if (!read.ok) return refuse("unreadable", read.problems[0]?.message ?? "unreadable");
    const { instrument, t } = read.value;
    if (subject.split(".").at(-1) !== instrument) return refuse("unreadable", "its subject names another instrument");
    if (!rules.instruments.has(instrument)) return refuse("unknown", "no rule names this instrument");
    const untimely = this.#untimely(t, rules);
    if (untimely !== null) return refuse(untimely, `its time is ${t}`);
    const held = this.#books.get(instrument);
    if (held !== undefined && held.t > t) return;
    this.#books.set(instrument, read.value);
    if (read.value.depth !== undefined) this.#depths.set(instrument, read.value.depth);
  }

  /** The depths of books told since this was last asked, by instrument. */
  takeDepths(): Readonly<Record<string, string>> {
    const depths = Object.fromEntries(this.#depths);
    this.#depths = new Map();
    return depths;
  }

  /** Hands all that was held to `prices`; returns when the oldest of it arrived (monotonic ms), null: no quote did. */
  drain(prices: PriceFrames): number | null {
    for (const held of this.#quotes.values()) prices.quote(held);
    for (const held of this.#books.values()) prices.bookPrice(held);
    this.#quotes.clear();
    this.#books.clear();
    const arrived = this.#arrived;
    this.#arrived = null;
    return arrived;
  }

  /** While another process publishes: what is held grows old and is forgotten with the rules that let it in. */
  forget(rules: RuleSet): void {
    for (const [key, { asset, source }] of this.#quotes)
      if (rules.marks.sources.get(asset)?.has(source) !== true) this.#quotes.delete(key);
    for (const held of [this.#books, this.#depths])
      for (const instrument of held.keys()) if (!rules.instruments.has(instrument)) held.delete(instrument);
    for (const [asset, bySource] of this.newest) {
      const named = rules.marks.sources.get(asset);
      for (const source of bySource.keys()) if (named?.has(source) !== true) bySource.delete(source);
      if (bySource.size === 0) this.newest.delete(asset);
    }
  }

  #untimely(t: number, rules: RuleSet): "future" | "old" | null {
    const now = this.#options.now();
    if (t > now + limits.futureMs) return "future";
    return now - t > (rules.marks.staleMs ?? limits.staleMs) ? "old" : null;
  }
}
