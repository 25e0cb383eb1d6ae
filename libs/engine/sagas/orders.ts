import { Rational } from "#libs/decimal/index.ts";
import { contractsOf } from "../amounts.ts";
import { cancelAllSince, gateOf } from "../gates.ts";
import type { Machine } from "../machine.ts";
import type { Saga } from "./saga.ts";

/** What a stage has to say when it returns: it waits for an outcome or a look at health, or it has something to tell the table. */
export type StageResult = "waiting" | "exhausted" | "flat" | "judge";

export interface ClosingOrder {
  readonly instrument: number;
  readonly qty: Rational;
  /** null: any price. */
  readonly limit: Rational | null;
  readonly depthShare: Rational | null;
  readonly whenDeep: boolean;
  readonly backing: { readonly reference: Rational; readonly budget: Rational } | null;
}

/** Signed contracts that the pool holds of an instrument. */
export function heldBy(machine: Machine, saga: Saga, instrument: number): Rational {
  const row = machine.book.findRow(saga.account, instrument);
  return row < 0 ? Rational.zero : contractsOf(machine.instrument(instrument), machine.book.qty(row));
}

/** Asks the venue to close; the saga waits for what becomes of it. Ids derive from saga and step, so a repeat is recognised. */
export function emitClose(machine: Machine, saga: Saga, order: ClosingOrder): "waiting" {
  const held = heldBy(machine, saga, order.instrument);
  saga.step += 1;
  saga.limit = order.limit;
  saga.effect = `${saga.id}-${saga.step}`;
  const sell = held.sign > 0;
  machine.effect({
    id: saga.effect,
    effect: "close",
    saga: saga.id,
    account: machine.accountName(saga.account),
    instrument: machine.instrument(order.instrument).id,
    side: sell ? "sell" : "buy",
    qty: order.qty.toStringDown(),
    // As text a limit has 18 decimals: rounded in the pool's favour, a sale up, a purchase down.
    limit: order.limit === null ? null : sell ? order.limit.toStringUp() : order.limit.toStringDown(),
    depthShare: order.depthShare?.toStringDown() ?? null,
    whenDeep: order.whenDeep,
    backing:
      order.backing === null
        ? null
        : { reference: order.backing.reference.toStringDown(), budget: order.backing.budget.toStringDown() },
  });
  return "waiting";
}

/** Asks to be called again: the rest does not fit into one entry. */
export function emitResume(machine: Machine, saga: Saga): "waiting" {
  saga.step += 1;
  saga.effect = `${saga.id}-${saga.step}`;
  machine.effect({ id: saga.effect, effect: "resume", saga: saga.id });
  return "waiting";
}

/**
 * BRK-03, BRK-04: how closing orders of an instrument may go to the book now: as they are; only into depth for a whole slice, until the
 * configured time has passed; or not at all, and the saga looks again at the next frame.
 */
export function bookAccess(machine: Machine, saga: Saga, instrument: number): "open" | "when_deep" | "closed" {
  const { id } = machine.instrument(instrument);
  const permission = gateOf(machine, saga.account, id).permission("liquidate_on_book");
  if (permission === "yes") return "open";
  if (permission !== "waits_for_depth") return "closed";
  const since = cancelAllSince(machine, saga.account, id);
  return machine.t - since >= machine.rules.liquidation.cancelAllWaitMs ? "open" : "when_deep";
}
