import { expect, test } from "vitest";
import { catalogue } from "#apps/api/console/commands/catalogue.ts";
import {
  type FieldProblem,
  placed,
  problemsOf,
  reasonProblem,
  type Values,
} from "#apps/api/console/commands/fields.ts";
import { commandFigures, headOfQueue, type Known } from "#apps/api/console/commands/figures.ts";
import { limitNames } from "#apps/api/console/commands/limits.ts";
import { type FormName, formNames, formOf, type Payload, typedOf } from "#apps/api/console/commands/operations.ts";
import { commandSentence } from "#apps/api/console/commands/sentences.ts";
import { commandBodies, operations } from "#libs/contracts/api/commands.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { expectShape } from "#libs/contracts/shape.ts";
import { limitKeys } from "#libs/domain/rule-set/limit-types.ts";

const marketT = 1_584_000_000_000;
const filled: Readonly<Record<FormName, Values>> = {
  fund: { fund: "insurance", way: "in", asset: "USDT", amount: "5000" },
  adjust: { account: "alice", way: "out", asset: "USDT", amount: "1.5" },
  transfer: { from: "alice", to: "bob", asset: "USDT", amount: "10" },
  settle: { instrument: "BTC-PERP", price: "48000" },
  deleverage: { account: "alice", instrument: "BTC-PERP", qty: "3" },
  limit: { level: "account", of: "alice", limit: "maxNotionalUsd", value: "1000000", until: "60" },
  entity: { entity: "acme", accounts: "alice, bob\ncarol" },
};
const payloadOf = (name: FormName, values: Values = filled[name]): Payload => formOf(name).payload(values, marketT);

test("what a form comes to is what the contract takes, and nothing beside it", () => {
  for (const name of formNames) {
    expect([name, problemsOf(formOf(name).fields, filled[name])]).toEqual([name, {}]);
    const problems = new ProblemList(10);
    expectShape(commandBodies[name], { ...payloadOf(name), reason: "a test" }, "$", problems);
    expect([name, problems.list()]).toEqual([name, []]);
  }
  expect(payloadOf("fund", { ...filled.fund, way: "out" })["amount"]).toBe("-5000");
  expect(payloadOf("entity")["accounts"]).toEqual(["alice", "bob", "carol"]);
  expect(payloadOf("entity", { ...filled.entity, proposal: "0f".repeat(16) })["proposal"]).toBe("0f".repeat(16));
  expect(payloadOf("limit")).toMatchObject({ until: marketT + 3_600_000, value: "1000000" });
  expect(payloadOf("limit", { ...filled.limit, level: "exchange", value: "" })).toEqual({
    level: "exchange",
    limit: "maxNotionalUsd",
    value: null,
    until: marketT + 3_600_000,
  });
});

test("a field is refused by the contract's own patterns, with code, value and bound", () => {
  const problemIn = (name: FormName, values: Values): Readonly<Record<string, FieldProblem>> =>
    problemsOf(formOf(name).fields, { ...filled[name], ...values });
  expect(problemIn("fund", { amount: "12,5" })).toEqual({
    amount: {
      code: "not_an_amount",
      message: "expected a decimal string of at most 20 digits before and 18 after the point",
      value: '"12,5"',
      bound: "a decimal string of at most 20 digits before and 18 after the point",
    },
  });
  const codes: readonly (readonly [FormName, Values, string])[] = [
    ["fund", { amount: "-1" }, "out_of_range"],
    ["fund", { amount: "0.0" }, "out_of_range"],
    ["fund", { amount: "1e3" }, "not_an_amount"],
    ["fund", { amount: "01" }, "not_an_amount"],
    ["fund", { asset: "" }, "missing_key"],
    ["fund", { fund: "petty" }, "not_permitted"],
    ["transfer", { to: "bob smith" }, "not_an_id"],
    ["limit", { until: "0" }, "out_of_range"],
    ["limit", { until: "44641" }, "out_of_range"],
    ["limit", { value: "-1" }, "out_of_range"],
    ["entity", { accounts: "alice,b@b" }, "not_an_id"],
    ["entity", { accounts: Array.from({ length: 51 }, (_, at) => `a${at}`).join(" ") }, "too_many"],
  ];
  for (const [name, values, code] of codes) {
    const [problem] = Object.values(problemIn(name, values));
    expect([values, problem?.code]).toEqual([values, code]);
  }
  expect(["ab", "abc", "tab\there"].map((text) => reasonProblem(text)?.code ?? null)).toEqual([
    "not_permitted",
    null,
    "not_permitted",
  ]);
});

