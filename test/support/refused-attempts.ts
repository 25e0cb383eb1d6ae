import { createHash } from "node:crypto";
import { expect } from "vitest";
import { payloadHashOf } from "#apps/api/commands/hashes.ts";
import { run } from "#apps/cli/program.ts";
import { requestText } from "#libs/access/index.ts";
import { createApiKey, revokeTokens } from "#libs/adapters/postgres/index.ts";
import { type Desk, reason } from "./api-desk.ts";
import type { ApiExchange } from "./api-exchange.ts";
import { listened } from "./listened.ts";
import { eventually } from "./live-shard.ts";
import { signed } from "./signed-requests.ts";

export interface Records {
  readonly records: readonly {
    readonly seq: number;
    readonly actor: string;
    readonly action: string;
    readonly detail: unknown;
  }[];
}

/** Everything of the audit that was only tried. */
async function attempts(exchange: ApiExchange): Promise<Records["records"]> {
  const { records } = (await exchange.get<Records>("/v1/audit?limit=1000", "viewer")).body;
  return records.filter(({ action }) => action.endsWith(".refused"));
}

/** One attempt each of people who may not: what the audit is to have of it. */
async function refusedAttempts(exchange: ApiExchange, desk: Desk): Promise<Records["records"]> {
  const paused = { scope: "global", state: "paused", reason };
  const text = JSON.stringify(paused);
  const bodyHash = createHash("sha256").update(text).digest("hex");
  const halt = async (as: string | null, headers: Readonly<Record<string, string>> = {}) =>
    exchange.send("POST", "/v1/commands/halt", { as, body: text, headers: { "idempotency-key": "k", ...headers } });
  const what = (action: string, actor: string, detail: object) => ({
    seq: expect.any(Number),
    actor,
    action: `${action}.refused`,
    detail: expect.objectContaining(detail),
  });

  await halt("trader:t-tries:alice");
  await revokeTokens(exchange.db, "o-gone", Date.now() + 1_000);
  await halt("operator:o-gone");
  const key = { owner: null, roles: ["viewer"], label: "", expiresAt: null };
  await createApiKey(exchange.db, { id: "viewing", subject: "v-tries", ...key });
  await halt(null, signed("viewing", requestText("POST", "/v1/commands/halt", text, "k")));
  await halt(null, signed("viewing", "another request"));
  await halt(null, signed("unknown", "another request"));
  await halt("viewer:v-limited", { "content-type": "text/plain" });

  const much = { account: "bob", asset: "USDT", amount: "10000001" };
  await desk.command("adjust", "officer:f-caps", much);
  const proposal = (await desk.command("adjust", "officer:f-own", { ...much, amount: "1" })).body;
  await desk.approve(proposal, "officer:f-own");
  await desk.approve({ ...proposal, payloadHash: "0".repeat(64) }, "officer:f-other");
  await exchange.post(`/v1/commands/${proposal.id}/approve`, "operator:o-tries", {});
  const { id, payloadHash } = proposal;
  return [
    what("command.halt", "t-tries", { code: "forbidden", bodyHash, payloadHash: null }),
    what("command.halt", "o-gone", { code: "token_revoked", login: "refused", bodyHash }),
    what("command.halt", "v-tries", { code: "forbidden", bodyHash, credential: { key: "viewing" } }),
    what("command.halt", "key:viewing", { code: "signature_wrong", login: "not verified", bodyHash }),
    what("command.approve", "f-own", { code: "own_proposal", id, payloadHash }),
    what("command.adjust", "f-caps", { code: "cap_exceeded", payloadHash: payloadHashOf("adjust", much) }),
    what("command.approve", "f-other", { code: "payload_changed", id, payloadHash: "0".repeat(64) }),
    what("command.approve", "o-tries", { code: "forbidden", id, payloadHash: null }),
  ];
}

/** Each is in the audit, by the API and by the command line, once, and nothing of the credentials. */
export async function expectAttemptsAudited(exchange: ApiExchange, desk: Desk): Promise<void> {
  const tried = await refusedAttempts(exchange, desk);
  const listed = await eventually("the attempts", async () => {
    const records = await attempts(exchange);
    return tried.every(({ actor }) => records.some((one) => one.actor === actor)) ? records : null;
  });
  for (const one of tried)
    expect(listed.filter(({ actor }) => actor === one.actor)).toEqual([expect.objectContaining(one)]);
  expect(JSON.stringify(listed)).not.toMatch(/Bearer|eyJ|plimsoll-signature/);
  const { stdout } = await listened({ DATABASE_URL: exchange.servers.databaseUrl }, async () => run(["audit", "list"]));
  for (const { actor, action } of tried) expect(stdout).toContain(`  ${actor}  ${action}  {"code"`);
}
