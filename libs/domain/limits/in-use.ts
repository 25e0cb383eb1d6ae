import type { LimitHierarchy, LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { profileSets } from "./profiles.ts";

/** Whether a limit may bind anybody: what it is measured by need be kept. */
export function inUse({ used, profiles }: LimitHierarchy, key: LimitKey): boolean {
  if (used.has(key)) return true;
  for (const profile of profiles) if (profileSets(profile, key)) return true;
  return false;
}