test("what the API found wrong stands beside the field that its path ends at", () => {
  const { fields } = formOf("limit");
  const at = (path: string) => ({ path, code: "c", message: "m" });
  const { byField, others } = placed([at("$.until"), at("$.overrides[2].of"), at("$.tiers[0].im")], fields);
  expect([Object.keys(byField), others.map(({ path }) => path)]).toEqual([["until", "of"], ["$.tiers[0].im"]]);
});

test("what cannot be taken back has to be typed, by who sends it and by who approves it", () => {
  expect(typedOf("settle", payloadOf("settle"))).toBe("BTC-PERP");
  expect(typedOf("deleverage", payloadOf("deleverage"))).toBe("alice");
  expect(typedOf("fund", payloadOf("fund"))).toBeNull();
  expect(typedOf("fund", { ...payloadOf("fund"), amount: "-1" })).toBe("USDT");
  expect(typedOf("adjust", payloadOf("adjust"))).toBe("alice");
  expect([typedOf("rules", {}), typedOf("transfer", payloadOf("transfer"))]).toEqual([null, null]);
});

test("every command is listed once and has its words", () => {
  expect(catalogue.map(({ operation }) => operation).sort()).toEqual([...operations].sort());
  expect(Object.keys(limitNames).sort()).toEqual([...limitKeys].sort());
  expect(formNames.map((name) => commandSentence(name, payloadOf(name)))).toEqual([
    "Puts 5,000 USDT into the insurance fund.",
    "Takes 1.5 USDT from account alice, as money that has left the exchange.",
    "Moves 10 USDT from account alice to account bob.",
    "Stops BTC-PERP for good: orders are cancelled, every position settles at 48,000.",
    "Closes 3 contracts of alice's BTC-PERP at its mark against the head of the other side's queue.",
    "Limits account alice until 2020-03-12 09:00:00 UTC: Notional, orders included, no more than $1,000,000.",
    "Makes alice, bob, carol acme's, who may read them then and whose limits count them together.",
  ]);
  expect(commandSentence("limit", { ...payloadOf("limit"), value: null })).toMatch(/^Lifts a limit of account alice/);
  expect(commandSentence("halt", { scope: "global", state: "normal" })).toBe(
    "Releases whole exchange: Everything is open.",
  );
  for (const operation of operations) expect(commandSentence(operation, {}).length).toBeGreaterThan(10);
});

const queued = (account: string, rank: number, qty: string) =>
  ({ account, mode: "cross", rank, quintile: 1, qty, ahead: "0", score: null }) as const;
const side = (...adl: readonly ReturnType<typeof queued>[]) =>
  ({ holders: adl.length, largest: "1", largestFive: "1", top: [], adl: [...adl] }) as const;
