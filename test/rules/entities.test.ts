import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { confirm } from "#libs/domain/entities/confirm.ts";
import {
  detectionDefaults,
  type EvidenceKind,
  type EvidenceRecord,
  type SeenFill,
} from "#libs/domain/entities/evidence.ts";
import { detectEntities, type Proposal } from "#libs/domain/entities/proposals.ts";
import { table } from "#test/support/table.ts";

/** `device x a b c`: these accounts were seen with the value x. */
function evidence(text: string): EvidenceRecord[] {
  if (text === "-") return [];
  return text.split(", ").flatMap((one) => {
    const [kind, hash = "", ...accounts] = one.split(" ");
    return accounts.map((account) => ({ account, kind: kind as EvidenceKind, hash, from: 1, until: 1 }));
  });
}

const crowd = (n: number): string => Array.from({ length: n }, (_, at) => `c${at}`).join(" ");

const scores = table(`
  rule   | evidence                                | proposed     | score  | because
  LIM-41 | deposit_address x a b                   | a b          | 0.8    | the weight of the kind
  LIM-41 | device x a b                            | a b          | 0.6    | of another one
  LIM-41 | device x a b, device y a b              | a b          | 0.84   | 1 − 0.4 · 0.4
  LIM-41 | contact x a b                           | -            | -      | 0.4 is below the threshold of 0.5
  LIM-41 | contact x a b, device y a b             | a b          | 0.76   | 1 − 0.6 · 0.4
  LIM-41 | funding_path x a b                      | a b          | 0.5    | the threshold itself
  LIM-41 | deposit_address x a b c                 | -            | -      | shared by three it says half: 0.4
  LIM-41 | device x a b, device x a b              | a b          | 0.6    | the same value once
  LIM-41 | device x a b, deposit_address x a b     | a b          | 0.92   | values of two kinds are two
  LIM-41 | deposit_address x ${crowd(21)}          | -            | -      | what more than 20 share is nobody's
  LIM-43 | device x a b, device y b c              | a b c        | 0.6    | who is linked to the same is of one proposal
  LIM-43 | deposit_address x a b, device y b c     | a b c        | 0.6    | whose score is its weakest link's
  LIM-43 | device x a b, device y b c, deposit_address z a c | a b c | 0.6 | a link that is not needed does not count
`);
describe("scores", () => {
  for (const { rule, evidence: text, proposed, score, because } of scores)
    test(`${rule} ${text.slice(0, 60)}: ${because}`, () => {
      const { proposals } = detectEntities(evidence(text), []);
      expect(proposals.map((one) => [one.accounts.join(" "), one.score.toStringDown(4)])).toEqual(
        proposed === "-" ? [] : [[proposed, score]],
      );
    });
});

let at = 0;
const fill = (account: string, side: "buy" | "sell", t = 0, qty = "1"): SeenFill => ({
  account,
  instrument: "X",
  side,
  qty,
  t,
});
/** Both sides of so many trades, each in a window of its own. */
function opposite(one: string, other: string, count: number): SeenFill[] {
  return Array.from({ length: count }, () => {
    at += 10_000;
    return [fill(one, "buy", at), fill(other, "sell", at + 999)];
  }).flat();
}
function busy(account: string, count: number): SeenFill[] {
  return Array.from({ length: count }, () => fill(account, "buy", (at += 10_000)));
}
const scoreOf = (fills: readonly SeenFill[]): string[] =>
  detectEntities([], fills).proposals.map((one) => `${one.accounts.join(" ")} ${one.score.toStringDown(4)}`);

test("LIM-42 who trades against each other at once is linked, by the share of what both do", () => {
  expect(scoreOf(opposite("a", "b", 5))).toEqual(["a b 0.6"]);
  expect(scoreOf(opposite("a", "b", 4))).toEqual([]);
  // 10 of 12 fills of the one, all of the other: 0.6 · 10/12.
  expect(scoreOf([...opposite("a", "b", 10), ...busy("a", 2)])).toEqual(["a b 0.5"]);
  // A market maker stands opposite everybody, each with a small share of what it does.
  expect(scoreOf(["a", "b", "c"].flatMap((one) => opposite("maker", one, 10)))).toEqual([]);
});

