import type { ProblemCode, ProblemList, Step } from "./problems.ts";
import { joinPath, shown } from "./problems.ts";

/**
 * Objects made by `readJson` inherit nothing, so that a key like `constructor` or `__proto__` is only a key. (A class
 * instead of `Object.create(null)`, which the runtime keeps in a slow and large form.)
 */
const Bare = function () {} as unknown as new () => Record<string, unknown>;
(Bare as unknown as { prototype: unknown }).prototype = Object.create(null);

/** How much a text may hold; beyond, reading stops at once, so that no text that is let in can fill the memory. */
export const jsonLimits = {
  /** Lists and objects altogether: room for a book level in every 17 bytes of the largest scenario. */
  containersMax: 6_000_000,
  /** Items of one list. */
  itemsMax: 5_000_000,
  /** Keys of one object. */
  keysMax: 100_000,
} as const;

/** Where reading stopped, as an exception inside this module only. */
class Stop extends Error {
  readonly path: string;
  readonly code: ProblemCode;
  constructor(path: string, code: ProblemCode, message: string) {
    super(message);
    this.path = path;
    this.code = code;
  }
}

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const quote = 0x22;
const backslash = 0x5c;

/**
 * A strict JSON reader (RFC 8259): what `JSON.parse` accepts, less duplicate keys and what is beyond the limits, and
 * with a place for every refusal.
 */
class Reader {
  readonly #text: string;
  readonly #depthMax: number;
  readonly #problems: ProblemList;
  readonly #path: Step[] = [];
  #at = 0;
  #containers = 0;

  constructor(text: string, depthMax: number, problems: ProblemList) {
    this.#text = text;
    this.#depthMax = depthMax;
    this.#problems = problems;
  }

  document(): unknown {
    this.#skip();
    const value = this.#value();
    this.#skip();
    if (this.#at < this.#text.length) throw this.#expected("the end of the file");
    return value;
  }

  #expected(what: string): Stop {
    let line = 1;
    let start = 0;
    for (let end = this.#text.indexOf("\n"); end >= 0 && end < this.#at; end = this.#text.indexOf("\n", start)) {
      line += 1;
      start = end + 1;
    }
    const column = this.#at - start + 1;
    const found =
      this.#at < this.#text.length
        ? shown(String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0))
        : "the end of the file";
    return this.#stop("syntax", `line ${line}, column ${column}: expected ${what}, found ${found}`);
  }

  #skip(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at += 1;
    }
  }

  #value(): unknown {
    const first = this.#text[this.#at];
    if (first === '"') return this.#string();
    if (first === "{") return this.#object();
    if (first === "[") return this.#list();
    if (first === "t") return this.#word("true", true);
    if (first === "f") return this.#word("false", false);
    if (first === "n") return this.#word("null", null);
    return this.#number();
  }

  #word(word: string, value: unknown): unknown {
    if (!this.#text.startsWith(word, this.#at)) throw this.#expected("a value");
    this.#at += word.length;
    return value;
  }

  #number(): number {
    numberPattern.lastIndex = this.#at;
    const match = numberPattern.exec(this.#text);
    if (match === null) throw this.#expected("a value");
    this.#at += match[0].length;
    const value = Number(match[0]);
    return value === 0 ? 0 : value;
  }

  #string(): string {
    const start = this.#at;
    let escaped = false;
    for (this.#at += 1; ; this.#at += 1) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === quote) break;
      if (code === backslash) {
        escaped = true;
        this.#at += 1;
      } else if (!(code >= 0x20)) {
        throw this.#expected("the rest of a string");
      }
    }
    this.#at += 1;
    if (!escaped) return this.#text.slice(start + 1, this.#at - 1);
    try {
      return JSON.parse(this.#text.slice(start, this.#at)) as string;
    } catch {
      this.#at = start;
      throw this.#expected("a string with sound escapes");
    }
  }

  #stop(code: ProblemCode, message: string): Stop {
    return new Stop(joinPath("$", ...this.#path), code, message);
  }

  #enter(): void {
    const { containersMax } = jsonLimits;
    this.#at += 1;
    this.#containers += 1;
    if (this.#path.length >= this.#depthMax) {
      throw this.#stop("too_deep", `nested deeper than ${this.#depthMax} levels`);
    }
    if (this.#containers > containersMax) {
      throw this.#stop("too_many", `more than ${containersMax} lists and objects in one file`);
    }
    this.#skip();
  }

  /** Whether another member follows; passes over the comma or the closing bracket. */
  #more(close: string): boolean {
    this.#skip();
    const next = this.#text[this.#at];
    if (next !== "," && next !== close) throw this.#expected(`"," or "${close}"`);
    this.#at += 1;
    this.#skip();
    return next === ",";
  }

  #list(): unknown[] {
    this.#enter();
    const list: unknown[] = [];
    if (this.#text[this.#at] === "]") {
      this.#at += 1;
      return list;
    }
    const { itemsMax } = jsonLimits;
    do {
      if (list.length === itemsMax) throw this.#stop("too_many", `expected at most ${itemsMax} items`);
      this.#path.push(list.length);
      list.push(this.#value());
      this.#path.pop();
    } while (this.#more("]"));
    return list;
  }

  #object(): Record<string, unknown> {
    this.#enter();
    const object = new Bare();
    if (this.#text[this.#at] === "}") {
      this.#at += 1;
      return object;
    }
    const { keysMax } = jsonLimits;
    let keys = 0;
    do {
      keys += 1;
      if (keys > keysMax) throw this.#stop("too_many", `expected at most ${keysMax} keys`);
      if (this.#text.charCodeAt(this.#at) !== quote) throw this.#expected("a key in double quotes");
      const key = this.#string();
      this.#path.push(key);
      if (key in object)
        this.#problems.add(joinPath("$", ...this.#path), "duplicate_key", `the key ${shown(key)} stands here twice`);
      this.#skip();
      if (this.#text[this.#at] !== ":") throw this.#expected('":"');
      this.#at += 1;
      this.#skip();
      object[key] = this.#value();
      this.#path.pop();
    } while (this.#more("}"));
    return object;
  }
}

/**
 * Reads one JSON text. Everything wrong goes to `problems`; undefined when the text is not JSON or beyond the
 * limits, so that there is no value to look at. Duplicate keys are problems, the last one is kept. Never throws.
 */
export function readJson(
  text: string,
  depthMax: number,
  problems: ProblemList,
): { readonly value: unknown } | undefined {
  if (text.startsWith("\uFEFF")) {
    problems.add("$", "byte_order_mark", "the file begins with a byte order mark");
    return undefined;
  }
  try {
    return { value: new Reader(text, depthMax, problems).document() };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    problems.add(error.path, error.code, error.message);
    return undefined;
  }
}
