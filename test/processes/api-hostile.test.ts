import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TokenBuckets } from "#libs/process/token-bucket.ts";
import { issueToken, newKeyPair, type Role } from "#libs/access/index.ts";
import { routes } from "#libs/contracts/api/routes.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { hostileTexts } from "#test/support/hostile.ts";
import { expectFlat, spawnCollected } from "#test/support/memory.ts";
import { migratedPostgres, useNats } from "#test/support/servers.ts";

/*
 * What strangers and broken programs send. No shard runs here: what needs one is refused as unavailable.
 */
const nats = useNats();
let api: RunningApp;
let [url, healthUrl, privateKey] = ["", "", ""];

beforeAll(async () => {
  const database = await migratedPostgres();
  const pair = await newKeyPair();
  ({ privateKey } = pair);
  api = await spawnCollected("api", {
    NATS_URL: nats().url,
    DATABASE_URL: await urlAs("api", database.url),
    PLIMSOLL_JWKS: pair.jwks,
    PLIMSOLL_STREAMS_URL: "wss://streams.example:8443",
  });
  url = String((await api.whenMessage("serving"))["url"]);
  healthUrl = `http://127.0.0.1:${String((await api.whenMessage("listening"))["port"])}`;
}, 60_000);
afterAll(async () => api.stop());

const token = async (subject: string, role: Role = "operator"): Promise<string> =>
  issueToken(privateKey, { subject, roles: [role] }, 3_600_000, Date.now());

async function halt(
  body: string | Uint8Array<ArrayBuffer>,
  subject: string = randomUUID(),
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; code: string; problems: readonly { path: string; code: string }[]; headers: Headers }> {
  const response = await fetch(`${url}/v1/commands/halt`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await token(subject)}`,
      "content-type": "application/json",
      "idempotency-key": randomUUID(),
      ...headers,
    },
    body,
  });
  const { error } = (await response.json()) as {
    error?: { code: string; problems?: { path: string; code: string }[] };
  };
  return {
    status: response.status,
    code: error?.code ?? "",
    problems: error?.problems ?? [],
    headers: response.headers,
  };
}

const good = { scope: "global", state: "paused", reason: "a stranger" };
const with_ = (more: object): string => JSON.stringify({ ...good, ...more });
const nested = `${'{"a":'.repeat(100)}1${"}".repeat(100)}`;

const bodies: readonly (readonly [
  what: string,
  body: string | Uint8Array<ArrayBuffer>,
  ...problem: [path: string, code: string],
])[] = [
  ["nothing", "", "$", "syntax"],
  ["no JSON", "{", "$", "syntax"],
  ["a list", "[]", "$", "wrong_type"],
  ["no UTF-8", new Uint8Array([0x22, 0xff, 0x22]), "$", "not_utf8"],
  [
    "a key twice",
    '{"scope":"global","scope":"account","state":"paused","reason":"why not"}',
    "$.scope",
    "duplicate_key",
  ],
  [
    "a prototype",
    '{"__proto__":{"roles":["admin"]},"scope":"global","state":"paused","reason":"why not"}',
    "$.__proto__",
    "unknown_key",
  ],
  ["a deep nest", nested, "$.a.a.a.a.a.a.a.a.a.", "too_deep"],
  ["an unknown key", with_({ admin: true }), "$.admin", "unknown_key"],
  ["another type", with_({ id: 7 }), "$.id", "wrong_type"],
  ["an id that is a path", with_({ id: "../../etc/passwd" }), "$.id", "not_an_id"],
  ["a subject's wildcard", with_({ id: "*" }), "$.id", "not_an_id"],
  ["no such state", with_({ state: "open" }), "$.state", "not_permitted"],
  ["control characters", with_({ reason: "a\u0000b\u001b[2J" }), "$.reason", "not_permitted"],
  ["half a character", `{"scope":"global","state":"paused","reason":"abc\\ud800"}`, "$.reason", "not_permitted"],
  ["a novel", with_({ reason: "x".repeat(201) }), "$.reason", "not_permitted"],
];

test.each(bodies)("a body with %s is refused whole, with its place", async (_, body, path, code) => {
  const refused = await halt(body);
  expect({ ...refused, headers: null }).toMatchObject({ status: 400, code: "unreadable" });
  expect(refused.problems.map((one) => [one.path.slice(0, 20), one.code])).toContainEqual([path, code]);
});

test.each(hostileTexts)("%s is no command", async (_, text) => {
  expect(await halt(text)).toMatchObject({ status: 400, code: "unreadable" });
});

test("what is too large or of another kind is not read at all", async () => {
  expect(await halt("x".repeat(64 * 1024 + 1))).toMatchObject({ status: 413, code: "too_large" });
  expect(await halt(with_({}), undefined, { "content-type": "text/plain" })).toMatchObject({ status: 415 });
  const rules = await fetch(`${url}/v1/commands/rules`, {
    method: "POST",
    headers: { authorization: `Bearer ${await token("large")}`, "content-type": "application/json" },
    body: " ".repeat(1024 * 1024 + 1),
  });
  expect(rules.status).toBe(413);
});

test.each([
  "/v1/accounts/%00",
  "/v1/accounts/%ff",
  "/v1/accounts/a%2f..%2fb",
  `/v1/accounts/${"x".repeat(300)}`,
  "/v1/audit?after=-1",
  "/v1/audit?after=1&after=2",
  "/v1/audit?more=1",
  "/v1/sagas?outcome=closed",
  "/v1/sagas?open=no&stage=8",
  "/v1/sagas?open=no&before=1.0.none",
  "/v1/sagas?open=no&before=1",
  "/v1/none",
  "/console/../../package.json",
])("the address %s is refused by a code", async (path) => {
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${await token("lost", "viewer")}` },
  });
  expect([400, 404, 414]).toContain(response.status);
  expect(await response.json()).toMatchObject({ error: { code: expect.stringMatching(/unreadable|not_found/) } });
});

