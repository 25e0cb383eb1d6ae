import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { filesUnder, lineAt, parseSource, readText, root, sourcesUnder, walk } from "#test/support/source.ts";
import type { Node, Source } from "#test/support/source.ts";

const fileLinesMax = 400;
const functionLinesMax = 70;
const namelessFolders = new Set(["utils", "util", "helpers", "helper", "common", "shared", "core", "base", "misc"]);

const files = filesUnder(".");
const sources = sourcesUnder("libs", "apps", "test", "scripts");

const linesOf = (text: string): number => text.replace(/\n$/, "").split("\n").length;

/** A function handed to `describe` only groups tests, so its length says nothing. */
function groupsTests(ancestors: readonly Node[]): boolean {
  const call = ancestors.at(-1);
  if (call?.type !== "CallExpression") return false;
  return /^describe\b/.test(nameOf(call["callee"] as Node));
}

function nameOf(callee: Node): string {
  if (callee.type === "Identifier") return String(callee["name"]);
  if (callee.type === "MemberExpression") return nameOf(callee["object"] as Node);
  return callee.type === "CallExpression" ? nameOf(callee["callee"] as Node) : "";
}

const functions = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

function longFunctions({ path, text, tree }: Source): string[] {
  const found: string[] = [];
  walk(tree, (node, ancestors) => {
    if (!functions.has(node.type) || groupsTests(ancestors)) return;
    const first = lineAt(text, node.start);
    const lines = lineAt(text, node.end) - first + 1;
    if (lines > functionLinesMax) found.push(`${path}:${first} has ${lines} lines`);
  });
  return found;
}

/** Paths that only the authors' machines have; written in pieces so that this file does not name them itself. */
const foreign = { path: `/${["wo", "rk"].join("")}`, folder: `../${["sha", "red"].join("")}` };
const foreignPaths = new RegExp(`(?<![\\w.])${foreign.path}(?![\\w-])|\\.\\./${foreign.folder.slice(3)}\\b`);

const foreignLines = (path: string, text: string): string[] =>
  text.split("\n").flatMap((line, at) => (foreignPaths.test(line) ? [`${path}:${at + 1}`] : []));

const isText = (path: string): boolean => !/\.(png|gz|zst|bin|parquet)$/.test(path);

test(`no file of code is longer than ${fileLinesMax} lines`, () => {
  const code = files.filter((path) => /\.(tsx?|css|sql|sh)$/.test(path) || /^(scripts|\.ci)\//.test(path));
  expect(code.length).toBeGreaterThan(0);
  const long = code
    .map((path) => ({ path, lines: linesOf(readText(path)) }))
    .filter(({ lines }) => lines > fileLinesMax);
  expect(long).toEqual([]);
});

test(`no function is longer than ${functionLinesMax} lines`, () => {
  expect(sources.flatMap(longFunctions)).toEqual([]);
});

test("the reader of functions counts lines of every kind of function, and passes over groups of tests", () => {
  const body = "\n1;".repeat(functionLinesMax - 1);
  const long = (text: string): number => longFunctions(parseSource("a.ts", text)).length;
  expect(long(`function f() {${body}\n}`)).toBe(1);
  expect(long(`function f() {${body}}`)).toBe(0);
  expect(long(`export const f = () => {${body}\n};`)).toBe(1);
  expect(long(`class A { f() {${body}\n} }`)).toBe(1);
  expect(long(`test("a", () => {${body}\n});`)).toBe(1);
  expect(long(`describe("a", () => {${body}\n});`)).toBe(0);
  expect(long(`describe.each([1])("a", () => {${body}\n});`)).toBe(0);
});

test("every folder has a name that says what is in it", () => {
  const folders = new Set(files.flatMap((path) => dirname(path).split("/")));
  expect([...folders].filter((folder) => namelessFolders.has(folder))).toEqual([]);
});

test("no file names a path that only its authors have", () => {
  expect(files.filter(isText).flatMap((path) => foreignLines(path, readText(path)))).toEqual([]);
  const samples = [
    `cat ${foreign.path}/x`,
    `"${foreign.path}"`,
    `${foreign.folder}/y`,
    "net/work/x",
    "/workers",
    "../shares",
  ];
  expect(samples.map((sample) => foreignLines("a", sample).length)).toEqual([1, 1, 1, 0, 0, 0]);
});

test("the top level holds what it should and nothing else", () => {
  const required = ["LICENSE", "README.md", "apps", "docs", "libs", "package-lock.json", "package.json", "scripts"];
  const optional = ["docker", "migrations", "node_modules"];
  const found = readdirSync(root).filter((name) => !name.startsWith(".") && !optional.includes(name));
  expect(found.sort()).toEqual([...required, "test", "tsconfig.json"].sort());
});

test("the lock file names no host and every package by its hash", () => {
  const lock = JSON.parse(readText("package-lock.json")) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>;
  };
  const installed = Object.entries(lock.packages).filter(([path]) => path !== "");
  expect(installed.length).toBeGreaterThan(0);
  expect(installed.filter(([, { resolved, integrity }]) => resolved !== undefined || integrity === undefined)).toEqual(
    [],
  );
});
