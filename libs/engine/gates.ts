import { effectiveState, stateAt } from "#libs/domain/breakers/halts.ts";
import {
  type HaltedAction,
  type HaltPermission,
  type HaltState,
  needsReduceOnlyMark,
  permits,
  strictest,
} from "#libs/domain/breakers/states.ts";
import { permissionGiven, permittedByAll, type PriceQuality } from "#libs/domain/mark-price/quality.ts";
import { evaluatePool } from "#libs/domain/health/evaluate.ts";
import { ratioAtMost } from "#libs/domain/liquidation/order-of-pools.ts";
import type { Rational } from "#libs/decimal/index.ts";
import type { MarketView, Pool } from "#libs/domain/positions/views.ts";
import { entityOf } from "./entities.ts";
import type { Machine } from "./machine.ts";
import { isBeingEmptied } from "./mass-cancel.ts";

/** What the breakers in force say about an account and, where one is concerned, an instrument. */
export interface Gate {
  readonly state: HaltState;
  /** The permission of an action is a plain yes, or a yes once resting orders are gone and they are (BRK-20). */
  permits(action: HaltedAction): boolean;
  permission(action: HaltedAction): HaltPermission;
  readonly reduceOnlyMarkNeeded: boolean;
}

/** BRK-07: the strictest of global, instrument, account and entity. A failed self-audit counts as `no_new_orders` everywhere. */
export function gateOf(machine: Machine, account: number | null, instrument: string | null): Gate {
  return gateOfName(machine, account === null ? null : machine.accountName(account), instrument);
}

/** BRK-07 for an account by its id, which the book need not know yet. */
export function gateOfName(machine: Machine, name: string | null, instrument: string | null): Gate {
  let state: HaltState = "normal";
  if (machine.halts.length > 0) {
    state = effectiveState(
      machine.halts,
      {
        ...(instrument === null ? {} : { instrument }),
        ...(name === null ? {} : { account: name, entity: entityOf(machine, name) }),
      },
      machine.t,
      machine.rules.breakers,
    );
  }
  if (machine.auditFailure !== null) state = strictest([state, "no_new_orders"]);
  const permission = (action: HaltedAction): HaltPermission => permits(action, state);
  return {
    state,
    permission,
    permits(action) {
      const given = permission(action);
      return given === "yes" || (given === "after_cancel" && !isBeingEmptied(machine, { account: name, instrument }));
    },
    reduceOnlyMarkNeeded: needsReduceOnlyMark(state),
  };
}

/** Since when (UTC ms) everything of a scope that concerns an account and an instrument has been cancelled. */
export function cancelAllSince(machine: Machine, account: number, instrument: string): number {
  const name = machine.accountName(account);
  const concern: Record<string, string> = { instrument, account: name, entity: entityOf(machine, name), global: "" };
  const times = machine.halts
    .filter((one) => concern[one.scope] === one.id && stateAt(one, machine.t, machine.rules.breakers) === "cancel_all")
    .map((one) => one.since);
  return Math.min(...times, machine.t);
}

function qualityOfAsset(machine: Machine, id: string): PriceQuality {
  return machine.book.market.assetQuality(machine.book.assetIndex(id));
}

/** The qualities of the marks of a pool's positions. */
export function markQualities(machine: Machine, pool: Pool): PriceQuality[] {
  const positions = pool.kind === "cross" ? pool.positions : [pool.position];
  return positions.map(({ instrument }) =>
    machine.book.market.instrumentQuality(machine.book.instrumentIndex(instrument.id)),
  );
}

/** The qualities of the indices that a pool's collateral and settle assets are valued at. */
export function indexQualities(machine: Machine, pool: Pool): PriceQuality[] {
  if (pool.kind === "isolated") return [qualityOfAsset(machine, pool.position.instrument.settle)];
  const assets = new Set(pool.cash.filter((one) => !one.amount.isZero()).map((one) => one.asset));
  for (const { instrument } of pool.positions) assets.add(instrument.settle);
  return [...assets].map((asset) => qualityOfAsset(machine, asset));
}

export function pricesGood(machine: Machine, pool: Pool): boolean {
  return [...markQualities(machine, pool), ...indexQualities(machine, pool)].every((one) => one === "good");
}

/** The market with every index that is not good replaced by the last good one. */
function marketOfGoodIndices(machine: Machine): MarketView {
  const { market, lastGood } = machine;
  const good = (id: string, quality: PriceQuality, price: Rational): Rational =>
    quality === "good" ? price : (lastGood.get(id) ?? price);
  return {
    asset: (id) => market.asset(id),
    index: (id) => good(id, qualityOfAsset(machine, id), market.index(id)),
    mark: (id) => market.mark(id),
    haircutInitial: (id) => market.haircutInitial(id),
    haircutMaintenance: (id) => market.haircutMaintenance(id),
    openInterest: (id) => market.openInterest(id),
    platformCash: (id) => market.platformCash(id),
  };
}

/**
 * Whether price quality lets a pool be liquidated now (MARK-14 … MARK-18). A mark that is not good is never liquidated on without its
 * confirmation. A collateral index that is not good matters only where it alone is the cause: where the last good index would
 * not do. `heldSince` is when the condition began without a break. `false` means: look again at the next frame.
 */
export function liquidationPermitted(machine: Machine, pool: Pool, heldSince: number): boolean {
  if (pricesGood(machine, pool)) return true;
  const { liquidation } = machine.rules;
  const heldMs = machine.t - heldSince;
  const marks = markQualities(machine, pool);
  if (!permissionGiven(permittedByAll("liquidate_on_mark", marks), heldMs, liquidation)) return false;
  const indices = indexQualities(machine, pool);
  const onCollateral = permissionGiven(permittedByAll("liquidate_on_collateral", indices), heldMs, liquidation);
  if (onCollateral) return true;
  const sure = evaluatePool(pool, marketOfGoodIndices(machine), machine.rules);
  return ratioAtMost({ equity: sure.maintenanceEquity, mm: sure.mm }, liquidation.partialAt);
}
