import type { Catalogue } from "./catalogue.ts";

/** A price that an entry needs and that no earlier entry gave. */
export type MissingPrice = { readonly code: "missing_index" | "missing_mark"; readonly id: string };

interface Holder {
  readonly assets: Set<string>;
  readonly instruments: Set<string>;
  /** Nothing that it may hold lacks a price; cleared when it comes to hold something new. */
  settled: boolean;
}

/**
 * Which prices have been given so far, and which accounts may depend on which. It errs on the side of asking: an
 * account that once traded an instrument counts as holding it. Prices, once given, stay.
 */
export class PricePresence {
  /** USD is the unit of account, so its price needs no entry. */
  readonly #indices = new Set<string>(["USD"]);
  readonly #marks = new Set<string>();
  readonly #holders = new Map<string, Holder>();
  /** Accounts with positions that were set up and not yet found to be priced. */
  readonly #waiting = new Set<string>();

  giveIndex(asset: string): void {
    this.#indices.add(asset);
  }

  giveMark(instrument: string): void {
    this.#marks.add(instrument);
  }

  /** A quote gives the asset a price, and by it a mark to every instrument that follows it. */
  giveQuote(asset: string, catalogue: Catalogue): void {
    this.#indices.add(asset);
    for (const [id, instrument] of catalogue.instruments) if (instrument.index === asset) this.#marks.add(id);
  }

  #holder(account: string): Holder {
    const known = this.#holders.get(account);
    if (known !== undefined) return known;
    const fresh: Holder = { assets: new Set(), instruments: new Set(), settled: true };
    this.#holders.set(account, fresh);
    return fresh;
  }

  holdAsset(account: string, asset: string): void {
    const holder = this.#holder(account);
    if (holder.assets.has(asset)) return;
    holder.assets.add(asset);
    holder.settled = false;
  }

  holdInstrument(account: string, instrument: string): void {
    const holder = this.#holder(account);
    if (holder.instruments.has(instrument)) return;
    holder.instruments.add(instrument);
    holder.settled = false;
  }

  /** As `holdInstrument`, for a position that is not looked at before the next entry that looks at health. */
  setUp(account: string, instrument: string): void {
    this.holdInstrument(account, instrument);
    this.#waiting.add(account);
  }

  hasPositions(account: string): boolean {
    return (this.#holders.get(account)?.instruments.size ?? 0) > 0;
  }

  missingForAsset(asset: string): MissingPrice[] {
    return this.#indices.has(asset) ? [] : [{ code: "missing_index", id: asset }];
  }

  missingMark(id: string): MissingPrice[] {
    return this.#marks.has(id) ? [] : [{ code: "missing_mark", id }];
  }

  missingForInstrument(id: string, catalogue: Catalogue): MissingPrice[] {
    const mark = this.missingMark(id);
    const settle = catalogue.instruments.get(id)?.settle;
    // Rules with a settle asset that nobody knows are refused for that alone.
    return settle === undefined || !catalogue.assets.has(settle) ? mark : [...mark, ...this.missingForAsset(settle)];
  }

  /** What is missing before the account's equity and margin can be computed. */
  missingFor(account: string, catalogue: Catalogue): MissingPrice[] {
    const holder = this.#holders.get(account);
    if (holder === undefined || holder.settled) return [];
    const missing = new Map<string, MissingPrice>();
    for (const asset of holder.assets)
      for (const one of this.missingForAsset(asset)) missing.set(`${one.code} ${one.id}`, one);
    for (const id of holder.instruments) {
      for (const one of this.missingForInstrument(id, catalogue)) missing.set(`${one.code} ${one.id}`, one);
    }
    holder.settled = missing.size === 0;
    return [...missing.values()];
  }

  /** The accounts that were set up without prices and are to be looked at now; each is named once. */
  takeWaiting(catalogue: Catalogue): { readonly account: string; readonly missing: readonly MissingPrice[] }[] {
    if (this.#waiting.size === 0) return [];
    const found = [...this.#waiting].map((account) => ({ account, missing: this.missingFor(account, catalogue) }));
    this.#waiting.clear();
    return found.filter(({ missing }) => missing.length > 0);
  }
}
