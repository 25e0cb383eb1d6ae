import type { AmendRequest, BatchRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import type { Engine } from "../engine.ts";
import { refusedOrder } from "../receipts.ts";
import { Gate } from "./gate.ts";
import { ordersWith, type OverlaySnapshot, Reservations } from "./overlay.ts";
import { allOfIt, recheck } from "./recheck.ts";
import type { GateVerdict } from "./verdicts.ts";
import { exactOrder } from "./wanted.ts";

/** A recorded decision made again. */
export interface DecisionExplained {
  readonly verdicts: readonly GateVerdict[];
  /** Of a single new order that was refused on its merits. */
  readonly receipt: Receipt | null;
}

/**
 * LIM-25, LIQ-22: makes a recorded decision again on the engine at its place, as `recheck` does, with the receipt of a refused order: its
 * reasons, and the smallest change with which it would have passed.
 */
export function explainDecision(
  engine: Engine,
  overlay: OverlaySnapshot,
  request: CheckRequest | AmendRequest | BatchRequest,
): DecisionExplained {
  const verdicts = recheck(engine, overlay, request);
  const [verdict] = verdicts;
  const single = !("orders" in request) && typeof request.order !== "string";
  if (!single || verdict === undefined || verdict.decision === "accept" || overlay.alone !== null)
    return { verdicts, receipt: null };
  return { verdicts, receipt: receiptOf(engine, overlay, request as CheckRequest, verdict) };
}

function receiptOf(
  engine: Engine,
  overlay: OverlaySnapshot,
  { request, account: name, order: asked }: CheckRequest,
  { codes, numbers }: GateVerdict,
): Receipt | null {
  const { machine } = engine;
  const account = machine.book.findAccount(name);
  const order = exactOrder({ machine, account }, asked);
  // Nobody lists the instrument, or the account has never been named: there is nothing to compute with.
  if (order === null || account < 0) return null;
  const gate = new Gate(engine, allOfIt);
  gate.load(overlay);
  const { largest } = gate.whatIf({ request, account: name, order: asked }, Number.NEGATIVE_INFINITY);
  const held = new Reservations();
  for (const view of overlay.reservations[name] ?? []) held.add(name, view);
  const view = machine.book.crossView(account);
  const pool = { ...view, orders: ordersWith(machine, account, view, held.of(name)) };
  const size = largest === undefined || largest === null ? null : Rational.parse(largest);
  return refusedOrder(machine, name, pool, order, { codes, numbers, largest: size });
}
