import type { TSchema } from "typebox";
import { type Border, type Message, type Reading, readRaw } from "../live/reading.ts";
import type { ProblemList } from "../problems.ts";
import { shown } from "../problems.ts";
import { AuthKey, requestSchemas, type StreamRequest } from "./protocol.ts";

/** Largest frame that a client may send, bytes. */
export const frameBytesMax = 16 * 1024;

const schemas: Readonly<Record<string, TSchema>> = requestSchemas;

function schemaOf(value: unknown, problems?: ProblemList): TSchema | undefined {
  const op =
    typeof value === "object" && value !== null && !Array.isArray(value) ? (value as { op?: unknown }).op : undefined;
  if (typeof op !== "string" || !Object.hasOwn(schemas, op)) {
    problems?.add("$.op", "unknown_kind", `expected one of ${Object.keys(schemas).join(", ")}, found ${shown(op)}`);
    return undefined;
  }
  if (op === "auth" && Object.hasOwn(value as object, "key")) return AuthKey;
  return schemas[op];
}

const border: Border = { sizeMax: frameBytesMax, depthMax: 6, schemaOf };

/** A request, or what is wrong with it, with its id as far as that can be read. Never throws. */
export function readStreamRequest(message: Message): Reading<StreamRequest> & { readonly id: string | null } {
  const { value, problems } = readRaw(message, border);
  const given = typeof value === "object" && value !== null ? (value as { id?: unknown }).id : null;
  const id = typeof given === "string" && given.length > 0 && given.length <= 64 ? given : null;
  return problems.length === 0 ? { ok: true, value: value as StreamRequest, id } : { ok: false, problems, id };
}
