import { joinPath } from "./problems.ts";
import type { Step } from "./problems.ts";

const stepPattern = /\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/g;

/** The steps of a path such as `$.rules.instruments[0].tiers`, without its root. */
export function stepsOf(path: string): Step[] {
  return [...path.matchAll(stepPattern)].map(([, key, place, quoted]) =>
    place === undefined ? (key ?? quoted ?? "") : Number(place),
  );
}

type Loose = Readonly<Record<string | number, unknown>>;
const inner = (value: unknown, step: Step): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, step) ? (value as Loose)[step] : undefined;

/** The place in `set` of the list item that became `merged[place]`: by id where both have one. */
function placeIn(set: unknown, merged: unknown, place: number): number {
  const id = inner(inner(merged, place), "id");
  if (!Array.isArray(set) || typeof id !== "string") return place;
  // The last one, because an id that stands twice in a change is wrong where it is repeated.
  return set.findLastIndex((one) => inner(one, "id") === id);
}

/**
 * Where in a change a problem of the merged rules comes from: the path as far as `set` has it. `path` is of the merged
 * document, from `$.rules`; the answer begins with `root`.
 */
export function pathInChange(root: string, set: unknown, merged: unknown, path: string): string {
  const found: Step[] = [];
  let written = set;
  let result = merged;
  for (const step of stepsOf(path).slice(1)) {
    const at = typeof step === "number" ? placeIn(written, result, step) : step;
    written = inner(written, at);
    if (written === undefined) break;
    found.push(at);
    result = inner(result, step);
  }
  return joinPath(root, ...found);
}
