import type { AmendRequest, BatchRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import type { Finding, RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import type { Engine } from "../engine.ts";
import type { Machine } from "../machine.ts";
import { PriceMissing } from "../market.ts";
import { refusedOrder } from "../receipts.ts";
import { Gate } from "./gate.ts";
import { largestPassing } from "./largest.ts";
import { ordersWith, type OverlaySnapshot, Reservations } from "./overlay.ts";
import { Rates } from "./rates.ts";
import { allOfIt, recheck } from "./recheck.ts";
import { type Change, Standing } from "./standing.ts";
import { type GateVerdict, shrinks } from "./verdicts.ts";
import { amendment, exactOrder, newOrder } from "./wanted.ts";

/** A recorded decision made again. */
export interface DecisionExplained {
  readonly verdicts: readonly GateVerdict[];
  /** Of each verdict: null for an approval, and for a refusal that is not on the order's own merits. */
  readonly receipts: readonly (Receipt | null)[];
}

/**
 * LIM-25, LIQ-22: makes a recorded decision again on the engine at its place, as `recheck` does, with the receipt of each refused order:
 * its reasons, and the smallest change with which it would have passed. An order of a batch is explained with those before it approved.
 */
export function explainDecision(
  engine: Engine,
  overlay: OverlaySnapshot,
  request: CheckRequest | AmendRequest | BatchRequest,
): DecisionExplained {
  const verdicts = recheck(engine, overlay, request);
  if (overlay.alone !== null) return { verdicts, receipts: verdicts.map(() => null) };
  const read = "orders" in request ? readInTurn(engine, overlay, request) : [{ overlay, asked: request }];
  const receipts = verdicts.map((verdict, at) => {
    const one = read[at];
    const onMerits = verdict.decision === "reject" && !verdict.codes.some((code) => notOnMerits.has(code));
    return one === undefined || !onMerits ? null : receiptOf(engine, one.overlay, one.asked, verdict);
  });
  return { verdicts, receipts };
}

/** No change of the order would have helped. */
const notOnMerits: ReadonlySet<RefusalCode> = new Set(["batch_refused", "order_unknown", "overloaded"]);

/** What each order of a batch was judged on: the overlay with what was approved before it in the batch. */
function readInTurn(
  engine: Engine,
  overlay: OverlaySnapshot,
  { orders }: BatchRequest,
): { readonly overlay: OverlaySnapshot; readonly asked: CheckRequest }[] {
  const gate = new Gate(engine, { ...allOfIt, requestsMax: orders.length });
  gate.load(overlay);
  return orders.map(({ account, order }, at) => {
    const asked = { request: String(at), account, order };
    const answer = gate.check(asked, Number.NEGATIVE_INFINITY);
    return { overlay: answer.overlay ?? overlay, asked };
  });
}

function receiptOf(
  engine: Engine,
  overlay: OverlaySnapshot,
  request: CheckRequest | AmendRequest,
  { codes, numbers }: GateVerdict,
): Receipt | null {
  const { machine } = engine;
  // The account has never been named: there is nothing to compute with.
  if (machine.book.findAccount(request.account) < 0) return null;
  const standing = standingOn(machine, overlay, request.account);
  const wanted = wantedBy(standing, request);
  if (wanted === null) return null;
  const { old, change } = wanted;
  const rates = new Rates(machine);
  rates.load(overlay.rates ?? {});
  const { account } = request;
  const { order } = change;
  const ratesOf = (one: Change): readonly Finding[] => findingsOf(rates, account, one);
  const { mode, reason } = overlay;
  const passing = largestPassing(standing, change, { mode, reason }, ratesOf);
  // What only takes a part of the order back needs no check to pass.
  const kept = old !== null && shrinks(old, { ...order, qty: old.qty }) ? old.qty : null;
  const largest = passing === null || kept === null ? (passing ?? kept) : Rational.max(passing, kept);
  const others = standing.orders.filter((one) => one.id !== old?.id);
  return refusedOrder(machine, account, { ...standing.pool, orders: others }, order, { codes, numbers, largest });
}

/** Of an order that cannot be valued the other checks say why. */
function findingsOf(rates: Rates, account: string, { key, order }: Change): readonly Finding[] {
  try {
    return rates.findings(account, key ?? undefined, order, Number.NEGATIVE_INFINITY);
  } catch (error) {
    if (error instanceof PriceMissing) return [];
    throw error;
  }
}

/** The account with what was approved on it, as its owner's other accounts are with what was approved on them. */
function standingOn(machine: Machine, overlay: OverlaySnapshot, name: string): Standing {
  const account = machine.book.findAccount(name);
  const held = new Reservations();
  for (const view of overlay.reservations[name] ?? []) held.add(name, view);
  return new Standing(
    machine,
    name,
    account,
    (view) => ordersWith(machine, account, view, held.of(name)),
    (peer) => standingOn(machine, overlay, peer),
    () => held.pending(name),
  );
}

/** What was asked for, and the order that it would have replaced; null: the rules list no such instrument, or there is no such order. */
function wantedBy(
  standing: Standing,
  request: CheckRequest | AmendRequest,
): { readonly old: RestingOrder | null; readonly change: Change } | null {
  const { order } = request;
  if (typeof order === "string") return amendment(standing, request as AmendRequest);
  const exact = exactOrder(standing, order);
  return exact === null ? null : { old: null, change: newOrder(exact, order) };
}
