import { promisify } from "node:util";
import { deflate } from "node:zlib";
import { sha256 } from "#libs/adapters/postgres/hash.ts";
import type { Entry, Fact } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";

/** The first line of every journal: the rules a shard began with. It is no entry of the engine, so it has no number. */
export interface Genesis {
  readonly k: "genesis";
  readonly document: RuleDocument;
}

/** One line of a journal: an applied entry and the position of the log it came from. */
export interface JournalLine {
  readonly seq: number;
  readonly e: Entry | Genesis;
}

export type PublishedFact = Fact & { readonly trace?: string };

/** Fast rather than small: journals are written within the commit's path. */
const level = 1;
const deflated = promisify(deflate);

/** `text`: the entry as one line of JSON. */
export const journalLine = (seq: number, text: string): string => `{"seq":${seq},"e":${text}}\n`;

/** One line of JSON: the text itself where it is one, else the same value written again. */
export function oneLine(text: string): string {
  return /[\n\r]/.test(text) ? JSON.stringify(JSON.parse(text)) : text;
}

/** A fact as it is kept and published: with the trace of the entry that made it true. */
export function factLine(fact: Fact, trace: string | undefined): string {
  return `${JSON.stringify(trace === undefined ? fact : { ...fact, trace })}\n`;
}

/** sha256 of a stored message, hex: what the stream is compared with at a start. */
export const messageHash = (data: Uint8Array): string => sha256(data);

/** What `pack` of the database adapter writes, off the main thread. */
export async function packed(text: string): Promise<Uint8Array> {
  return text === "" ? new Uint8Array(0) : deflated(Buffer.from(text, "utf8"), { level });
}

export function* linesOf(text: string): Generator<string> {
  let from = 0;
  while (from < text.length) {
    const end = text.indexOf("\n", from);
    if (end < 0) throw new JournalUnreadable("its last line has no end");
    yield text.slice(from, end);
    from = end + 1;
  }
}

export function* journalLines(text: string): Generator<JournalLine> {
  for (const line of linesOf(text)) yield JSON.parse(line) as JournalLine;
}

export function* factsOf(text: string): Generator<PublishedFact> {
  for (const line of linesOf(text)) yield JSON.parse(line) as PublishedFact;
}

export class JournalUnreadable extends Error {
  constructor(why: string) {
    super(`journal cannot be read: ${why}`);
    this.name = "JournalUnreadable";
  }
}
