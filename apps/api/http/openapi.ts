import type { TSchema } from "typebox";
import { ErrorReply } from "#libs/contracts/api/replies.ts";
import { paramSchemas, type Route, routes } from "#libs/contracts/api/routes.ts";
import { rights } from "#libs/access/index.ts";

const json = (schema: unknown): object => ({ "application/json": { schema } });
const plain = (schema: TSchema): unknown => JSON.parse(JSON.stringify(schema)) as unknown;

const parameter = (place: "path" | "query", name: string, schema: TSchema, required: boolean): object => ({
  name,
  in: place,
  required,
  schema: plain(schema),
});

function parametersOf(route: Route): object[] {
  const names = [...route.path.matchAll(/:([a-z]+)/g)].map(([, name]) => name as string);
  const query = (route.query ?? { properties: {}, required: [] }) as unknown as {
    readonly properties: Readonly<Record<string, TSchema>>;
    readonly required?: readonly string[];
  };
  const key = { name: "idempotency-key", in: "header", required: true, schema: plain(paramSchemas["id"] as TSchema) };
  return [
    ...names.map((name) => parameter("path", name, paramSchemas[name] as TSchema, true)),
    ...Object.entries(query.properties).map(([name, schema]) =>
      parameter("query", name, schema, query.required?.includes(name) === true),
    ),
    ...(route.command === true ? [key] : []),
  ];
}

const tags: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/(accounts|instruments|me|time)/, "Traders"],
  [/^\/v1\/(commands|dry-runs)/, "Commands"],
  [/^\/v1\/keys/, "Keys"],
  [/./, "Operators"],
];

function operationOf(route: Route): object {
  const allowed = route.right === "none" ? "anybody" : rights[route.right].join(", ");
  const refused = {
    description: "Refused: a stable code and why.",
    content: json({ $ref: "#/components/schemas/Refusal" }),
  };
  const said = { description: route.command === true ? "Applied." : "The answer.", content: json(plain(route.reply)) };
  return {
    operationId: route.id,
    tags: [tags.find(([path]) => path.test(route.path))?.[1]],
    summary: route.summary,
    description: `For: ${allowed}.${route.right === "read_own" ? " A trader reads their own accounts only." : ""}`,
    parameters: parametersOf(route),
    ...(route.body === undefined ? {} : { requestBody: { required: true, content: json(plain(route.body)) } }),
    responses: {
      200: said,
      ...(route.command === true
        ? { 202: { ...said, description: "Waits for a second person, or for the engine: ask again at `location`." } }
        : {}),
      default: refused,
    },
    ...(route.right === "none" ? { security: [] } : {}),
  };
}

/** The OpenAPI document of every route, from the schemas that the routes themselves read by. */
export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([a-z]+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  }
  const header = (name: string): object => ({ type: "apiKey", in: "header", name });
  return {
    openapi: "3.1.0",
    info: {
      title: "Plimsoll",
      version: "1",
      description:
        "Accounts, margin and history for traders; sight and command of everything for operators. Amounts are decimal strings, times UTC ms. How requests are signed and what needs a second person: docs/api.md.",
    },
    paths,
    components: {
      schemas: { Refusal: plain(ErrorReply) },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        key: header("plimsoll-key"),
        timestamp: header("plimsoll-timestamp"),
        nonce: header("plimsoll-nonce"),
        signature: header("plimsoll-signature"),
      },
    },
    security: [{ token: [] }, { key: [], timestamp: [], nonce: [], signature: [] }],
  };
}
