import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { CommandView } from "#libs/contracts/api/commands.ts";
import type { ApiExchange, Reply } from "./api-exchange.ts";
import { eventually } from "./live-shard.ts";

export const reason = "a test asks for it";

export const codeOf = ({ body }: Reply): string => body.error?.code ?? "";
/** What has become of a command, or the code of its refusal. */
export const stateOf = ({ status, body }: Reply<CommandView>): string =>
  status < 300 || status === 422 ? (body.state ?? body.error?.code) : (body.error?.code ?? "");

/** People who command by the API, each with an idempotency key and a reason. */
export class Desk {
  readonly #exchange: () => ApiExchange;

  constructor(exchange: () => ApiExchange) {
    this.#exchange = exchange;
  }

  readonly command = async (
    operation: string,
    as: string,
    payload: object,
    key: string = randomUUID(),
  ): Promise<Reply<CommandView>> => this.#exchange().post(`/v1/commands/${operation}`, as, { ...payload, reason }, key);

  readonly approve = async ({ id, payloadHash }: CommandView, as: string): Promise<Reply<CommandView>> =>
    this.#exchange().post(`/v1/commands/${id}/approve`, as, { payloadHash, reason });

  /** A dry run of a change of the rules that is done: its name. */
  readonly dryRun = async (operation: string, payload: object): Promise<string> => {
    const run = randomUUID();
    return eventually("a dry run", async () => {
      const reply = await this.#exchange().post<{ done: boolean }>("/v1/dry-runs", "operator", {
        run,
        operation,
        payload,
      });
      expect(reply.status).toBe(200);
      return reply.body.done ? run : null;
    });
  };
}
