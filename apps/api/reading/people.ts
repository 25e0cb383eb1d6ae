import { randomBytes } from "node:crypto";
import { appendAudit, createApiKey, listApiKeys, revokeApiKey } from "#libs/adapters/postgres/index.ts";
import { AccessRefused, may, type Right, rights, secretOfKey } from "#libs/access/index.ts";
import type { Handlers } from "../http/app.ts";
import { pageSize } from "../http/door.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";

interface NewKey {
  readonly subject: string;
  readonly role: "trader" | "viewer";
  readonly owner?: string;
  readonly label: string;
  readonly days: number;
}

const dayMs = 86_400_000;

/** Routes about whoever asks, about time, and about API keys. */
export function peopleHandlers(parts: Parts): Handlers {
  const { db, clock, settings } = parts;
  return {
    time: async () => Promise.resolve({ body: { t: Date.now(), marketT: clock.now() } }),
    async me({ principal }) {
      const { id, owner, expiresAt } = principal;
      const held = (Object.keys(rights) as Right[]).filter((right) => may(principal, right));
      const body = { id, roles: [...principal.roles], owner, expiresAt, rights: held, streamsUrl: settings.streamsUrl };
      return Promise.resolve({ body });
    },
    async keys({ query }) {
      const limit = pageSize(query);
      const keys = await listApiKeys(db, query["after"] ?? "", limit);
      return { body: { keys, next: keys.length < limit ? null : (keys.at(-1)?.id ?? null) } };
    },
    async "key-create"({ principal, body }) {
      if (settings.keySecret === null) throw new AccessRefused("not_configured");
      const { subject, role, owner = null, label, days } = body as NewKey;
      if ((role === "trader") !== (owner !== null))
        throw new ApiRefused("invalid_command", {
          problems: [{ path: "$.owner", code: "not_permitted", message: "a trader has an owner, and nobody else" }],
        });
      const id = randomBytes(limits.keyIdBytes).toString("hex");
      const key = { id, subject, owner, roles: [role], label, expiresAt: Date.now() + days * dayMs };
      await db.transaction(async (client) => {
        await createApiKey(client, key);
        await appendAudit(client, { actor: principal.id, action: "key.create", detail: key });
      });
      return { body: { key: id, secret: secretOfKey(settings.keySecret, id) } };
    },
    async "key-revoke"({ principal, params, body }) {
      const id = params["id"] as string;
      await db.transaction(async (client) => {
        if (!(await revokeApiKey(client, id))) throw new ApiRefused("not_found");
        const { reason } = body as { readonly reason: string };
        await appendAudit(client, { actor: principal.id, action: "key.revoke", detail: { id, reason } });
      });
      return { body: { revoked: id } };
    },
  };
}
