import { commandById, listCommands } from "#libs/adapters/postgres/index.ts";
import { type Operation, operations } from "#libs/contracts/api/commands.ts";
import type { Handler, Handlers } from "../http/app.ts";
import { pageSize } from "../http/door.ts";
import { ApiRefused } from "../http/refused.ts";
import type { Parts } from "../parts.ts";
import type { Commands } from "./commands.ts";
import { dryRunCommand } from "./dry-runs.ts";
import { viewOf } from "./view.ts";

/** Routes by which operators command, and see what they commanded. */
export function commandHandlers(parts: Parts, commands: Commands): Handlers {
  const submit =
    (operation: Operation): Handler =>
    async (call) =>
      commands.submit(operation, call);
  return {
    ...Object.fromEntries(operations.map((operation) => [`command-${operation}`, submit(operation)])),
    "dry-run": async ({ principal, body }) => ({
      body: await dryRunCommand(parts, principal, body as Parameters<typeof dryRunCommand>[2]),
    }),
    approve: async ({ principal, params, body }) =>
      commands.approve(principal, params["id"] as string, body as { payloadHash: string; reason: string }),
    reject: async ({ principal, params, body }) =>
      commands.reject(principal, params["id"] as string, (body as { reason: string }).reason),
    async commands({ query }) {
      const limit = pageSize(query);
      const page = { state: query["state"] ?? null, before: query["before"] ?? null, limit };
      const rows = await listCommands(parts.db, page);
      return { body: { commands: rows.map(viewOf), before: rows.length < limit ? null : (rows.at(-1)?.id ?? null) } };
    },
    async command({ params }) {
      const row = await commandById(parts.db, params["id"] as string);
      if (row === null) throw new ApiRefused("not_found");
      return { body: viewOf(row) };
    },
  };
}
