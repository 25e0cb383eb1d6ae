import type { Problem } from "#libs/domain/rule-set/documents.ts";

/** A step into a document: the key of an object or the place in a list. */
export type Step = string | number;

const plainKey = /^[A-Za-z_][A-Za-z0-9_]*$/;
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

  add(path: string, code: string, message: string): void {
    if (!this.full) this.#found.push({ path, code, message });
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
