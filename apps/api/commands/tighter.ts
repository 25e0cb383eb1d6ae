import { Rational } from "#libs/decimal/index.ts";
import { profileFigure } from "#libs/domain/limits/profiles.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { limitKeys, profileNames } from "#libs/domain/rule-set/limit-types.ts";

/** Every figure that anything in a document gives for a key, at whatever level. */
function figuresOf(value: unknown, key: string, found: (string | null)[]): void {
  if (Array.isArray(value)) for (const one of value) figuresOf(one, key, found);
  else if (typeof value === "object" && value !== null)
    for (const [name, one] of Object.entries(value)) {
      if (name === key && (typeof one === "string" || typeof one === "number")) found.push(String(one));
      else figuresOf(one, key, found);
    }
}

/** How else a document says a limit. */
const otherNames: Readonly<Record<string, string>> = { maxInstrumentLeverage: "maxLeverage" };

/**
 * Whether an override is tighter than whatever could bind instead: no higher than any figure of that limit anywhere in the rules, those
 * of profiles and of other overrides among them. Errs on the side of asking a second person. A velocity has more than one figure, and
 * lifting is never tighter.
 */
export function certainlyTighter(document: RuleDocument, limit: string, value: string | null): boolean {
  const key = limitKeys.find((one) => one === limit);
  if (value === null || key === undefined) return false;
  const found: (string | null)[] = [];
  for (const name of [limit, otherNames[limit]]) if (name !== undefined) figuresOf(document, name, found);
  for (const override of document.overrides ?? []) if (override.limit === limit) found.push(override.value);
  const bases = [...document.instruments.map(({ base }) => base ?? null), null];
  for (const profile of profileNames)
    for (const base of new Set(bases)) found.push(profileFigure(profile, key, base)?.toStringDown() ?? null);
  const proposed = Rational.parse(value);
  return found.every((figure) => figure === null || Rational.parse(figure).atLeast(proposed));
}
