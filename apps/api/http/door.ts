import type { TSchema } from "typebox";
import { paramSchemas, type Route } from "#libs/contracts/api/routes.ts";
import { type Border, readMessage } from "#libs/contracts/live/reading.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { record } from "#libs/contracts/primitives.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import { limits } from "../limits.ts";
import { ApiRefused } from "./refused.ts";

const problemsMax = 20;
/** Rules are nested deeper than anything else. */
const depthMax = 16;

/** What a request says, read and in order. */
export interface Asked {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The reader of a route's requests: whole or not at all. It throws `ApiRefused` with everything that is wrong. */
export function doorOf(route: Route): (raw: { params: unknown; query: unknown; body: unknown }) => Asked {
  const names = [...route.path.matchAll(/:([a-z]+)/g)].map(([, name]) => name as string);
  const params = record(Object.fromEntries(names.map((name) => [name, paramSchemas[name] as TSchema])));
  const query = route.query ?? record({});
  const border: Border | null =
    route.body === undefined ? null : { sizeMax: bodyMax(route), depthMax, schemaOf: () => route.body };
  return (raw) => {
    const problems = new ProblemList(problemsMax);
    expectShape(params, { ...(raw.params as object) }, "$.path", problems);
    expectShape(query, { ...(raw.query as object) }, "$.query", problems);
    if (problems.count > 0) throw new ApiRefused("unreadable", { problems: problems.list() });
    const asked = { params: raw.params as Asked["params"], query: raw.query as Asked["query"] };
    if (border === null) return { ...asked, body: null };
    const reading = readMessage<unknown>(bytesOf(raw.body), border);
    if (!reading.ok) throw new ApiRefused("unreadable", { problems: reading.problems });
    return { ...asked, body: reading.value };
  };
}

const bytesOf = (body: unknown): Uint8Array => (body instanceof Uint8Array ? body : new Uint8Array());

const large = new Set(["dry-run", "command-rules"]);
export const bodyMax = (route: Route): number => (large.has(route.id) ? limits.rulesBytes : limits.bodyBytes);

/** How many a page has, of a query that has passed the door. */
export const pageSize = (query: Asked["query"]): number => Number(query["limit"] ?? limits.pageDefault);
export const beforeOf = (query: Asked["query"]): number | null =>
  query["before"] === undefined ? null : Number(query["before"]);
