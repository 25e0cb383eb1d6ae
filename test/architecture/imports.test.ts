import { expect, test } from "vitest";
import { importsOf, lineAt, parseSource, sourcesUnder, target, walk } from "#test/support/source.ts";
import type { Node, Source } from "#test/support/source.ts";
import { table } from "#test/support/table.ts";
import { layerOf, layers, matches } from "./table.ts";

const sources = sourcesUnder("libs", "apps");

/** What is wrong with the imports of one module, one sentence each. */
function strayImports(source: Source): string[] {
  const layer = layerOf(source.path);
  if (layer === undefined) return [`${source.path} stands in no folder of the import table`];
  return importsOf(source).flatMap(({ specifier, typeOnly, line }) => {
    const destination = target(source.path, specifier);
    const at = `${source.path}:${line}`;
    if (destination === "node:process" && layer.zone !== "libs/process") return [`${at} imports ${destination}`];
    if (destination.startsWith(`${layer.zone}/`) || matches(layer.values, destination)) return [];
    const asType = matches(layer.types ?? [], destination);
    if (asType && typeOnly) return [];
    return [`${at} may not import ${specifier}${asType ? " but as `import type`" : ""}`];
  });
}

/** Folders whose modules compute the same on every machine and at every time. */
const pure = ["libs/decimal/", "libs/domain/", "libs/engine/"];

const impureGlobals = new Set([
  "Date",
  "performance",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "process",
  "crypto",
  "fetch",
  "Intl",
  "Promise",
  "require",
]);

/** Whether an identifier is only the name of a property, as in `step.process` or `{ process: 1 }`. */
function isPropertyName(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined || parent["computed"] === true) return false;
  if (parent.type === "MemberExpression") return parent["property"] === node;
  return parent["key"] === node && parent["shorthand"] !== true;
}

/** The reason a node may not stand in a pure module, or undefined. */
function impurity(node: Node, parent: Node | undefined): string | undefined {
  if (node["async"] === true || node.type === "AwaitExpression" || node["await"] === true) return "async or await";
  if (node.type === "MetaProperty") return "import.meta";
  if (node.type === "MemberExpression") {
    const object = node["object"] as Node;
    const property = node["property"] as Node;
    const name = String(property["name"] ?? property["value"]);
    if (name === "localeCompare" || name.startsWith("toLocale")) return name;
    if (object["name"] === "Math" && name === "random") return "Math.random";
  }
  const global = node.type === "Identifier" && impureGlobals.has(String(node["name"]));
  return global && !isPropertyName(node, parent) ? String(node["name"]) : undefined;
}

function impurities(source: Source): string[] {
  if (!pure.some((folder) => source.path.startsWith(folder))) return [];
  const found: string[] = [];
  walk(source.tree, (node, ancestors) => {
    const reason = impurity(node, ancestors.at(-1));
    if (reason !== undefined) found.push(`${source.path}:${lineAt(source.text, node.start)} ${reason}`);
  });
  return found;
}

/** Reads of the environment outside the one library that may. */
function environmentReads(source: Source): string[] {
  if (source.path.startsWith("libs/process/")) return [];
  const found: string[] = [];
  walk(source.tree, (node, ancestors) => {
    if (node.type !== "Identifier" || node["name"] !== "process") return;
    const parent = ancestors.at(-1);
    if (parent === undefined || isPropertyName(node, parent)) return;
    const named = (parent["property"] as Node | undefined)?.["name"] ?? "";
    const member = parent.type === "MemberExpression" && parent["computed"] !== true;
    if (!member || named === "env") found.push(`${source.path}:${lineAt(source.text, node.start)}`);
  });
  return found;
}

test("every module of libs and apps has been read", () => {
  expect(sources.length).toBeGreaterThan(0);
  expect(sources.flatMap(importsOf).length).toBeGreaterThan(0);
});

test("every import is allowed by the table", () => {
  expect(sources.flatMap(strayImports)).toEqual([]);
});

test("decimal, domain and engine have no clock, chance, locale, input, output or waiting", () => {
  expect(sources.flatMap(impurities)).toEqual([]);
});

test("the environment is read by libs/process alone", () => {
  expect(sources.flatMap(environmentReads)).toEqual([]);
});

