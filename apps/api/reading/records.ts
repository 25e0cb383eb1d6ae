import {
  acknowledgeAlert,
  appendAudit,
  Corrupt,
  readAlerts,
  readAudit,
  verifyAudit,
} from "#libs/adapters/postgres/index.ts";
import type { Handlers } from "../http/app.ts";
import { pageSize } from "../http/door.ts";
import { ApiRefused } from "../http/refused.ts";
import type { Parts } from "../parts.ts";

/** Routes about what people should have seen, and about what people did. */
export function recordHandlers({ db }: Parts): Handlers {
  return {
    async alerts() {
      return { body: { alerts: (await readAlerts(db)).map((alert) => ({ ...alert, told: undefined })) } };
    },
    async "alert-acknowledge"({ principal, params }) {
      const id = params["alert"] as string;
      const seen = await db.transaction(async (client) => {
        const alert = await acknowledgeAlert(client, id, principal.id);
        if (alert === null) throw new ApiRefused("not_found");
        if (alert.ack?.by === principal.id)
          await appendAudit(client, { actor: principal.id, action: "alert.acknowledge", detail: { id } });
        return alert;
      });
      return { body: seen };
    },
    async audit({ query }) {
      const after = Number(query["after"] ?? 0);
      const records = await readAudit(db, after, pageSize(query));
      return { body: { records, next: records.at(-1)?.seq ?? after } };
    },
    async "audit-verify"() {
      try {
        const { seq, hash } = await verifyAudit(db);
        return { body: { holds: true, why: null, seq, hash } };
      } catch (error) {
        if (!(error instanceof Corrupt)) throw error;
        return { body: { holds: false, why: error.message, seq: 0, hash: null } };
      }
    },
  };
}
