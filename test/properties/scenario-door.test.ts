import fc from "fast-check";
import { expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { readJson } from "#libs/contracts/json.ts";
import { ProblemList } from "#libs/contracts/problems.ts";
import { RuleSchema } from "#libs/contracts/rule-schema.ts";
import { entrySchemas } from "#libs/contracts/scenario-schema.ts";
import { checkShape, hasShape } from "#libs/contracts/shape.ts";
import { mergeRules } from "#libs/domain/rule-set/merge.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { followedBy, sound } from "#test/support/door.ts";
import { mutationsOf, textMutationsOf } from "#test/support/mutations.ts";
import { propertyOptions } from "#test/support/property.ts";

/** The sound file with one entry of every kind that it lacks, so that mutations reach them all. */
const wide: unknown = JSON.parse(
  followedBy(
    { t: 2, k: "mark", instrument: "BTC-PERP", price: "49000" },
    { t: 2, k: "quote", asset: "BTC", source: "kraken", price: "49000" },
    { t: 2, k: "quality", id: "BTC", quality: "stale" },
    { t: 2, k: "fund", asset: "USDT", amount: "100" },
    { t: 2, k: "transfer", from: "alice", to: "bob", asset: "USDT", amount: "1" },
    { t: 2, k: "mode", account: "alice", instrument: "BTC-0326", mode: "isolated", leverage: "10" },
    { t: 2, k: "cancel", account: "alice", id: "a-1" },
    { t: 2, k: "position", account: "carol", instrument: "BTC-PERP", qty: "-2", entry: "50500" },
    { t: 3, k: "margin", account: "alice", instrument: "BTC-0326", amount: "1" },
    { t: 4, k: "depth", instrument: "BTC-PERP", bids: [["46000", "0.5"]], asks: [["46010", "2"]] },
    { t: 5, k: "funding", instrument: "BTC-PERP", rate: "0.0001" },
    { t: 5, k: "convert", account: "alice" },
    { t: 6, k: "rules", set: { liquidation: { target: "1.2" }, instruments: [{ id: "BTC-PERP", takerFee: "0.001" }] } },
    { t: 7, k: "halt", scope: "instrument", id: "BTC-PERP", state: "no_new_orders", reason: "drill" },
    { t: 8, k: "time" },
    { t: 9, k: "expire", instrument: "BTC-0326", price: "49000" },
    { t: 9, k: "ask", what: "account", account: "alice", alone: false },
    { t: 9, k: "ask", what: "alloc", instrument: "BTC-PERP", side: "long", qty: "12", policy: "pro-rata" },
  ),
);

const prototypes = [Object.prototype, Array.prototype, String.prototype, Map.prototype];
const inherited = prototypes.map((one) => Object.getOwnPropertyNames(one));

/** Reads twice: neither throws, both say the same, and nothing that other objects inherit has changed. */
function readsSafely(text: string): void {
  const reading = readScenario(text);
  expect(readScenario(text)).toEqual(reading);
  expect(prototypes.map((one) => Object.getOwnPropertyNames(one))).toEqual(inherited);
  if (reading.ok) return;
  expect(reading.problems.length).toBeGreaterThan(0);
  for (const { path, code, message } of reading.problems) {
    expect(path).toMatch(/^\$/);
    expect(code).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(message.length).toBeGreaterThan(0);
  }
}

test("the file that the mutations start from is in order", () => {
  expect(readScenario(JSON.stringify(wide))).toMatchObject({ ok: true });
});

test("no change of a scenario's values makes the door throw or touches what objects inherit", () => {
  fc.assert(
    fc.property(mutationsOf(wide, 6), (file) => readsSafely(JSON.stringify(file) ?? "")),
    propertyOptions({ numRuns: 300 }),
  );
});

test("no change of a scenario's text makes the door throw or touches what objects inherit", () => {
  fc.assert(fc.property(textMutationsOf(JSON.stringify(wide), 4), readsSafely), propertyOptions({ numRuns: 200 }));
});

test("no bytes make the door throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(readScenario(bytes)).toMatchObject({ ok: false });
    }),
    propertyOptions(),
  );
});

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

test("the reader of JSON accepts what JSON.parse accepts, and reads the same", () => {
  const text = fc.oneof(
    fc.json({ maxDepth: 4 }),
    textMutationsOf('{"a":[1,-0.5e+3,"\\u00e9\\n",true,null],"b":{"":{}}}', 4),
  );
  fc.assert(
    fc.property(text, (one) => {
      const problems = new ProblemList(100);
      const mine = readJson(one, 64, problems);
      const theirs = parsed(one);
      expect(mine === undefined).toBe(theirs === undefined);
      expect(JSON.stringify(mine?.value)).toBe(JSON.stringify(theirs?.value));
    }),
    propertyOptions({ numRuns: 500 }),
  );
});

test("the two readers of a schema agree whether a value has its shape", () => {
  const { rules, entries } = wide as { rules: unknown; entries: { k: string }[] };
  const agree = (
    schema: typeof RuleSchema | (typeof entrySchemas)[keyof typeof entrySchemas],
    value: unknown,
  ): void => {
    const problems = new ProblemList(10);
    checkShape(schema, value, "$", problems);
    expect(problems.count === 0).toBe(hasShape(schema, value));
  };
  fc.assert(
    fc.property(mutationsOf(rules, 3), (value) => agree(RuleSchema, value)),
    propertyOptions({ numRuns: 200 }),
  );
  for (const entry of entries) {
    const schema = (entrySchemas as Record<string, (typeof entrySchemas)[keyof typeof entrySchemas]>)[entry.k];
    if (schema === undefined) continue;
    fc.assert(
      fc.property(mutationsOf(entry, 2), (value) => agree(schema, value)),
      propertyOptions({ numRuns: 50 }),
    );
  }
});

test("laying a change over rules twice is laying it over once; neither changes, and no change changes nothing", () => {
  fc.assert(
    fc.property(mutationsOf(sound.rules, 4), mutationsOf(sound.rules, 4), (before, set) => {
      fc.pre(isPlain(before) && new Set(idsIn(set)).size === idsIn(set).length);
      const document = before as RuleDocument;
      const texts = [JSON.stringify(before), JSON.stringify(set)];
      const once = mergeRules(document, set);
      expect(mergeRules(once, set)).toEqual(once);
      expect(mergeRules(document, {})).toEqual(document);
      expect([JSON.stringify(before), JSON.stringify(set)]).toEqual(texts);
    }),
    propertyOptions(),
  );
});

const isPlain = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

/** All ids of list items, to pass over changes that name one twice: those are refused, not merged. */
function idsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(idsIn);
  if (typeof value !== "object" || value === null) return [];
  const own = (value as { id?: unknown }).id;
  return [...(typeof own === "string" ? [own] : []), ...Object.values(value).flatMap(idsIn)];
}
