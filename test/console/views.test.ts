import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { asAlerts } from "#apps/api/console/alert-groups.ts";
import { isTyped, typedScope } from "#apps/api/console/confirm-scope.ts";
import { evidenceText } from "#apps/api/console/entity-evidence.ts";
import { hasReceipt, sentenceOf, toneOf } from "#apps/api/console/fact-texts.ts";
import { changesRules, payloadLines, scopeOf } from "#apps/api/console/payloads.ts";
import { gainClass, percentText, sideOf, sizeText } from "#apps/api/console/risk-texts.ts";
import { closedText, moneyText, termsOf } from "#apps/api/console/saga-text.ts";
import type { SagaMoney } from "#libs/contracts/api/replies.ts";
import { cutTo } from "#apps/api/console/format.ts";
import { ratioLines, ratioShownMax } from "#apps/api/console/ratio-points.ts";
import { readEmergency, readRollback, readSet } from "#apps/api/console/rule-changes.ts";
import { moneyOf } from "#apps/api/console/saga-money.ts";
import { moved } from "#apps/api/console/stressed-prices.ts";
import { operations, ruleOperations } from "#libs/contracts/api/commands.ts";
import type { Alert } from "#libs/contracts/stream/alerts.ts";
import type { MarksData } from "#libs/contracts/stream/market.ts";

test("a scope is confirmed by typing exactly it, and one without a name cannot be", () => {
  const everybody = { scope: "global", id: null } as const;
  const one = { scope: "instrument", id: "BTC-PERP" } as const;
  expect([typedScope(everybody), typedScope(one)]).toEqual(["EXCHANGE", "BTC-PERP"]);
  const typed = ["EXCHANGE", " EXCHANGE ", "exchange", "", "BTC-PERP"];
  expect(typed.filter((text) => isTyped(text, typedScope(everybody)))).toEqual(["EXCHANGE", " EXCHANGE "]);
  expect(isTyped("BTC-PERP", typedScope(one))).toBe(true);
  expect(isTyped("", typedScope({ scope: "account", id: "" }))).toBe(false);
});

test("what approves a halt has to be typed too, what approves anything else has not", () => {
  expect(scopeOf("halt", { scope: "account", id: "a", state: "normal" })).toEqual({ scope: "account", id: "a" });
  expect(scopeOf("halt", { scope: "global", state: "normal" })).toEqual({ scope: "global", id: null });
  expect(scopeOf("rules", { scope: "global" })).toBeNull();
  expect(scopeOf("halt", { scope: "galaxy" })).toBeNull();
  expect(payloadLines({ scope: "global", base: 3, set: { a: "1" } })).toEqual([
    ["scope", "global"],
    ["base", "3"],
    ["set", '{"a":"1"}'],
  ]);
});

test("changes of the rules are those that the contract names", () => {
  expect(operations.filter(changesRules)).toEqual(
    operations.filter((one) => ruleOperations.some((rule) => rule === one)),
  );
});

const mark = (price: string | null, index: string) =>
  ({ price, quality: "good", at: 0, index, openInterest: "0", openInterestUsd: null }) as const;
const index = (price: string | null) =>
  ({ price, quality: "good", at: 0, haircutInitial: "0", haircutMaintenance: "0" }) as const;
const marks: MarksData = {
  marks: { "BTC-PERP": mark("50000.5", "BTC"), "BTC-OLD": mark(null, "BTC"), "ETH-PERP": mark("2000", "ETH") },
  indices: { BTC: index("50000"), ETH: index("2000"), NEW: index(null) },
};

test("a stressed index takes every mark that follows it along, exactly, and no other", () => {
  expect(moved(marks, "BTC", "-0.12")).toEqual({ index: { BTC: "44000" }, mark: { "BTC-PERP": "44000.44" } });
  expect(moved(marks, "BTC", "0.001")?.mark).toEqual({ "BTC-PERP": "50050.5005" });
  expect(moved(marks, "BTC", "-1")).toBeNull();
  expect(moved(marks, "NEW", "0.1")).toBeNull();
  expect(moved(marks, "NOWHERE", "0.1")).toBeNull();
});

