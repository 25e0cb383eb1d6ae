import { liveEntrySchemas, type LiveKind, venueKinds } from "#libs/contracts/live/entries.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import { oneLine } from "#libs/journal/index.ts";

export interface Numbered {
  readonly source: string;
  readonly sourceSeq: number;
}

export type ReadEntry =
  | { readonly ok: true; readonly entry: Entry; /** One line of JSON. */ readonly text: string }
  | {
      readonly ok: false;
      readonly code: string;
      readonly what: string;
      /** From the matching engine: money is lost if it is passed over. */
      readonly venue: boolean;
      readonly kind: string;
      /** Where these could be read. */
      readonly numbered: Numbered | null;
    };

const whatMax = 200;
const plainText = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, " ").slice(0, whatMax);

/** Reads a message of the log. `kind`: the last token of its subject, which must be the entry's own. Never throws. */
export function readEntry(data: Uint8Array, kind: string): ReadEntry {
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    value = JSON.parse(text);
  } catch (error) {
    return unreadable(kind, "not_json", (error as Error).message, null);
  }
  const fault = faultOf(value, kind);
  if (fault !== null) return unreadable(kind, fault.code, fault.what, value);
  return { ok: true, entry: value as Entry, text: oneLine(text) };
}

/** What is wrong with an entry that came by another way than the log; null: nothing. */
export function faultOf(value: unknown, kind: string): { code: string; what: string } | null {
  const own = (value as { k?: unknown } | null)?.k;
  const schema = Object.hasOwn(liveEntrySchemas, kind) ? liveEntrySchemas[kind as LiveKind] : undefined;
  if (schema === undefined) return { code: "unknown_kind", what: plainText(kind) };
  if (own !== kind) return { code: "wrong_kind", what: `${plainText(String(own))} on the subject of ${kind}` };
  const problems = new ProblemList(1);
  if (expectShape(schema, value, "$", problems)) return null;
  const first = problems.list()[0];
  return { code: first?.code ?? "wrong_type", what: plainText(`${first?.path ?? "$"}: ${first?.message ?? ""}`) };
}

function unreadable(kind: string, code: string, what: string, value: unknown): ReadEntry {
  return { ok: false, code, what: plainText(what), venue: venueKinds.has(kind), kind, numbered: numberOf(value) };
}

function numberOf(value: unknown): Numbered | null {
  const { source, sourceSeq } = (value ?? {}) as { source?: unknown; sourceSeq?: unknown };
  const readable = typeof source === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(source);
  if (!readable || !Number.isSafeInteger(sourceSeq) || (sourceSeq as number) < 1) return null;
  return { source, sourceSeq: sourceSeq as number };
}