const known = {
  marks: {
    marks: {
      "BTC-PERP": {
        price: "49000",
        quality: "good",
        at: 0,
        index: "BTC",
        openInterest: "10",
        openInterestUsd: "490000",
      },
    },
    indices: {
      BTC: { price: "50000", quality: "good", at: 0, haircutInitial: "0", haircutMaintenance: "0" },
      USDT: { price: "0.99", quality: "good", at: 0, haircutInitial: "0", haircutMaintenance: "0" },
    },
  },
  funds: { balances: { USDT: "100" }, logSeq: 12 },
  accounts: {
    alice: {
      collateral: { USDT: { balance: "1" } },
      free: "0.5",
      positions: { "BTC-PERP": { qty: "5", mark: "49000" } },
    },
    bob: { collateral: {} },
  },
  instrument: { long: side(), short: side(queued("alice", 1, "1"), queued("bob", 2, "2"), queued("carol", 3, "9")) },
  rules: {
    version: 4,
    document: { settlementBand: "0.05", limits: { maxPosition: "7" }, entities: { old: { accounts: ["bob"] } } },
  },
  marketT,
} as unknown as Known;
const figure = (operation: string, payload: Payload, name: string) =>
  commandFigures(operation, payload, known).find((one) => one.name === name);

test("money is valued at the index, with what is there before and after, and what would be refused says so", () => {
  expect(figure("fund", payloadOf("fund"), "Worth")?.value).toBe("$4,950.00");
  expect(figure("fund", payloadOf("fund"), "Insurance fund")).toMatchObject({
    value: "100 → 5,100",
    note: "USDT, at log #12",
  });
  expect(figure("fund", { ...payloadOf("fund"), amount: "-101" }, "Insurance fund")).toMatchObject({
    value: "100 → −1",
    tone: "bad",
  });
  expect(figure("transfer", payloadOf("transfer"), "alice")).toMatchObject({ value: "1 → −9", tone: "bad" });
  expect(figure("transfer", payloadOf("transfer"), "bob")?.value).toBe("0 → 10");
  expect(figure("adjust", { account: "nobody", asset: "DOGE", amount: "1" }, "Worth")?.tone).toBe("warn");
});

test("a settlement says how far from the index it is, by the band in force", () => {
  expect(figure("settle", payloadOf("settle"), "From the index")).toMatchObject({ value: "−4.00%", tone: "plain" });
  const far = figure("settle", { instrument: "BTC-PERP", price: "47499.99" }, "From the index");
  expect(far).toMatchObject({ note: "beyond 5%: it will be refused", tone: "bad" });
  expect(figure("settle", { instrument: "BTC-PERP", price: "47500" }, "From the index")?.tone).toBe("plain");
});

test("a deleveraging says what is left, and whom it takes from in the order of the queue", () => {
  expect(figure("deleverage", payloadOf("deleverage"), "Position")).toMatchObject({
    value: "long 5 → long 2",
    note: "60.0% of it",
  });
  expect(figure("deleverage", { ...payloadOf("deleverage"), qty: "6" }, "Position")?.tone).toBe("bad");
  expect(figure("deleverage", payloadOf("deleverage"), "Worth")?.value).toBe("$147k");
  expect(headOfQueue(payloadOf("deleverage"), known)?.map(({ account, takes }) => [account, takes])).toEqual([
    ["bob", "2"],
    ["carol", "1"],
  ]);
  const proRata = {
    ...known,
    rules: { version: 1, document: { instruments: [{ id: "BTC-PERP", adlPolicy: "pro-rata" }] } },
  };
  expect(headOfQueue(payloadOf("deleverage"), proRata)?.map(({ takes }) => takes)).toEqual([null, null]);
});

test("a limit is compared with what the rules say there, an entity with whose the accounts are", () => {
  const limit = { level: "exchange", limit: "maxPosition", value: "8", until: marketT + 60_000 };
  expect(figure("limit", limit, "In the rules there")).toMatchObject({ value: "7 contracts", tone: "warn" });
  expect(figure("limit", { ...limit, value: "7" }, "In the rules there")?.note).toBe("version 4");
  expect(figure("limit", limit, "Ends in")?.value).toBe("1 min");
  expect(figure("limit", { ...limit, until: marketT }, "Ends in")).toMatchObject({ value: "over", tone: "bad" });
  expect(figure("entity", payloadOf("entity"), "Of another already")).toMatchObject({
    note: "bob is old's: it will be refused",
    tone: "bad",
  });
});
