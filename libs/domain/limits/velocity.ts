import type { Rational } from "#libs/decimal/index.ts";
import type { LimitHierarchy, VelocityRules } from "#libs/domain/rule-set/limit-types.ts";
import { profileVelocity } from "./profiles.ts";
import { levelsOf, profileOf, type Subject } from "./subject.ts";

/** Whose orders a window counts: of all accounts of a client, of one account, of one API key. */
export type Counted = "client" | "account" | "key";

export interface VelocityBinding {
  readonly counted: Counted;
  readonly windowMs: number;
  readonly orders: Rational | null;
  readonly valueUsd: Rational | null;
  readonly source: string;
}

const none: readonly VelocityBinding[] = [];

const isStricter = (left: Rational | null, right: Rational | null): boolean =>
  left !== null && (right === null || left.below(right));

/**
 * LIM-08: the windows that bind a subject: those of the exchange, its tier and its entity count all accounts of the client, those
 * of the account the account, those of a key what comes with it. Of several of one length, the stricter counts each for itself.
 */
export function velocityBindings(hierarchy: LimitHierarchy, subject: Subject): readonly VelocityBinding[] {
  if (!hierarchy.paced) return none;
  const found: VelocityBinding[] = [];
  const add = (windows: readonly VelocityRules[], counted: Counted, source: string): void => {
    for (const window of windows) found.push({ ...window, counted, source });
  };
  const wide: Counted = subject.entity === null ? "account" : "client";
  add(hierarchy.velocity, wide, "exchange");
  for (const { level, id, rules } of levelsOf(hierarchy, subject))
    add(rules.velocity, level === "key" ? "key" : level === "account" ? "account" : wide, `${level} ${id}`);
  const profile = profileOf(hierarchy, subject);
  if (found.length === 0 && profile !== null) add(profileVelocity(profile), wide, `profile ${profile}`);
  return found.filter(
    (one) =>
      !found.some(
        (other) =>
          other !== one &&
          other.counted === one.counted &&
          other.windowMs === one.windowMs &&
          (one.orders === null || isStricter(other.orders, one.orders)) &&
          (one.valueUsd === null || isStricter(other.valueUsd, one.valueUsd)),
      ),
  );
}