test("a change of the rules is read, or what is wrong with it is said", () => {
  expect(readSet('{"fund":{"eventCap":"1"}}', 4).change).toEqual({
    operation: "rules",
    payload: { base: 4, set: { fund: { eventCap: "1" } } },
  });
  expect(readSet("", 4)).toEqual({ change: null, problem: null });
  expect(readSet("[1]", 4).problem).toBe("An object is expected.");
  expect(readSet("{", 4).problem).toContain("JSON");
  expect(readRollback(2, 4).change).toEqual({ operation: "rollback", payload: { base: 4, version: 2 } });
  expect(readRollback(null, 4).change).toBeNull();
});

test("an emergency names what is given, and ends by the market's clock", () => {
  const fields = { instrument: "", marginFactor: "1.5", partialAt: "", fullAt: "", minutes: "10" };
  expect(readEmergency(fields, 1_000).change?.payload).toEqual({ marginFactor: "1.5", until: 601_000 });
  expect(readEmergency({ ...fields, instrument: "X" }, 0).change?.payload).toMatchObject({ instrument: "X" });
  expect(readEmergency({ ...fields, marginFactor: "" }, 0)).toEqual({ change: null, problem: null });
  expect(readEmergency({ ...fields, marginFactor: "1,5" }, 0).problem).toContain("marginFactor");
  for (const minutes of ["0", "1.5", "", "99999"])
    expect(readEmergency({ ...fields, minutes }, 0).problem).toContain("lasts from 1");
});

const fact = (name: string, fields: object = {}) => ({ seq: 1, t: 0, fact: name, ...fields });

test("what a liquidation cost is summed exactly over its facts", () => {
  const money = moneyOf([
    fact("liquidation.step", { realised: "-0.1" }),
    fact("liquidation.step", { realised: "-0.2" }),
    fact("adl.filled", { realised: "5" }),
    fact("liquidation.fees", { taker: "0.1", liquidation: "0.2" }),
    fact("insurance.paid", { amount: "7" }),
    fact("warning"),
  ]);
  expect(money).toEqual({ closes: 2, deleveraged: 1, realised: "-0.3", fees: "0.3", fund: "7" });
});

test("facts are told in sentences, and one that has none is named", () => {
  expect(sentenceOf(fact("liquidation.step", { side: "sell", qty: "1.5", instrument: "X", price: "100" }))).toBe(
    "sell 1.5 X at 100.00",
  );
  expect(sentenceOf(fact("halt.set", { scope: "global", state: "cancel_all", reason: "operator" }))).toBe(
    "Whole exchange: cancel all, operator",
  );
  expect(sentenceOf(fact("positions.attested"))).toBe("positions attested");
  expect([toneOf(fact("adl.filled")), toneOf(fact("positions.attested"))]).toEqual(["bad", "plain"]);
});

test("the facts that offer a receipt are those that the documentation marks with an R", () => {
  const rows = readFileSync("docs/facts.md", "utf8")
    .split("\n")
    .filter((line) => line.endsWith("| R |"));
  const documented = rows.flatMap((line) =>
    [...(line.split("|")[1] ?? "").matchAll(/`([a-z.]+)`/g)].map(([, name]) => name ?? ""),
  );
  // Deposits of the funds are nobody's, and a haircut is an asset's: there is no account to ask for the receipt of.
  const ofAccounts = documented.filter((name) => name !== "haircut.changed" && !/^(fund|house)\./.test(name));
  expect(ofAccounts.length).toBeGreaterThan(5);
  expect(ofAccounts.filter((name) => !hasReceipt(fact(name)))).toEqual([]);
  expect(hasReceipt(fact("fill"))).toBe(false);
});

const alert = (id: string, fields: Partial<Alert>): Alert => ({
  id,
  level: "yellow",
  code: "x",
  title: "",
  group: "g",
  since: 0,
  until: null,
  count: 1,
  ack: null,
  detail: null,
  ...fields,
});

