import { isAmount } from "./amounts.ts";
import { percent, whole, words } from "./format.ts";

interface Link {
  readonly evidence: readonly object[];
}

const one = (reason: Readonly<Record<string, unknown>>): string => {
  const { kind, share, matched, sharedBy } = reason;
  if (kind === "opposite_trading")
    return `trading against each other (${whole(Number(matched))} fills, ${typeof share === "string" && isAmount(share) ? percent(share, 0) : "–"} of theirs)`;
  const by = typeof sharedBy === "number" && sharedBy > 2 ? ` (of ${sharedBy})` : "";
  return `the same ${words(String(kind))}${by}`;
};

/** What speaks for accounts being one owner's, each kind of evidence once, in the order of the links. */
export const evidenceText = (links: readonly Link[]): string =>
  [
    ...new Set(
      links.flatMap(({ evidence }) => evidence.map((reason) => one(reason as Readonly<Record<string, unknown>>))),
    ),
  ].join(", ");
