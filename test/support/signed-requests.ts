import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { requestText, secretOfKey, sign } from "#libs/access/index.ts";
import { createApiKey } from "#libs/adapters/postgres/index.ts";
import { codeOf, reason } from "./api-desk.ts";
import { type ApiExchange, keySecret } from "./api-exchange.ts";

/** The headers of a request that a key signs. */
export const signed = (key: string, what: string, nonce: string = randomUUID(), t: number = Date.now()) => ({
  "plimsoll-key": key,
  "plimsoll-timestamp": String(t),
  "plimsoll-nonce": nonce,
  "plimsoll-signature": sign(secretOfKey(keySecret, key), String(t), nonce, what),
});

/** Signatures of a key of a viewer: which are accepted, and why the others are not. */
export async function expectSigned(exchange: ApiExchange): Promise<void> {
  await createApiKey(exchange.db, {
    id: "bot",
    subject: "bot",
    owner: null,
    roles: ["viewer"],
    label: "",
    expiresAt: null,
  });
  const headers = (what: string, nonce?: string, t?: number) => signed("bot", what, nonce, t);
  const path = "/v1/accounts?limit=5";
  const good = headers(requestText("GET", path, ""));
  expect((await exchange.send("GET", path, { headers: good })).status).toBe(200);
  expect(codeOf(await exchange.send("GET", path, { headers: good }))).toBe("nonce_used");
  expect(
    codeOf(await exchange.send("GET", "/v1/accounts?limit=6", { headers: headers(requestText("GET", path, "")) })),
  ).toBe("signature_wrong");
  expect(
    codeOf(
      await exchange.send("GET", path, {
        headers: headers(requestText("GET", path, ""), undefined, Date.now() - 9_000),
      }),
    ),
  ).toBe("timestamp_outside");
  const both = {
    ...headers(requestText("GET", path, "")),
    authorization: `Bearer ${await exchange.token("viewer")}`,
  };
  expect(codeOf(await exchange.send("GET", path, { headers: both }))).toBe("no_credentials");
  const body = JSON.stringify({ scope: "global", state: "paused", reason });
  const halt = headers(requestText("POST", "/v1/commands/halt", body, "k"));
  expect(
    codeOf(await exchange.send("POST", "/v1/commands/halt", { body, headers: { ...halt, "idempotency-key": "k2" } })),
  ).toBe("signature_wrong");
  expect(
    codeOf(await exchange.send("POST", "/v1/commands/halt", { body, headers: { ...halt, "idempotency-key": "k" } })),
  ).toBe("forbidden");
}
