import { expect, test } from "vitest";
import { filesUnder, parseSource, readText, sourcesUnder, walk } from "#test/support/source.ts";
import type { Source } from "#test/support/source.ts";

const prefixes = "NUM|POS|TIER|COL|HAIR|ORD|LIM|HEALTH|LIQ|ADL|MARK|BRK|FUND|EXP|INV";
const code = new RegExp(`\\b(?:${prefixes})-\\d{2}\\b`, "g");
const declaration = new RegExp(`^- \\*\\*((?:${prefixes})-\\d{2})\\*\\*`, "gm");

const sections = filesUnder("docs").filter((path) => /^docs\/rules\/[^/]+\.md$/.test(path));
const declared = ["docs/rules.md", ...sections].flatMap((path) => declarationsIn(readText(path)));
// The architecture tests speak about codes without proving any.
const tests = sourcesUnder("test").filter(({ path }) => !path.startsWith("test/architecture/"));

function declarationsIn(text: string): string[] {
  return [...text.matchAll(declaration)].map((match) => match[1] ?? "");
}

const codesIn = (text: string): string[] => text.match(code) ?? [];

/** Codes in the strings of a test file: in a title or a table's cell, so that a comment alone proves nothing. */
function codesProved(source: Source): string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    if (node.type === "Literal" && typeof node["value"] === "string") found.push(...codesIn(node["value"]));
    if (node.type === "TemplateElement") found.push(...codesIn((node["value"] as { raw: string }).raw));
  });
  return found;
}

/** Every code written in the sources that the rule book does not declare, with the file it stands in. */
function unknownCodes(sources: readonly Source[], known: readonly string[]): string[] {
  return sources.flatMap(({ path, text }) =>
    [...new Set(codesIn(text))].filter((found) => !known.includes(found)).map((found) => `${path} ${found}`),
  );
}

test("every code of the rule book is declared once", () => {
  expect(declared.filter((found, at) => declared.indexOf(found) !== at)).toEqual([]);
});

test("every code of the rule book is proved by a test", () => {
  const proved = new Set(tests.filter(({ path }) => path.endsWith(".test.ts")).flatMap(codesProved));
  expect(declared.filter((found) => !proved.has(found))).toEqual([]);
});

test("every code that a test or a module names is in the rule book", () => {
  expect(unknownCodes([...tests, ...sourcesUnder("libs", "apps")], declared)).toEqual([]);
});

test("the rule book's index links every section, and only those that exist", () => {
  const linked = [...readText("docs/rules.md").matchAll(/\]\((rules\/[^)#]+\.md)\)/g)].map(
    (match) => `docs/${match[1] ?? ""}`,
  );
  expect([...new Set(linked)].sort()).toEqual(sections);
});

test("the readers of codes tell a title from a comment", () => {
  const sample = (text: string): Source => parseSource("test/a.test.ts", text);
  const tier = ["TIER", "07"].join("-");
  expect(declarationsIn(`- **${tier}** A rule.\nsee **${tier}**\n  - **${tier}** no`)).toEqual([tier]);
  expect(codesProved(sample(`test("${tier} says", () => {})`))).toEqual([tier]);
  expect(codesProved(sample(`table(\`\n ${tier} | \${1}\`)`))).toEqual([tier]);
  expect(codesProved(sample(`// ${tier}\ntest("says", () => {})`))).toEqual([]);
  expect(unknownCodes([sample(`// ${tier}`)], [])).toEqual([`test/a.test.ts ${tier}`]);
  expect(unknownCodes([sample(`// ${tier}`)], [tier])).toEqual([]);
});
