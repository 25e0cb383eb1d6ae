import type { TSchema } from "typebox";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import { readJson } from "../json.ts";
import { ProblemList } from "../problems.ts";
import { expectShape, hasShape } from "../shape.ts";

/** What one message may at most be; beyond, it is refused before it is looked at further. */
export const messageLimits = {
  depthMax: 16,
  problemsMax: 20,
} as const;

export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A message: text, or bytes that must be UTF-8 without a byte order mark. */
export type Message = string | Uint8Array;

/** What one border lets in. */
export interface Border {
  /** More than this (bytes, or characters of a text) is not read. */
  readonly sizeMax: number;
  readonly depthMax?: number;
  /** The schema of a value, and undefined where there is none: `problems` then says why, if asked. */
  readonly schemaOf: (value: unknown, problems?: ProblemList) => TSchema | undefined;
  /** What a shape cannot say; nothing it knows depends on other messages. Adds what is wrong. */
  readonly mean?: (value: never, problems: ProblemList) => void;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const quote = 0x22;
const backslash = 0x5c;

/** How many double quotes a message has, or −1 when it has escapes, so that quotes do not tell where strings end. */
function quotesIn(message: Message): number {
  let count = 0;
  if (typeof message === "string") {
    for (let at = 0; at < message.length; at += 1) {
      const code = message.charCodeAt(at);
      if (code === quote) count += 1;
      else if (code === backslash) return -1;
    }
    return count;
  }
  for (let at = 0; at < message.length; at += 1) {
    const byte = message[at];
    if (byte === quote) count += 1;
    else if (byte === backslash) return -1;
  }
  return count;
}

/** How many strings, keys included, a value was written with if no key stood twice. */
function stringsIn(value: unknown): number {
  if (typeof value === "string") return 1;
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += stringsIn(item);
    return count;
  }
  for (const key in value) count += 1 + stringsIn((value as Record<string, unknown>)[key]);
  return count;
}

/**
 * The value of a message in order, quickly. `JSON.parse` forgets a key that stood there before, and its objects have a
 * prototype; the first is seen by counting strings, both where there is doubt are left to the strict reader.
 */
function readFast(message: Message, border: Border): { readonly value: unknown } | undefined {
  const quotes = quotesIn(message);
  if (quotes < 0) return undefined;
  let value: unknown;
  try {
    const text = typeof message === "string" ? message : decoder.decode(message);
    if (text.includes("__proto__")) return undefined;
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const schema = border.schemaOf(value);
  if (schema === undefined || !hasShape(schema, value) || 2 * stringsIn(value) !== quotes) return undefined;
  return { value };
}

function textOf(message: Message, problems: ProblemList): string | undefined {
  if (typeof message === "string") return message;
  try {
    return decoder.decode(message);
  } catch {
    problems.add("$", "not_utf8", "the message is not UTF-8 text");
    return undefined;
  }
}

/** The value of a message by the strict reader, and everything that is wrong with its shape. */
function readStrictly(
  message: Message,
  border: Border,
  problems: ProblemList,
): { readonly value: unknown } | undefined {
  const text = textOf(message, problems);
  const json = text === undefined ? undefined : readJson(text, border.depthMax ?? messageLimits.depthMax, problems);
  if (json === undefined) return undefined;
  const schema = border.schemaOf(json.value, problems);
  if (schema !== undefined) expectShape(schema, json.value, "$", problems);
  return json;
}

/** What was read of a message: `value` also where it is refused, as far as it is JSON. */
export interface RawReading {
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

const nothing: readonly Problem[] = [];

/** Reads one message; in order when `problems` is empty. Never throws, whatever the message. */
export function readRaw(message: Message, border: Border): RawReading {
  if (message.length > border.sizeMax) {
    const problems = new ProblemList(1);
    const value = String(message.length);
    const bound = `at most ${border.sizeMax} bytes`;
    problems.add("$", "too_large", `the message has ${value}, expected ${bound}`, { value, bound });
    return { value: undefined, problems: problems.list() };
  }
  const fast = readFast(message, border);
  if (fast !== undefined && border.mean === undefined) return { value: fast.value, problems: nothing };
  const problems = new ProblemList(messageLimits.problemsMax);
  const read = fast ?? readStrictly(message, border, problems);
  if (read !== undefined && problems.count === 0) border.mean?.(read.value as never, problems);
  return { value: read?.value, problems: problems.count === 0 ? nothing : problems.list() };
}

export function readMessage<T>(message: Message, border: Border): Reading<T> {
  const { value, problems } = readRaw(message, border);
  return problems.length === 0 ? { ok: true, value: value as T } : { ok: false, problems };
}
