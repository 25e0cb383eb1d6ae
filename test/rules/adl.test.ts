import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { allocate, type Counterparty } from "#libs/domain/adl/allocation.ts";
import { capacity, lotsKeepingRatio, profitsAt } from "#libs/domain/adl/capacity.ts";
import { hedgedContracts, underlyingExposure } from "#libs/domain/adl/hedges.ts";
import { adlPublication, disagreements, parseFraction, rankingText } from "#libs/domain/adl/publication.ts";
import { type Candidate, indicators, isCandidate, rank } from "#libs/domain/adl/ranking.ts";
import {
  adlScore,
  compareForAdl,
  exactScoreText,
  type PoolMode,
  type Scored,
  scoreText,
} from "#libs/domain/adl/score.ts";
import type { AdlPolicy, InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { sha256 } from "#libs/engine/digest.ts";
import { table } from "#test/support/table.ts";

const n = (text: string): Rational => {
  const [over, under] = text.split("/") as [string, string?];
  return under === undefined ? Rational.parse(over) : Rational.parse(over).dividedBy(Rational.parse(under));
};
const linear = { kind: "linear", multiplier: n("1"), lot: n("1") } as InstrumentRules;
const inverse = { kind: "inverse", multiplier: n("100"), lot: n("1") } as InstrumentRules;

function scored(over: Partial<Scored> = {}): Scored {
  return { account: "a", mode: "cross", notionalUsd: n("100"), score: n("1"), ...over };
}

function candidate(over: Partial<Candidate> = {}): Candidate {
  return {
    account: "a",
    mode: "cross",
    qty: n("1"),
    notionalUsd: n("100"),
    profit: n("10"),
    cost: n("90"),
    fullEquityUsd: n("50"),
    liquidating: false,
    system: false,
    ...over,
  };
}

const scores = table(`
  rule   | profit | cost  | notional | equity | score     | because
  ADL-01 | 10     | 50    | 200      | 100    | 2/5       | in profit the return is multiplied by leverage
  ADL-01 | -10    | 50    | 200      | 100    | -1/10     | in loss it is divided by leverage
  ADL-01 | 10     | -50   | 200      | 100    | 2/5       | a short's cost counts by its magnitude
  ADL-01 | 0      | 50    | 200      | 100    | 0         | at zero the score is zero
  ADL-01 | 1      | 3     | 1        | 7      | 1/21      | nothing is rounded
  ADL-02 | 10     | 0     | 200      | 100    | infinite  | profit on nothing is infinite
  ADL-02 | -10    | 0     | 200      | 100    | -infinite | loss on nothing is infinite the other way
  ADL-02 | 0      | 0     | 200      | 100    | 0         | nothing on nothing is zero
`);
for (const c of scores) {
  test(`${c.rule} ${c.because}`, () => {
    const score = adlScore({
      profit: n(c.profit),
      cost: n(c.cost),
      notionalUsd: n(c.notional),
      fullEquityUsd: n(c.equity),
    });
    expect(exactScoreText(score)).toBe(c.score);
    expect(scoreText(score)).toBe(c.score.includes("infinite") ? null : n(c.score).toStringDown());
  });
}

test("ADL-02 a pool worth nothing has no score", () => {
  for (const equity of ["0", "-1"]) {
    const inputs = { profit: n("1"), cost: n("1"), notionalUsd: n("1"), fullEquityUsd: n(equity) };
    expect(() => adlScore(inputs)).toThrow(RangeError);
  }
});

const orders = table(`
  left        | right       | first | because
  a cross 1 5 | b cross 2 1 | right | the higher score goes first
  a cross 1 5 | b cross 1 6 | right | at equal scores the larger notional
  b cross 1 5 | a cross 1 5 | right | then the smaller account id
  a isolated 1 5 | a cross 1 5 | right | then cross before isolated
  a cross -1 5 | b cross infinite 1 | right | infinite is above every number
  a cross -infinite 5 | b cross -9 1 | right | and its negative below
`);
for (const c of orders) {
  test(`ADL-03 ${c.because}`, () => {
    const read = (text: string): Scored => {
      const [account, mode, score, notional] = text.split(" ") as [string, PoolMode, string, string];
      const exact = score === "infinite" || score === "-infinite" ? score : n(score);
      return scored({ account, mode, score: exact, notionalUsd: n(notional) });
    };
    expect(compareForAdl(read(c.left), read(c.right))).toBeGreaterThan(0);
    expect(compareForAdl(read(c.right), read(c.left))).toBeLessThan(0);
  });
}

test("ADL-03 scores that a float cannot tell apart are ordered exactly", () => {
  const slightly = candidate({ account: "z", profit: n("1.000000000000000001") });
  const plain = candidate({ account: "a", profit: n("1") });
  expect(rank([plain, slightly]).map((one) => one.account)).toEqual(["z", "a"]);
});

test("ADL-04 buckets are cumulative shares rounded up to 20 %, and what is ahead is size", () => {
  const side = ["20", "1", "19", "39", "21"].map((qty, at) =>
    candidate({ account: `a${at}`, qty: n(`-${qty}`), profit: n(String(10 - at)) }),
  );
  const shown = indicators(rank(side)).map(({ rank: place, bucket, ahead }) => [place, bucket, ahead.toStringDown()]);
  // Of 100 contracts: 20 is exactly a fifth, 21 is more than one, 40 exactly two, 79 four, 100 five.
  expect(shown).toEqual([
    [1, 20, "0"],
    [2, 40, "20"],
    [3, 40, "21"],
    [4, 80, "40"],
    [5, 100, "79"],
  ]);
});

const eligible = table(`
  equity | liquidating | system | qty | in  | because
  0.01   | no          | no     | 1   | yes | anything above zero equity is enough
  0      | no          | no     | 1   | no  | at zero equity exactly it is none
  50     | yes         | no     | 1   | no  | a pool in a liquidation is none
  50     | no          | yes    | 1   | no  | a system account is none
  50     | no          | no     | 0   | no  | no contracts, no candidate
`);
for (const c of eligible) {
  test(`ADL-05 ${c.because}`, () => {
    const one = candidate({
      fullEquityUsd: n(c.equity),
      liquidating: c.liquidating === "yes",
      system: c.system === "yes",
      qty: n(c.qty),
    });
    expect(isCandidate(one)).toBe(c.in === "yes");
    expect(rank([one])).toHaveLength(c.in === "yes" ? 1 : 0);
  });
}

test("ADL-06 profit at the price is strictly more than nothing, for both kinds and sides", () => {
  expect(profitsAt({ instrument: linear, qty: n("-2"), price: n("99.9") }, n("-200"))).toBe(true);
  expect(profitsAt({ instrument: linear, qty: n("-2"), price: n("100") }, n("-200"))).toBe(false);
  expect(profitsAt({ instrument: inverse, qty: n("1"), price: n("51") }, n("-2"))).toBe(true);
  expect(profitsAt({ instrument: inverse, qty: n("1"), price: n("50") }, n("-2"))).toBe(false);
});

test("ADL-06 those with profit are taken before better ranked ones without", () => {
  const outcome = allocate({
    policy: "queue",
    need: n("5"),
    lot: n("1"),
    ranking: [counterparty("loser 9 9 no"), counterparty("winner 3 3 yes")],
  });
  expect(shown(outcome.allocation)).toEqual(["loser 2", "winner 3"]);
});

const capacities = table(`
  kind    | qty  | mark | price | equity | most | because
  linear  | -5   | 100  | 90    | 1      | 5    | closing at a gain is limited by size alone
  linear  | -5   | 100  | 100   | 1      | 5    | so is closing at mark
  linear  | -5   | 100  | 110   | 30     | 3    | 10 a contract: equity exactly used up
  linear  | -5   | 100  | 110   | 29.99  | 2    | and a cent less leaves a lot
  linear  | 5    | 100  | 90    | 41     | 4    | a long loses below mark
  linear  | 5    | 100  | 90    | 1000   | 5    | never past flat
  linear  | 5    | 100  | 90    | 0      | 0    | nothing from a pool worth nothing
  linear  | -5   | 100  | 103.00001 | 9.00003 | 2 | the rounding of the fill counts where equity would be exactly used up
  inverse | -4   | 50   | 40    | 2      | 4    | an inverse short gains when the price falls
  inverse | 4    | 50   | 40    | 75     | 3    | an inverse long loses half a coin a contract
`);
for (const c of capacities) {
  test(`ADL-07 ${c.because}`, () => {
    const instrument = c.kind === "linear" ? linear : inverse;
    const most = capacity(
      { instrument, qty: n(c.qty), mark: n(c.mark), price: n(c.price) },
      { settleUsd: n(c.kind === "linear" ? "1" : "50"), quantum: n("0.01"), fullEquityUsd: n(c.equity) },
    );
    expect(most.toStringDown()).toBe(c.most);
  });
}

/** `account |q| capacity profit? [hedged [keeping]]`. */
function counterparty(text: string): Counterparty {
  const [account, qty, most, profit, hedged, keeping] = text.split(" ") as [
    string,
    string,
    string,
    string,
    string?,
    string?,
  ];
  return {
    account,
    mode: "cross",
    qty: n(`-${qty}`),
    capacity: n(most),
    profitAtPrice: profit === "yes",
    ...(hedged === undefined ? {} : { hedged: n(hedged) }),
    ...(keeping === undefined ? {} : { capacityKeepingRatio: n(keeping) }),
  };
}
const shown = (allocation: readonly { account: string; qty: Rational }[]): string[] =>
  allocation.map(({ account, qty }) => `${account} ${qty.toStringDown()}`);

const allocations = table(`
  rule   | policy    | need | ranking                                     | outcome             | unfilled | because
  ADL-08 | queue     | 5    | a 3 3 yes; b 9 9 yes; c 9 9 yes             | a 3; b 2            | 0        | by rank until it is filled
  ADL-08 | queue     | 3    | a 3 3 yes; b 9 9 yes                        | a 3                 | 0        | filled exactly, the next gives nothing
  ADL-09 | pro-rata  | 6    | a 4 4 yes; b 8 8 yes                        | a 2; b 4            | 0        | in proportion to size
  ADL-09 | pro-rata  | 2    | c 1 1 yes; b 1 1 yes; a 1 1 yes             | b 1; a 1            | 0        | equal remainders go by id, not by rank
  ADL-09 | pro-rata  | 5    | a 3 3 yes; b 3 3 yes; c 4 4 yes             | a 2; b 1; c 2       | 0        | 1.5, 1.5 and 2: the odd lot goes to the first id
  ADL-09 | pro-rata  | 10   | a 7 7 yes; b 7 7 yes; c 3 3 yes             | a 4; b 4; c 2       | 0        | 4.12, 4.12 and 1.76: the largest remainder gets the lot
  ADL-10 | pro-rata  | 9    | a 6 1 yes; b 6 6 yes; c 6 6 yes             | a 1; b 4; c 4       | 0        | where capacity binds the others give more
  ADL-10 | pro-rata  | 10   | a 10 1 yes; b 10 3 yes; c 10 10 yes         | a 1; b 3; c 6       | 0        | raising the level can bind the next one
  ADL-11 | pro-rata  | 9    | a 2 2 yes; b 4 4 yes; c 9 9 no; d 9 9 no    | a 2; b 4; c 3       | 0        | losers follow by queue
  ADL-15 | queue     | 9    | a 2 1 yes; b 4 4 no                         | a 1; b 4            | 4        | what nobody can take stays unfilled
  ADL-15 | pro-rata  | 9    | a 2 1 yes; b 4 4 no                         | a 1; b 4            | 4        | in pro-rata too
  ADL-15 | queue     | 2.5  | a 9 9 yes                                   | a 2                 | 0.5      | only whole lots are taken
  ADL-15 | queue     | 9    | a 2 7 yes                                   | a 2                 | 7        | capacity never exceeds size
  ADL-13 | hedge-aware          | 4 | a 5 5 yes 5; b 2 2 yes 0; c 2 2 no 0   | b 2; c 2          | 0        | hedged size goes after the others, losers included
  ADL-13 | hedge-aware          | 6 | a 5 5 yes 3; b 2 2 yes 0; c 1 1 no 0   | a 3; b 2; c 1     | 0        | only the hedged part goes last
  ADL-13 | hedge-aware          | 8 | a 5 5 yes 5; b 2 2 yes 0               | a 5; b 2          | 1        | but it goes when nothing else is left
  ADL-13 | hedge-aware-pro-rata | 4 | a 6 6 yes 4; b 6 6 yes 0               | a 1; b 3          | 0        | parts are in proportion to unhedged size
  ADL-13 | queue                | 4 | a 5 5 yes 5; b 2 2 yes 0               | a 4               | 0        | the plain queue does not look at hedges
  ADL-14 | hedge-aware          | 6 | a 5 5 yes 0 2; b 3 3 yes 0             | a 2; b 3          | 1        | no more than keeps the ratio
  ADL-14 | queue                | 6 | a 5 5 yes 0 2; b 3 3 yes 0             | a 5; b 1          | 0        | the plain queue does not ask
`);
for (const c of allocations) {
  test(`${c.rule} ${c.policy}: ${c.because}`, () => {
    const outcome = allocate({
      policy: c.policy as AdlPolicy,
      need: n(c.need),
      lot: n("1"),
      ranking: c.ranking.split("; ").map(counterparty),
    });
    expect(shown(outcome.allocation)).toEqual(c.outcome.split("; "));
    expect(outcome.unfilled.toStringDown()).toBe(c.unfilled);
  });
}

test("ADL-12 splitting an account changes its part by less than a lot each", () => {
  const take = (ranking: string[]) =>
    allocate({ policy: "pro-rata", need: n("7"), lot: n("1"), ranking: ranking.map(counterparty) }).allocation;
  expect(shown(take(["a 10 10 yes", "b 11 11 yes"]))).toEqual(["a 3", "b 4"]);
  expect(shown(take(["a1 5 5 yes", "a2 5 5 yes", "b 11 11 yes"]))).toEqual(["a1 2", "a2 2", "b 3"]);
});

const hedges = table(`
  positions | per  | elsewhere | hedged | because
  -4        | 1    | 3         | 3      | a short offsets the owner's long elsewhere
  -4        | 1    | -3        | 0      | the same direction is no hedge
  4         | 1    | 3         | 0      | nor for a long
  4         | 1    | -9        | 4      | never more than the position
  -4        | 0.5  | 1         | 2      | exposure is counted in the underlying
  -4 -2     | 1    | 3         | 2 1    | an owner's offset is shared in proportion to size
`);
for (const c of hedges) {
  test(`ADL-13 ${c.because}`, () => {
    const found = hedgedContracts(c.positions.split(" ").map(n), n(c.per), n(c.elsewhere));
    expect(found.map((one) => one.toStringDown())).toEqual(c.hedged.split(" "));
  });
}

test("ADL-13 exposure in the underlying: contracts linear, face over mark inverse", () => {
  expect(underlyingExposure(linear, n("-3"), n("50")).toStringDown()).toBe("-3");
  expect(underlyingExposure(inverse, n("-3"), n("50")).toStringDown()).toBe("-6");
});

test("ADL-14 the most lots that keep the ratio are found exactly", () => {
  for (const edge of [0n, 1n, 6n, 7n]) expect(lotsKeepingRatio(7n, (lots) => lots <= edge)).toBe(edge);
  expect(lotsKeepingRatio(0n, () => true)).toBe(0n);
});

function decision() {
  const candidates = rank([
    candidate({ account: "b", qty: n("-7"), profit: n("5") }),
    candidate({ account: "a", qty: n("-5"), profit: n("10"), fullEquityUsd: n("30") }),
  ]);
  const counterparties = candidates.map((one) => ({ ...one, capacity: one.qty.abs(), profitAtPrice: true }));
  const request = { policy: "pro-rata", need: n("5"), lot: n("1") } as const;
  const outcome = allocate({ ...request, ranking: counterparties });
  const market = { instrument: "BTC-PERP", side: "short", mark: n("100"), price: n("100/3") } as const;
  return { ...request, ...market, ...outcome, candidates, counterparties };
}

test("ADL-16 the published text is the same each time and recomputes to the same allocation", () => {
  const text = adlPublication(decision());
  expect(text).toBe(adlPublication(decision()));
  expect(sha256(new TextEncoder().encode(text))).toMatch(/^[0-9a-f]{64}$/);
  expect(text).toContain('"price":"100/3"');
  expect(disagreements(text)).toEqual([]);
});

test("ADL-16 a ranking that serves many sagas is published once and named by its hash", () => {
  const ranking = rankingText(decision().candidates);
  const text = adlPublication({ ...decision(), candidates: sha256(new TextEncoder().encode(ranking)) });
  expect(text).toContain(`"candidates":"${sha256(new TextEncoder().encode(ranking))}"`);
  expect(disagreements(text, ranking)).toEqual([]);
  expect(disagreements(text)).toEqual(["a (cross) was asked out of turn"]);
});

const tampered = table(`
  from                          | to                            | found
  "qty":"-5"                    | "qty":"-1"                    | the allocation is
  "unfilled":"0"                | "unfilled":"1"                | unfilled is 0
  "profit":"10"                 | "profit":"1"                  | rank 1 belongs to b (cross)
  "need":"5"                    | "need":"6"                    | the allocation is
  "score":"1/9"                 | "score":"2/9"                 | the score of b (cross) is 1/9
`);
for (const c of tampered) {
  test(`ADL-16 a changed ${c.from} is found out`, () => {
    const honest = adlPublication(decision());
    expect(honest).toContain(c.from);
    expect(disagreements(honest.replaceAll(c.from, c.to)).join()).toContain(c.found);
  });
}

test("ADL-16 a fraction that is none is refused", () => {
  expect(parseFraction("-7/3").toString()).toBe("-7/3");
  for (const text of ["", "1.5", "1/-2", "x"]) expect(() => parseFraction(text)).toThrow(RangeError);
});

test("ADL-17 the ranking does not depend on the order in which positions are found", () => {
  const side = ["10", "10", "-3", "0", "7"].map((profit, at) => candidate({ account: `a${at}`, profit: n(profit) }));
  const order = rank(side).map((one) => one.account);
  expect(order).toEqual(["a0", "a1", "a4", "a3", "a2"]);
  expect(rank([...side].reverse()).map((one) => one.account)).toEqual(order);
});

test("ADL-17 sizes left by an earlier saga of the frame are used, the order is kept", () => {
  const ranking = [counterparty("a 3 3 yes"), counterparty("b 4 4 yes")];
  const first = allocate({ policy: "queue", need: n("2"), lot: n("1"), ranking });
  expect(shown(first.allocation)).toEqual(["a 2"]);
  const left = [counterparty("a 1 1 yes"), counterparty("b 4 4 yes")];
  expect(shown(allocate({ policy: "queue", need: n("2"), lot: n("1"), ranking: left }).allocation)).toEqual([
    "a 1",
    "b 1",
  ]);
});
