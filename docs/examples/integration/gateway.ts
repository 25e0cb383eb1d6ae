import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { check, type Order } from "./check.ts";

export interface GatewayOptions {
  readonly nats: NatsConnection;
  readonly shard: string;
  /** Where the exchange takes orders: `POST <url>/orders`. */
  readonly exchangeUrl: string;
}

export interface Forwarded {
  readonly state: "forwarded" | "refused";
  readonly codes: readonly string[];
}

/** A gateway before an exchange that knows nothing of margin: what risk does not approve in time never reaches it. */
export function openGateway({ nats, shard, exchangeUrl }: GatewayOptions) {
  const epochs = new Map<string, number>();
  return async (account: string, order: Order): Promise<Forwarded> => {
    const answer = await check(nats, { shard, account, order, request: randomUUID() }, epochs);
    if (!answer.ok) return { state: "refused", codes: answer.codes };
    const left = Math.floor(answer.usableUntil - performance.now());
    if (left <= 0) return { state: "refused", codes: ["approval_expired"] };
    const response = await fetch(`${exchangeUrl}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ account, ...order }),
      // After it the approval is worth nothing; the order's fate then is what the exchange says when asked by its id.
      signal: AbortSignal.timeout(left),
    }).catch(() => null);
    if (response === null) return { state: "refused", codes: ["exchange_outcome_unknown"] };
    return response.ok
      ? { state: "forwarded", codes: [] }
      : { state: "refused", codes: [`exchange_${response.status}`] };
  };
}