test("alerts stand in groups, the worst group and in it the worst first, what is over last", () => {
  const groups = asAlerts([
    alert("over", { level: "red", until: 1, group: "a" }),
    alert("yellow", { group: "a" }),
    alert("red", { level: "red", group: "b" }),
    alert("seen", { level: "orange", group: "a", ack: { by: "x", at: 1 } }),
    alert("orange", { level: "orange", group: "a" }),
  ]);
  expect(groups.map(([group, members]) => [group, members.map(({ id }) => id)])).toEqual([
    ["b", ["red"]],
    ["a", ["orange", "seen", "yellow", "over"]],
  ]);
});

test("positions are told by side and size", () => {
  expect([sizeText("1.50"), sizeText("-2"), sizeText("0"), sideOf("-0.1")]).toEqual([
    "long 1.5",
    "short 2",
    "flat",
    "short",
  ]);
  expect([percentText("-12.345"), percentText(null)]).toEqual(["−12.35%", "–"]);
  expect([gainClass("1"), gainClass("-1"), gainClass("0.0")]).toEqual(["gain", "loss", ""]);
});

test("a ratio over time joins what was seen without a break, and nothing else", () => {
  const at = (t: number, ratio: string | null, instrument: string | null = null) => ({ t, ratio, instrument });
  const lines = ratioLines([at(20_500, "1.04"), at(5_000, "1.5"), at(6_000, "1", "X-PERP"), at(7_000, null)], {
    x: [20_000, 21_000, 90_000],
    y: [1.1, 9, 2],
  });
  expect(lines).toEqual({
    x: [5_000, 20_000, 20_500, 21_000, 21_001, 90_000],
    recorded: [1.5, null, 1.04, null, null, null],
    live: [undefined, 1.1, undefined, ratioShownMax, null, 2],
  });
});

test("what a step closed is said in its settle asset, and money of several assets is never added up", () => {
  const terms = termsOf([
    { id: "BTC-PERP", kind: "linear", settle: "USDT" },
    { id: "BTC-USD", kind: "inverse", settle: "BTC", multiplier: "100" },
    { id: 5 },
  ]);
  const step = { seq: 1, t: 0, fact: "liquidation.step", qty: "3", price: "40000" };
  expect(closedText({ ...step, instrument: "BTC-PERP" }, terms)).toBe("120,000.00 USDT");
  expect(closedText({ ...step, instrument: "BTC-USD" }, terms)).toBe("0.00750000 BTC");
  expect(closedText({ ...step, instrument: "GONE" }, terms)).toBeNull();
  const filled = { ...step, fact: "adl.filled", instrument: "BTC-PERP", notional: "7.5" };
  expect([closedText(filled, terms), closedText({ ...filled, fact: "warning" }, terms)]).toEqual(["7.50 USDT", null]);
  const row = (asset: string, takerFee: string, liquidationFee: string) =>
    ({ asset, takerFee, liquidationFee }) as SagaMoney;
  const money = [row("BTC", "0.1", "0.2"), row("ETH", "0", "0"), row("USDT", "10", "0")];
  expect(moneyText(money, "takerFee", "liquidationFee")).toBe("0.3 BTC + 10 USDT");
  expect(moneyText([], "takerFee")).toBe("–");
  expect([cutTo("-1.123456789", 8), cutTo("12", 8)]).toEqual(["−1.12345678", "12"]);
});

test("what speaks for one owner is said once for each kind", () => {
  const shared = { kind: "withdrawal_address", sharedBy: 2 };
  const trading = { kind: "opposite_trading", matched: 1200, share: "0.8" };
  const links = [{ evidence: [shared, trading] }, { evidence: [shared, { ...shared, sharedBy: 4 }] }];
  expect(evidenceText(links)).toBe(
    "the same withdrawal address, trading against each other (1,200 fills, 80% of theirs), the same withdrawal address (of 4)",
  );
});
