import type { RuleProblemCode } from "#libs/domain/rule-set/bounds.ts";
import type { Problem } from "#libs/domain/rule-set/documents.ts";

/** Every code that a refused file may carry, with what it says. Codes are never renamed. */
export const problemCodes = {
  unreadable: "the file cannot be read at all",
  too_large: "more bytes than a scenario file may have",
  not_utf8: "bytes that are not UTF-8",
  byte_order_mark: "the file begins with a byte order mark",
  syntax: "not JSON; the message names line and column",
  too_deep: "lists and objects nested too deeply",
  duplicate_key: "a key twice in one object",
  unknown_key: "a key that this object does not have",
  missing_key: "a key that this object must have",
  wrong_type: "a value of another type",
  number_not_string: "a JSON number where an amount must be a string",
  not_an_amount: "a string that is not a decimal amount",
  not_an_id: "a string, or a key, that is not an id",
  not_permitted: "a text that is none of those permitted",
  unknown_kind: "an entry, or a question, of a kind that does not exist",
  out_of_range: "a number outside of its bounds",
  too_few: "fewer items than the list must have",
  too_many: "more items than the list may have",
  not_ascending: "a value that must be above the one before",
  not_descending: "a value that must be below the one before",
  duplicate_id: "an id, or a member, that is already taken",
  ambiguous_provider: "a provider of both an instrument and an asset, or of neither",
  own_underlying: "a linear contract settled in what it follows",
  wrong_settle: "an inverse contract not settled in its base",
  not_changeable: "a change of a contract's terms, or of the grain of amounts",
  system_account: "an account of the exchange itself where a trader's is meant",
  same_account: "a transfer of an account to itself",
  unknown_asset: "no such asset",
  unknown_instrument: "no such instrument",
  unknown_account: "no earlier entry, and no rule, names the account",
  unknown_order: "no earlier entry is that account's order",
  unknown_source: "the rules name no such source of the asset's price",
  unknown_entity: "no such entity",
  unknown_tier: "no such tier of clients",
  unknown_check: "no check that can run in shadow",
  unknown_id: "neither an asset nor an instrument",
  not_dated: "the instrument has no expiry",
  time_falls: "a time before that of an earlier entry",
  off_quantum: "not a whole number of the asset's quanta",
  off_lot: "not a whole number of the instrument's lots",
  missing_index: "an index price is needed that no earlier entry gives",
  missing_mark: "a mark price is needed that no earlier entry gives",
  price_missing: "a price was needed while the file ran",
  internal_error: "a defect of this program, not of the file",
} as const satisfies Record<RuleProblemCode, string> & Record<string, string>;

export type ProblemCode = keyof typeof problemCodes;

/** A step into a document: the key of an object or the place in a list. */
export type Step = string | number;

/** Longer keys are quoted, because quoting shortens them: a path must not grow with the file. */
const plainKey = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const shownMax = 80;

/** `$.rules.instruments[0]`; keys that are not plain words are quoted: `$.entries[3].mark["BTC-PERP"]`. */
export function joinPath(path: string, ...steps: readonly Step[]): string {
  let text = path;
  for (const step of steps) {
    if (typeof step === "number") text += `[${step}]`;
    else text += plainKey.test(step) ? `.${step}` : `[${shown(step)}]`;
  }
  return text;
}

/** Any JSON value for a message: quoted, without control characters, never longer than a line. */
export function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, shownMax)) : String(value);
  return typeof value === "string" && value.length > shownMax ? `${text.slice(0, -1)}…"` : text;
}

/** Everything wrong with one document, in the order found, up to a limit: a hostile file must not fill the memory. */
export class ProblemList {
  readonly #found: Problem[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `value`: what was found; `bound`: what it had to be. */
  add(
    path: string,
    code: ProblemCode,
    message: string,
    detail?: { readonly value: string; readonly bound: string },
  ): void {
    this.take({ path, code, message, ...detail });
  }

  /** Takes over a problem that the domain has found. */
  take(problem: Problem): void {
    if (!this.full) this.#found.push(problem);
  }

  get full(): boolean {
    return this.#found.length >= this.#limit;
  }

  get count(): number {
    return this.#found.length;
  }

  list(): readonly Problem[] {
    return [...this.#found];
  }
}
