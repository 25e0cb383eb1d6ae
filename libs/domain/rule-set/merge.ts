import type { RuleDocument } from "./documents.ts";

type Plain = Record<string, unknown>;

/** An object that inherits nothing, so that a key like `__proto__` is a key and no more. */
const plain = (): Plain => Object.create(null) as Plain;

const isPlain = (value: unknown): value is Plain =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const idOf = (value: unknown): string | undefined => {
  const id = isPlain(value) ? value["id"] : undefined;
  return typeof id === "string" ? id : undefined;
};

const allNamed = (list: readonly unknown[]): boolean => list.every((one) => idOf(one) !== undefined);

/** Lists of objects with ids merge by id, new ones at the end; an id that stands twice in `set` stays twice. */
function mergeLists(before: readonly unknown[], set: readonly unknown[]): unknown[] {
  if (!allNamed(before) || !allNamed(set)) return [...set];
  const places = new Map(before.map((one, at) => [idOf(one), at]));
  const merged = [...before];
  for (const one of set) {
    const place = places.get(idOf(one));
    if (place === undefined) {
      merged.push(one);
    } else {
      merged[place] = merge(before[place], one);
      places.delete(idOf(one));
    }
  }
  return merged;
}

function merge(before: unknown, set: unknown): unknown {
  if (Array.isArray(before) && Array.isArray(set)) return mergeLists(before, set);
  if (!isPlain(before) || !isPlain(set)) return set;
  const merged = plain();
  for (const key of Object.keys(before)) merged[key] = before[key];
  for (const key of Object.keys(set))
    merged[key] = Object.hasOwn(before, key) ? merge(before[key], set[key]) : set[key];
  return merged;
}

/**
 * A rule document with `set` laid over it: objects key by key, lists of objects with ids by id, everything else
 * (amounts, tiers, slices, warnings, providers) replaced. Pure; neither argument is changed, parts may be shared.
 * The result has no more shape than `set` has, so it must be checked like any document from outside.
 */
export function mergeRules(document: RuleDocument, set: unknown): RuleDocument {
  return merge(document, set) as RuleDocument;
}
