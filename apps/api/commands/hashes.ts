import { createHash } from "node:crypto";

/** JSON with the keys of every object in order: two values are the same when their texts are. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(",")}}`;
}

const hashOf = (value: unknown): string => createHash("sha256").update(canonical(value)).digest("hex");

/** What a dry run and an approval are bound to: hex. */
export const payloadHashOf = (operation: string, payload: unknown): string => hashOf({ operation, payload });
/** Of the whole request: the same idempotency key must come with the same. */
export const requestHashOf = (operation: string, body: unknown): string => hashOf({ operation, body });
