import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rootFolder } from "#libs/process/root.ts";

/** A message of the documentation: its subject, and the answer that stands below it; null: none. */
export interface Documented {
  readonly subject: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly answer: unknown;
}

/** Every block ```` ```json <subject> ````  of a page, in order; one called `answer` belongs to the message before it. */
export function documentedMessages(page: string): readonly Documented[] {
  const text = readFileSync(join(rootFolder, page), "utf8");
  const found: { subject: string; body: Record<string, unknown>; answer: unknown }[] = [];
  for (const [, subject = "", body = ""] of text.matchAll(/^```json (\S+)\n([\s\S]*?)^```$/gm)) {
    const value = JSON.parse(body) as Record<string, unknown>;
    const last = found.at(-1);
    if (subject !== "answer") found.push({ subject, body: value, answer: null });
    else if (last !== undefined) last.answer = value;
  }
  return found;
}

/** Where what was answered is not as documented: words exactly, numbers by their kind, `<…>` for any word. Keys may be left out. */
export function unlike(said: unknown, documented: unknown, path = "$"): string[] {
  if (typeof documented === "string" && /^<.*>$/.test(documented) && typeof said === "string") return [];
  if (typeof documented === "number" && typeof said === "number") return [];
  if (Array.isArray(documented) && Array.isArray(said)) {
    if (said.length !== documented.length)
      return [`${path}: ${said.length} of ${documented.length}: ${JSON.stringify(said)}`];
    return documented.flatMap((one, at) => unlike(said[at], one, `${path}[${at}]`));
  }
  if (isObject(documented) && isObject(said))
    return Object.entries(documented).flatMap(([key, one]) => unlike(said[key], one, `${path}.${key}`));
  return said === documented ? [] : [`${path}: ${JSON.stringify(said)} for ${JSON.stringify(documented)}`];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