test("the table names every folder once", () => {
  const zones = layers.map(({ zone }) => zone);
  expect(new Set(zones).size).toBe(zones.length);
});

// The tests above pass on a clean tree, so each line here shows that its reader can tell good from bad.
const samples = table(`
  module                       | text                                               | stray | impure | env
  libs/domain/margin/a.ts      | import { add } from "#libs/decimal/index.ts"       | 0     | 0      | 0
  libs/domain/margin/a.ts      | import type { P } from "../positions/types.ts"     | 0     | 0      | 0
  libs/domain/margin/a.ts      | import { f } from "../adl/rank.ts"                 | 1     | 0      | 0
  libs/domain/margin/a.ts      | import { f } from "#libs/domain/marginal/x.ts"     | 1     | 0      | 0
  libs/domain/margin/a.ts      | import { readFileSync } from "node:fs"             | 1     | 0      | 0
  libs/domain/margin/a.ts      | export { Decimal } from "decimal.js"               | 1     | 0      | 0
  libs/domain/other/a.ts       | export const x = 1                                 | 1     | 0      | 0
  libs/domain/a.ts             | export const x = 1                                 | 1     | 0      | 0
  libs/decimal/a.ts            | import { Decimal } from "decimal.js"               | 0     | 0      | 0
  libs/engine/a.ts             | import type { E } from "#libs/contracts/entry.ts"  | 0     | 0      | 0
  libs/engine/a.ts             | import { e } from "#libs/contracts/entry.ts"       | 1     | 0      | 0
  libs/engine/a.ts             | import { type E } from "#libs/contracts/entry.ts"  | 1     | 0      | 0
  libs/engine/a.ts             | export type X = import("nats").Msg                 | 1     | 0      | 0
  libs/simulation/a.ts         | import { f } from "#libs/contracts/entry.ts"       | 1     | 0      | 0
  libs/adapters/redis/a.ts     | import { f } from "../nats/connect.ts"             | 1     | 0      | 0
  apps/margin/a.ts             | import { f } from "#libs/simulation/population.ts" | 1     | 0      | 0
  apps/cli/a.ts                | import { f } from "#libs/simulation/population.ts" | 0     | 0      | 0
  apps/cli/a.ts                | import { f } from "#apps/api/main.ts"              | 1     | 0      | 0
  apps/cli/a.ts                | await import("../api/main.ts")                     | 1     | 0      | 0
  apps/cli/a.ts                | import { env } from "node:process"                 | 1     | 0      | 0
  apps/cli/a.ts                | const { env } = process                            | 0     | 0      | 1
  apps/cli/a.ts                | export const x = process.env.HOME                  | 0     | 0      | 1
  apps/cli/a.ts                | export const x = process.argv                      | 0     | 0      | 0
  libs/process/a.ts            | export const x = process.env.HOME                  | 0     | 0      | 0
  libs/engine/a.ts             | const x = Math.random()                            | 0     | 1      | 0
  libs/engine/a.ts             | const x = Math["random"]()                         | 0     | 1      | 0
  libs/engine/a.ts             | const x = Date.now()                               | 0     | 1      | 0
  libs/engine/a.ts             | const x = new Date(0)                              | 0     | 1      | 0
  libs/engine/a.ts             | const x = performance.now()                        | 0     | 1      | 0
  libs/engine/a.ts             | setTimeout(() => 1, 5)                             | 0     | 1      | 0
  libs/engine/a.ts             | export const f = async () => 1                     | 0     | 1      | 0
  libs/engine/a.ts             | export const x = await 1                            | 0     | 1      | 0
  libs/engine/a.ts             | export const f = (a: string) => a.localeCompare(a) | 0     | 1      | 0
  libs/engine/a.ts             | export const f = (a: number) => a.toLocaleString() | 0     | 1      | 0
  libs/engine/a.ts             | export const f = (s: any) => s.process             | 0     | 0      | 0
  libs/engine/a.ts             | // Date.now() in a comment is only a comment       | 0     | 0      | 0
`);

for (const sample of samples) {
  test(`the reader judges ${sample.module}: ${sample.text}`, () => {
    const source = parseSource(sample.module, sample.text);
    const counts = [strayImports(source), impurities(source), environmentReads(source)].map((found) => found.length);
    expect(counts).toEqual([sample.stray, sample.impure, sample.env].map(Number));
  });
}
