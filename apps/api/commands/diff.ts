import { joinPath, type Step } from "#libs/contracts/problems.ts";

export interface Change {
  readonly path: string;
  /** Absent: there was nothing. */
  readonly before?: unknown;
  readonly after?: unknown;
}

type Loose = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const idOf = (value: unknown): string | null => {
  const id = isObject(value) ? value["id"] : undefined;
  return typeof id === "string" ? id : null;
};

/** Lists of things with ids are compared by id, others place by place. */
function keyed(list: readonly unknown[]): Loose | null {
  const ids = list.map(idOf);
  if (ids.includes(null) || new Set(ids).size !== ids.length) return null;
  return Object.fromEntries(list.map((one, at) => [ids[at] as string, one]));
}

/** What differs between two JSON documents, by path, at most `most`; `dropped`: how many more there are. */
export function documentDiff(
  before: unknown,
  after: unknown,
  most: number,
): { readonly changes: readonly Change[]; readonly dropped: number } {
  const changes: Change[] = [];
  let dropped = 0;
  const add = (steps: readonly Step[], change: Omit<Change, "path">): void => {
    if (changes.length < most) changes.push({ path: joinPath("$", ...steps), ...change });
    else dropped += 1;
  };
  const compare = (left: unknown, right: unknown, steps: readonly Step[]): void => {
    const [one, other] = Array.isArray(left) && Array.isArray(right) ? [keyed(left), keyed(right)] : [left, right];
    if (isObject(one) && isObject(other)) {
      for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
        if (!Object.hasOwn(one, key)) add([...steps, key], { after: other[key] });
        else if (!Object.hasOwn(other, key)) add([...steps, key], { before: one[key] });
        else compare(one[key], other[key], [...steps, key]);
      }
    } else if (JSON.stringify(left) !== JSON.stringify(right)) add(steps, { before: left, after: right });
  };
  compare(before, after, []);
  return { changes, dropped };
}
