import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { runScenario } from "#libs/simulation/scenario.ts";

/** A worked example, in the folder beside its scenario's: what some places of the result hold, where from, and why. */
interface Expected {
  readonly source: string;
  readonly arithmetic: readonly string[];
  /** By path: `answers[0].positions[1].liqPrice`; `facts(fill)[2].price` counts facts of one kind only; `.length` ends a list. */
  readonly expect: Readonly<Record<string, unknown>>;
}

const folder = fileURLToPath(new URL("published/", import.meta.url));
const expectations = fileURLToPath(new URL("published-expected/", import.meta.url));
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length))
  .sort();

function expectedOf(name: string): Expected {
  return JSON.parse(readFileSync(`${expectations}${name}.json`, "utf8")) as Expected;
}

function resultOf(name: string): unknown {
  const reading = readScenario(readFileSync(`${folder}${name}.json`));
  if (!reading.ok) throw new Error(`${name}: ${JSON.stringify(reading.problems)}`);
  return runScenario(reading.scenario);
}

/** What stands at a path; undefined where the way ends early. */
function valueAt(result: unknown, path: string): unknown {
  let at: unknown = result;
  for (const step of path.match(/[^.[\]()]+\([^)]*\)|\[\d+\]|[^.[\]]+/g) ?? []) at = stepInto(at, step);
  return at;
}

function stepInto(at: unknown, step: string): unknown {
  if (typeof at !== "object" || at === null) return undefined;
  const filtered = /^([^(]+)\(([^)]*)\)$/.exec(step);
  if (filtered !== null) {
    const list = (at as Record<string, unknown>)[filtered[1] as string] as { fact?: string }[] | undefined;
    return list?.filter((one) => one.fact === filtered[2]);
  }
  const key = step.startsWith("[") ? step.slice(1, -1) : step;
  return (at as Record<string, unknown>)[key];
}

/** The places an example speaks of, as the engine answers them. */
function answered(result: unknown, expected: Expected): Record<string, unknown> {
  return Object.fromEntries(Object.keys(expected.expect).map((path) => [path, valueAt(result, path)]));
}

describe("worked examples of exchanges and open protocols", () => {
  test("there are at least sixty, each with its source and its arithmetic", () => {
    expect(names.length).toBeGreaterThanOrEqual(60);
    for (const name of names) {
      const { source, arithmetic, expect: places } = expectedOf(name);
      expect(source.length, name).toBeGreaterThan(10);
      expect(arithmetic.length, name).toBeGreaterThan(0);
      expect(Object.keys(places).length, name).toBeGreaterThan(1);
    }
  });

  test.each(names)("%s", (name) => {
    const expected = expectedOf(name);
    expect(answered(resultOf(name), expected)).toEqual(expected.expect);
  });
});
