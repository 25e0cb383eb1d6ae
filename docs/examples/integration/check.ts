import { JSONCodec, type NatsConnection } from "nats";

export interface Order {
  readonly id: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price?: string;
  readonly reduceOnly?: boolean;
}

interface Decision {
  readonly request: string;
  readonly decision: "accept" | "reject";
  readonly codes: readonly string[];
  readonly epoch: number;
  readonly ttlMs: number;
  readonly expiresAt: number;
}

/** `usableUntil`: by `performance.now()`. */
export type Answer =
  | { readonly ok: true; readonly request: string; readonly epoch: number; readonly usableUntil: number }
  | { readonly ok: false; readonly codes: readonly string[] };

const codec = JSONCodec();

/** Asks risk about an order; anything but a fresh approval of the newest leader is a refusal. */
export async function check(
  nats: NatsConnection,
  asked: { readonly shard: string; readonly account: string; readonly order: Order; readonly request: string },
  /** Highest epoch seen of each shard. */
  epochs: Map<string, number>,
  timeoutMs = 500,
): Promise<Answer> {
  const { shard, account, order, request } = asked;
  const sent = performance.now();
  let decision: Decision;
  try {
    const body = codec.encode({ request, deadline: Date.now() + timeoutMs, account, order });
    const reply = await nats.request(`risk.rpc.${shard}.check`, body, { timeout: timeoutMs });
    decision = codec.decode(reply.data) as Decision;
  } catch {
    return { ok: false, codes: ["risk_unavailable"] };
  }
  if (decision.request !== request || !Number.isSafeInteger(decision.epoch))
    return { ok: false, codes: ["unreadable"] };
  const newest = epochs.get(shard) ?? 0;
  if (decision.epoch < newest) return { ok: false, codes: ["stale_epoch"] };
  epochs.set(shard, decision.epoch);
  if (decision.decision !== "accept") return { ok: false, codes: decision.codes };
  const usableUntil = sent + decision.ttlMs;
  if (!(performance.now() < usableUntil)) return { ok: false, codes: ["approval_expired"] };
  return { ok: true, request, epoch: decision.epoch, usableUntil };
}