test("LIM-42 the same side, another size, instrument or window, and a crowd in one window say nothing", () => {
  const windows = Array.from({ length: 10 }, (_, n) => n * 10_000);
  const seen = (change: (t: number) => SeenFill[]): string[] => scoreOf(windows.flatMap(change));
  expect(seen((t) => [fill("a", "buy", t), fill("b", "sell", t)])).toEqual(["a b 0.6"]);
  expect(seen((t) => [fill("a", "buy", t), fill("b", "buy", t)])).toEqual([]);
  expect(seen((t) => [fill("a", "buy", t), fill("b", "sell", t, "2")])).toEqual([]);
  expect(seen((t) => [fill("a", "buy", t), { ...fill("b", "sell", t), instrument: "Y" }])).toEqual([]);
  expect(seen((t) => [fill("a", "buy", t), fill("b", "sell", t + 1_000)])).toEqual([]);
  const six = (t: number): SeenFill[] =>
    "a c d e f"
      .split(" ")
      .map((one) => fill(one, "buy", t))
      .concat(fill("b", "sell", t));
  expect(seen(six)).toEqual(["a b c d e f 0.6"]);
  expect(seen((t) => [...six(t), fill("g", "buy", t)])).toEqual([]);
});

test("LIM-43 what the rules put together already is no news, what they do not yet is; owners that differ contradict", () => {
  const records = evidence("device x a b, device y b c");
  const known = (text: string): Map<string, string> =>
    new Map(text.split(" ").map((one) => one.split("=") as [string, string]));
  expect(detectEntities(records, [], known("a=one b=one c=one")).proposals).toEqual([]);
  const [more] = detectEntities(records, [], known("a=one b=one")).proposals;
  expect(more).toMatchObject({ accounts: ["a", "b", "c"], entities: ["one"] });
  const [torn] = detectEntities(records, [], known("a=one c=two")).proposals;
  expect(torn?.entities).toEqual(["one", "two"]);
});

test("LIM-43 accounts of two entities that evidence joins are told, though every one of them is known", () => {
  const known = new Map([
    ["a", "one"],
    ["b", "two"],
  ]);
  expect(detectEntities(evidence("device x a b"), [], known).proposals).toMatchObject([{ entities: ["one", "two"] }]);
});

test("LIM-41 what is common and what a kind weighs are data, and a value is seen from its first to its last time", () => {
  const rules = { ...detectionDefaults, commonAbove: 3, threshold: Rational.parse("0.4") };
  const shared = evidence("deposit_address x a b c");
  const found = (commonAbove: number) => detectEntities(shared, [], new Map(), { ...rules, commonAbove }).proposals;
  expect([found(3).length, found(2).length]).toEqual([1, 0]);
  const times = (account: string, from: number, until: number) =>
    ({ account, kind: "device", hash: "x", from, until }) as const;
  const seen = [times("a", 30, 40), times("a", 10, 20), times("b", 15, 15), times("b", 16, 17)];
  expect(detectEntities(seen, []).proposals[0]?.links[0]?.reasons).toMatchObject([{ from: 15, until: 40 }]);
});

test("LIM-43 a confirmation is a change of the rules with all accounts of the entity, and takes none from another", () => {
  const proposal: Proposal = { accounts: ["b", "c"], score: Rational.one, entities: [], links: [] };
  expect(confirm(proposal, "smith")).toEqual({ ok: true, set: { entities: { smith: { accounts: ["b", "c"] } } } });
  expect(confirm({ ...proposal, entities: ["smith"] }, "smith", { smith: { accounts: ["d", "b"] } })).toEqual({
    ok: true,
    set: { entities: { smith: { accounts: ["b", "c", "d"] } } },
  });
  expect(confirm({ ...proposal, entities: ["jones"] }, "smith")).toMatchObject({ ok: false });
});

test("LIM-43 a proposal holds at most 50 accounts, and evidence says what it is", () => {
  const chain = Array.from({ length: 80 }, (_, n) => `device v${n} a${n} a${n + 1}`).join(", ");
  expect(Math.max(...detectEntities(evidence(chain), []).proposals.map((one) => one.accounts.length))).toBe(50);
  const [found] = detectEntities(evidence("device x a b"), opposite("a", "b", 6)).proposals;
  const reasons = found?.links[0]?.reasons.map(({ weight, ...reason }) => ({
    ...reason,
    weight: weight.toStringDown(),
  }));
  expect(reasons).toMatchObject([
    { kind: "device", hash: "x", sharedBy: 2, from: 1, until: 1, weight: "0.6" },
    { kind: "opposite_trading", matched: 6, weight: "0.6" },
  ]);
});
