import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import {
  adlReceipt,
  haircutReceipt,
  liquidationReceipt,
  rejectionReceipt,
  sharingReceipt,
} from "#libs/domain/receipts/build.ts";
import { sha256 } from "#libs/engine/digest.ts";
import { largestSize, smallestDeposit } from "#libs/domain/receipts/smallest-change.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import { table } from "#test/support/table.ts";

const n = (text: string): Rational => Rational.parse(text);
const head = {
  ruleVersion: 4,
  t: 1000,
  prices: [{ id: "BTC", price: "50000", quality: "good", ageMs: 12, sources: [{ source: "x", ageMs: 12 }] }],
};

const deposits = table(`
  quantum | short | weight | strict | deposit | because
  0.01    | 10    | 1      | no     | 10      | exactly what is missing
  0.01    | 10    | 1      | yes    | 10.01   | a quantum more where the threshold itself is not enough
  0.01    | 10.001 | 1     | no     | 10.01   | rounded up to the quantum
  0.01    | 10    | 0.3    | no     | 33.34   | collateral that counts for less must be more
  1       | 0     | 1      | no     | 0       | nothing where nothing is missing
  1       | -5    | 1      | yes    | 0       | nor where there is something to spare
`);
for (const c of deposits) {
  test(`LIQ-23 ${c.because}`, () => {
    const evaluate = (deposit: Rational): Rational => deposit.times(n(c.weight)).minus(n(c.short));
    const found = smallestDeposit(n(c.quantum), evaluate, c.strict === "yes");
    expect(found?.toStringDown()).toBe(c.deposit);
  });
}

test("LIQ-23 the edge of a slice is met at the margin", () => {
  // Full weight up to 100, half beyond: 120 of value needs 140.
  const counted = (deposit: Rational): Rational =>
    Rational.min(deposit, n("100")).plus(Rational.max(deposit.minus(n("100")), Rational.zero).times(n("0.5")));
  const evaluate = (deposit: Rational): Rational => counted(deposit).minus(n("120"));
  expect(smallestDeposit(n("0.01"), evaluate, false)?.toStringDown()).toBe("140");
});

test("LIQ-23 none is named where none helps", () => {
  const capped = (deposit: Rational): Rational => Rational.min(deposit, n("100")).minus(n("101"));
  expect(smallestDeposit(n("0.000000000000000001"), capped, false)).toBe(null);
});

test("LIQ-23 the largest size that would have passed is exact to the lot", () => {
  const size = (edge: string) => largestSize(n("5"), n("0.5"), (qty) => qty.atMost(n(edge)))?.toStringDown() ?? null;
  expect([size("9"), size("3.2"), size("0.5"), size("0.49")]).toEqual(["5", "3", "0.5", null]);
});

function complete(receipt: Receipt): void {
  expect(receipt.ruleVersion).toBe(4);
  expect(receipt.t).toBe(1000);
  expect(receipt.prices).toEqual(head.prices);
  expect(receipt.computation.length).toBeGreaterThan(0);
  expect(receipt.inputs.length).toBeGreaterThan(0);
  expect(JSON.parse(JSON.stringify(receipt))).toEqual(receipt);
}

test("LIQ-22 a rejection names every reason with its numbers, and what would have passed", () => {
  const receipt = rejectionReceipt({
    ...head,
    rule: "ORD-01",
    account: "a",
    instrument: "BTC-PERP",
    order: "o-1",
    reasons: [
      { code: "initial_margin", limit: n("100"), value: n("120"), headroom: n("-20") },
      { code: "halted", limit: null, value: null, headroom: null },
    ],
    changes: {
      deposit: { asset: "USDT", amount: n("20") },
      size: { instrument: "BTC-PERP", qty: n("1.5") },
      price: null,
    },
  });
  complete(receipt);
  expect(receipt.computation.map((line) => [line.what, line.value])).toEqual([
    ["initial_margin", "-20"],
    ["halted", null],
  ]);
  expect(receipt.avoidedBy).toEqual({
    deposit: { asset: "USDT", amount: "20" },
    size: { instrument: "BTC-PERP", qty: "1.5" },
  });
  expect(receipt.subject.reference).toBe("o-1");
});

test("LIQ-22 a liquidation shows the ratio, the threshold and what is closed", () => {
  const of = {
    ...head,
    rule: "LIQ-06",
    account: "a",
    mode: "cross",
    instrument: null,
    saga: "s1",
    stage: 2,
    equity: n("2"),
    mm: n("3"),
    fullEquity: n("5"),
    threshold: n("1.05"),
    closed: [{ instrument: "BTC-PERP", qty: n("-1"), limit: n("49950") }],
    changes: {},
  } as const;
  const receipt = liquidationReceipt(of);
  complete(receipt);
  expect(receipt.computation[0]).toEqual({ what: "ratio", how: "E_M / MM", value: "0.666666666666666666" });
  expect(receipt.computation[2]).toEqual({ what: "close BTC-PERP", how: "limit 49950", value: "-1" });
  expect(receipt.avoidedBy).toBe(null);
  expect(liquidationReceipt({ ...of, mm: Rational.zero }).computation[0]?.value).toBe(null);
});

test("LIQ-22 a deleveraging names score, rank, quantity and the published text", () => {
  const receipt = adlReceipt({
    ...head,
    rule: "ADL-08",
    account: "b",
    mode: "cross",
    instrument: "BTC-PERP",
    saga: "s1",
    score: n("1").dividedBy(n("3")),
    rank: 2,
    policy: "queue",
    need: n("12"),
    qty: n("5"),
    price: n("100").dividedBy(n("3")),
    publication: sha256(new TextEncoder().encode("x")),
    changes: {},
  });
  complete(receipt);
  expect(receipt.computation[0]).toEqual({ what: "score", how: "1/3", value: "0.333333333333333333" });
  expect(receipt.publication).toBe(sha256(new TextEncoder().encode("x")));
});

test("LIQ-22 a sharing shows the missing money and the winner's part of all profit", () => {
  const receipt = sharingReceipt({
    ...head,
    rule: "LIQ-19",
    account: "b",
    mode: "isolated",
    instrument: "BTC-PERP",
    asset: "USDT",
    saga: "s1",
    missing: n("9"),
    profit: n("1"),
    totalProfit: n("3"),
    fullEquity: n("8"),
    amount: n("3"),
  });
  complete(receipt);
  expect(receipt.computation[0]?.value).toBe("3");
});

test("LIQ-22 a haircut shows where it was, is and goes", () => {
  const receipt = haircutReceipt({
    ...head,
    rule: "HAIR-01",
    asset: "BTC",
    before: { initial: n("0.05"), maintenance: n("0.05") },
    after: { initial: n("0.09"), maintenance: n("0.06") },
    target: n("0.09"),
  });
  complete(receipt);
  expect(receipt.computation.map((line) => line.value)).toEqual(["0.09", "0.06"]);
  expect(receipt.subject).toEqual({ account: null, mode: null, instrument: null, asset: "BTC", reference: null });
});

test("LIQ-22 the digest is SHA-256, at every length around a block", () => {
  const texts = ["", "abc", "ü€𝄞", ...[55, 56, 63, 64, 65, 119, 120, 1000].map((length) => "a".repeat(length))];
  for (const text of texts)
    expect(sha256(new TextEncoder().encode(text))).toBe(createHash("sha256").update(text).digest("hex"));
});
