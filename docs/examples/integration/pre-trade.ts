import { JSONCodec, type NatsConnection } from "nats";

export interface Order {
  readonly id: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price?: string;
  readonly reduceOnly?: boolean;
}

/** By verb, what is asked beside `request` and `deadline`. `qty` of an amendment is what would be open. */
export interface Questions {
  readonly check: { readonly account: string; readonly order: Order };
  readonly amend: { readonly account: string; readonly order: string; readonly qty?: string; readonly price?: string };
  readonly batch: {
    readonly mode: "each" | "all";
    readonly orders: readonly { readonly account: string; readonly order: Order }[];
  };
}

interface Verdict {
  readonly decision: "accept" | "reject";
  readonly codes: readonly string[];
}
interface Decision extends Verdict {
  readonly request: string;
  readonly epoch: number;
  readonly ttlMs: number;
  readonly expiresAt: number;
  /** Of a batch, in its order. */
  readonly results?: readonly Verdict[];
}

/** As the entry of what rests carries it. */
export interface Approval {
  readonly request: string;
  readonly epoch: number;
  readonly until: number;
}

/** `usableUntil`: by `performance.now()`. */
export type Answer =
  | {
      readonly ok: true;
      readonly approval: Approval;
      readonly usableUntil: number;
      readonly results: readonly Verdict[];
    }
  | { readonly ok: false; readonly codes: readonly string[] };

const codec = JSONCodec();
const refused = (...codes: readonly string[]): Answer => ({ ok: false, codes });

/**
 * Asks risk; anything but a fresh approval of the newest leader is a refusal. `request`: never used twice. `epochs`: the highest
 * seen of each shard, which is raised here and by handshakes.
 */
export async function ask<V extends keyof Questions>(
  nats: NatsConnection,
  { shard, verb, question, request }: { shard: string; verb: V; question: Questions[V]; request: string },
  epochs: Map<string, number>,
  timeoutMs = 500,
): Promise<Answer> {
  const sent = performance.now();
  let decision: Decision;
  try {
    const body = codec.encode({ request, deadline: Date.now() + timeoutMs, ...question });
    const reply = await nats.request(`risk.rpc.${shard}.${verb}`, body, { timeout: timeoutMs });
    decision = codec.decode(reply.data) as Decision;
  } catch {
    // No answer in time, nobody there, or no JSON.
    return refused("risk_unavailable");
  }
  const { epoch, ttlMs, expiresAt: until, results = [] } = decision;
  if (decision.request !== request || !Number.isSafeInteger(epoch)) return refused("unreadable");
  if (epoch < (epochs.get(shard) ?? 0)) return refused("stale_epoch");
  epochs.set(shard, epoch);
  if (decision.decision !== "accept") return refused(...(decision.codes ?? results.flatMap(({ codes }) => codes)));
  const usableUntil = sent + ttlMs;
  if (!(performance.now() < usableUntil)) return refused("approval_expired");
  return { ok: true, approval: { request, epoch, until }, usableUntil, results };
}