test("without a shard questions are refused as such, with when to ask again", async () => {
  const response = await fetch(`${url}/v1/exchange`, {
    headers: { authorization: `Bearer ${await token("v", "viewer")}` },
  });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await halt(with_({ scope: "account", id: "a" }))).toMatchObject({ status: 503, code: "shard_unavailable" });
});

test("without prices nothing is settled by them", async () => {
  const response = await fetch(`${url}/v1/commands/settle`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await token("settler")}`,
      "content-type": "application/json",
      "idempotency-key": "settle",
    },
    body: JSON.stringify({ instrument: "BTC-PERP", price: "50000", reason: "it is over" }),
  });
  expect([response.status, await response.json()]).toMatchObject([422, { error: { code: "price_stale" } }]);
});

test("one principal's flood is answered 429, and nobody else notices", async () => {
  const headers = { authorization: `Bearer ${await token("flooder", "viewer")}` };
  const replies = await Promise.all(Array.from({ length: 600 }, async () => fetch(`${url}/v1/me`, { headers })));
  const limited = replies.find(({ status }) => status === 429);
  expect(await limited?.json()).toMatchObject({ error: { code: "rate_limited", retryAfterMs: expect.any(Number) } });
  expect(Number(limited?.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await halt("{", "somebody")).toMatchObject({ status: 400 });
});

test("a principal has a burst, then so many a second, and the oldest of too many is forgotten", () => {
  const buckets = new TokenBuckets({ burst: 2, perSecond: 10, kept: 2 });
  expect([buckets.take("a", 0), buckets.take("a", 0), buckets.take("a", 0)]).toEqual([0, 0, 100]);
  expect([buckets.take("a", 100), buckets.take("a", 100)]).toEqual([0, 100]);
  expect([buckets.take("b", 100), buckets.take("c", 100), buckets.size]).toEqual([0, 0, 2]);
  expect(buckets.take("a", 100)).toBe(0);
});

test("browsers are told what they may do: nothing of others', and nothing from elsewhere", async () => {
  const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
  const preflight = await fetch(`${url}/v1/commands/halt`, { method: "OPTIONS", headers });
  expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([404, null]);
  const reply = await fetch(`${url}/v1/time`, { headers });
  expect(reply.headers.get("access-control-allow-origin")).toBeNull();
  expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
  expect(reply.headers.get("cache-control")).toBe("no-store");
  const policy = reply.headers.get("content-security-policy") ?? "";
  for (const one of [
    "default-src 'none'",
    "script-src 'self'",
    "connect-src 'self' wss://streams.example:8443",
    "frame-ancestors 'none'",
  ])
    expect(policy).toContain(one);
});

test("the documentation is whole and comes from here", async () => {
  const page = await (await fetch(`${url}/docs/`)).text();
  const assets = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string);
  expect(assets.length).toBeGreaterThan(2);
  for (const path of assets) expect((await fetch(new URL(path, `${url}/docs/`))).status, path).toBe(200);
  const document = (await (await fetch(`${url}/v1/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const documented = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(documented.sort()).toEqual(routes.map(({ id }) => id).sort());
});

test("after all of that and a few thousand more the process lives and holds no more memory", async () => {
  const forged = (at: string): string =>
    `Bearer e30.${Buffer.from(`{"sub":"s${at}"}`).toString("base64url")}.${"A".repeat(86)}`;
  await expectFlat(api, { rounds: 16, slack: 1_024 * 1_024 }, async (round) => {
    for (let from = 0; from < 200; from += 20)
      await Promise.all(
        Array.from({ length: 20 }, async (_, at) => {
          const name = `${round}x${from + at}`;
          const headers = { authorization: forged(name) };
          const response = await fetch(`${url}/v1/accounts/${name}`, { headers });
          expect([401, 429]).toContain(response.status);
          await response.arrayBuffer();
        }),
      );
  });
  expect(api.running).toBe(true);
  expect((await fetch(`${healthUrl}/health/ready`)).status).toBe(200);
  expect(api.lines().filter(({ level }) => level === "error")).toEqual([]);
});
