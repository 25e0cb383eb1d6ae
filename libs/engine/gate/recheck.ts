import type { AmendRequest, BatchRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import type { Engine } from "../engine.ts";
import type { RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import { Gate } from "./gate.ts";
import type { OverlaySnapshot } from "./overlay.ts";
import type { GateVerdict } from "./verdicts.ts";

export const allOfIt = {
  ttlMs: 500,
  requestsMax: 1,
  reservationsMax: Number.MAX_SAFE_INTEGER,
  reservationsPerAccountMax: Number.MAX_SAFE_INTEGER,
};

/**
 * Makes a recorded decision again: the book at the decision's log position, what it had read of the overlay, and the question.
 * Of a batch every order's verdict, of the others one. What the overlay said by itself is taken from the record.
 */
export function recheck(
  engine: Engine,
  overlay: OverlaySnapshot,
  request: CheckRequest | AmendRequest | BatchRequest,
): readonly GateVerdict[] {
  if (overlay.alone !== null) {
    const verdict: GateVerdict = { decision: "reject", codes: [overlay.alone as RefusalCode], numbers: {} };
    return "orders" in request ? request.orders.map(() => verdict) : [verdict];
  }
  // A gate of its own: nothing of the one in service is touched, and no reservation ages.
  const gate = new Gate(engine, allOfIt);
  gate.load(overlay);
  const now = Number.NEGATIVE_INFINITY;
  if ("orders" in request) return gate.batch(request, now).results;
  const { decision, codes, numbers, shadow } =
    typeof request.order === "string"
      ? gate.amend(request as AmendRequest, now)
      : gate.check(request as CheckRequest, now);
  return [shadow === undefined ? { decision, codes, numbers } : { decision, codes, numbers, shadow }];
}
