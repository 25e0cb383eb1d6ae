import fc from "fast-check";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { ruleDocuments } from "./history-rules.ts";

export const liveTraders = ["a", "b", "c", "d", "lp1", "lp2"] as const;

/** How often each kind of step comes up. */
const kinds = {
  trade: 12,
  deliver: 6,
  serve: 10,
  report: 10,
  again: 2,
  stray: 1,
  order: 4,
  amend: 1,
  cancel: 1,
  crash: 7,
  tick: 5,
  time: 2,
  deposit: 1,
  withdraw: 1,
  transfer: 1,
  fund: 1,
  mode: 2,
  margin: 1,
  convert: 1,
  funding: 2,
  settle: 1,
  expire: 1,
  halt: 1,
  rules: 1,
  quality: 1,
  session: 1,
  attest: 1,
  refused: 1,
  restart: 1,
};
type Kind = keyof typeof kinds;

/** One step as plain small numbers; what they mean is decided by the story. */
export interface LiveDraw {
  readonly kind: Kind;
  readonly who: number;
  readonly other: number;
  readonly what: number;
  readonly size: number;
  readonly turn: number;
}

const liveDraw: fc.Arbitrary<LiveDraw> = fc.record({
  kind: fc.oneof(...Object.entries(kinds).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as Kind) }))),
  who: fc.nat(5),
  other: fc.nat(5),
  what: fc.nat(7),
  size: fc.nat(1000),
  turn: fc.integer({ min: -1000, max: 1000 }),
});

/** A story before it is told. */
export interface LivePlot {
  readonly document: RuleDocument;
  readonly wealth: readonly number[];
  readonly fund: number;
  readonly draws: readonly LiveDraw[];
}

export const livePlots: fc.Arbitrary<LivePlot> = fc.record({
  document: ruleDocuments({ limits: true }).chain((document) =>
    // One account an entry: what takes several is carried on in further entries.
    fc.constantFrom({}, {}, { accountsPerEntryMax: 1 }).map((chunks) => ({ ...document, ...chunks })),
  ),
  wealth: fc.array(fc.nat(1000), { minLength: liveTraders.length, maxLength: liveTraders.length }),
  fund: fc.constantFrom(0, 0, 300, 20_000, 5_000_000),
  draws: fc.array(liveDraw, { minLength: 4, maxLength: 70, size: "max" }),
});
