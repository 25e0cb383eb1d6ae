import type { LiquidationRules } from "#libs/domain/rule-set/types.ts";

/** How far a price may be trusted, best first. */
export const priceQualities = ["good", "stale", "disputed", "invalid"] as const;
export type PriceQuality = (typeof priceQualities)[number];

/** What someone wants to do with a price; the two liquidations differ in whose price asks for them. */
export const pricedActions = [
  "cancel",
  "reduce_risk",
  "open_risk",
  "withdraw",
  "liquidate_on_mark",
  "liquidate_on_collateral",
] as const;
export type PricedAction = (typeof pricedActions)[number];

/** Freest first: with several prices the last of their permissions in this order holds. */
export const permissions = ["yes", "after_confirmation", "after_grace_and_confirmation", "no"] as const;
export type Permission = (typeof permissions)[number];

/** MARK-12 to MARK-16: every action meets every quality; a cell left out does not compile. */
export const qualityTable: Readonly<Record<PricedAction, Readonly<Record<PriceQuality, Permission>>>> = {
  cancel: { good: "yes", stale: "yes", disputed: "yes", invalid: "yes" },
  reduce_risk: { good: "yes", stale: "yes", disputed: "yes", invalid: "no" },
  open_risk: { good: "yes", stale: "no", disputed: "no", invalid: "no" },
  withdraw: { good: "yes", stale: "no", disputed: "no", invalid: "no" },
  liquidate_on_mark: { good: "yes", stale: "after_confirmation", disputed: "no", invalid: "no" },
  liquidate_on_collateral: { good: "yes", stale: "no", disputed: "after_grace_and_confirmation", invalid: "no" },
};

/** MARK-12 to MARK-16: what the quality of one price permits. */
export function permitted(action: PricedAction, quality: PriceQuality): Permission {
  return qualityTable[action][quality];
}

/** MARK-17: with several prices the strictest permission holds; no price at all forbids nothing. */
export function permittedByAll(action: PricedAction, qualities: Iterable<PriceQuality>): Permission {
  let strictest = 0;
  for (const quality of qualities) strictest = Math.max(strictest, permissions.indexOf(permitted(action, quality)));
  return permissions[strictest] ?? "no";
}

/**
 * MARK-18: whether a permission is given after the condition that asks for the action has held for `heldMs` without
 * a break. Confirmation takes `staleConfirmMs`, grace `disputedGraceMs` before it; either one absent means never.
 */
export function permissionGiven(
  permission: Permission,
  heldMs: number,
  rules: Pick<LiquidationRules, "staleConfirmMs" | "disputedGraceMs">,
): boolean {
  const { staleConfirmMs: confirmMs, disputedGraceMs: graceMs } = rules;
  if (permission === "yes") return true;
  if (permission === "no" || confirmMs === null) return false;
  if (permission === "after_confirmation") return heldMs >= confirmMs;
  return graceMs !== null && heldMs >= graceMs + confirmMs;
}
