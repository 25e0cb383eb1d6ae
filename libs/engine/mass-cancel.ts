import type { Effect, Entry } from "#libs/contracts/log.ts";
import type { HaltScope } from "#libs/domain/breakers/halts.ts";
import { entityOf } from "./entities.ts";
import type { Machine } from "./machine.ts";
import { cancelOrder } from "./resting-orders.ts";

type CancelAll = Extract<Effect, { effect: "cancel_all" }>;

/** What an action touches: whatever is null plays no part. */
export interface Concern {
  readonly account: string | null;
  readonly instrument: string | null;
}

/**
 * BRK-19: a state that takes every resting order of its scope has been entered. A matching engine is told once for all of them, those
 * included that are still on their way here; they rest here until it has said of each that it is gone.
 */
export function cancelScope(machine: Machine, scope: HaltScope, id: string): void {
  if (machine.options.venue === "matching") return askForAll(machine, scope, id);
  for (const account of machine.accountsInOrder())
    for (const order of machine.book.orders(account).slice()) {
      const { id: instrument } = machine.instrument(order.instrument);
      if (concerns(machine, scope, id, { account: machine.accountName(account), instrument }))
        cancelOrder(machine, order, "halt");
    }
}

function askForAll(machine: Machine, scope: HaltScope, id: string): void {
  if (pending(machine, scope, id) !== undefined) return;
  const accounts = scope === "entity" ? (machine.rules.entities.get(id)?.accounts ?? [id]) : null;
  machine.effect({
    id: `${machine.appliedSeq}-w${machine.touched.nextWithdrawal()}`,
    effect: "cancel_all",
    scope,
    of: scope === "global" ? null : id,
    accounts: accounts === null ? null : [...accounts],
    since: machine.t,
  });
}

function concerns(machine: Machine, scope: HaltScope, id: string, { account, instrument }: Concern): boolean {
  if (scope === "global") return true;
  if (scope === "instrument") return instrument === id;
  if (account === null) return false;
  return (scope === "account" ? account : entityOf(machine, account)) === id;
}

function pending(machine: Machine, scope: HaltScope, id: string): CancelAll | undefined {
  for (const open of machine.openEffects.values())
    if (open.effect === "cancel_all" && open.scope === scope && (open.of ?? "") === id) return open;
  return undefined;
}

/** BRK-20: whether a scope that concerns this is still being emptied at the matching engine. */
export function isBeingEmptied(machine: Machine, concern: Concern): boolean {
  for (const open of machine.openEffects.values())
    if (open.effect === "cancel_all" && concerns(machine, open.scope, open.of ?? "", concern)) return true;
  return false;
}

/** BRK-20: the matching engine holds nothing of the scope any more. `afterMs`: since it was asked to. */
export function applyCancelled(machine: Machine, entry: Extract<Entry, { k: "cancelled" }>): void {
  const open = machine.openEffects.get(entry.effect);
  if (open?.effect !== "cancel_all") {
    machine.fact("outcome.ignored", { effect: entry.effect, kind: entry.k });
    return;
  }
  machine.effectDone(entry.effect);
  const { scope, of } = open;
  machine.fact("halt.emptied", { scope, id: of, orders: entry.orders, afterMs: machine.t - open.since });
}
