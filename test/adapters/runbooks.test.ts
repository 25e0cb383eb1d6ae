import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Value } from "typebox/value";
import { type Database, openDatabase } from "#libs/adapters/postgres/index.ts";
import { commandBodies, type Operation } from "#libs/contracts/api/commands.ts";
import { routes } from "#libs/contracts/api/routes.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { migratedPostgres } from "#test/support/servers.ts";
import { root } from "#test/support/source.ts";

const folder = join(root, "docs/runbooks");
const runbooks = readdirSync(folder)
  .filter((file) => file !== "README.md")
  .map((file) => ({ file, text: readFileSync(join(folder, file), "utf8") }));
const linesOf = (text: string): string[] => text.split("\n").map((line) => line.trim());

let db: Database;
beforeAll(async () => {
  const { url } = await migratedPostgres();
  db = openDatabase({ url: await urlAs("readonly", url), name: "runbooks" });
}, 60_000);
afterAll(async () => db.close());

test("every runbook says what it means, what to look at, what to do and how to undo it, and links to what is there", () => {
  for (const { file, text } of runbooks) {
    const heads = text.match(/^## .*$/gm);
    expect(heads, file).toEqual(["## What it means", "## What to look at", "## What to do", "## How to undo it"]);
    for (const [, to = ""] of text.matchAll(/\]\(([^)]+)\)/g))
      expect(() => readFileSync(join(folder, to)), `${file} ${to}`).not.toThrow();
  }
});

test("every query of a runbook runs, as somebody who may only read", async () => {
  let queries = 0;
  const problems: string[] = [];
  for (const { file, text } of runbooks)
    for (const line of linesOf(text)) {
      const sql = /^sql "(.*)"$/.exec(line)?.[1];
      if (sql === undefined) continue;
      queries += 1;
      const problem = await db.query({ text: sql }).then(() => null, String);
      if (problem !== null) problems.push(`${file}: ${problem}: ${sql}`);
    }
  expect(problems).toEqual([]);
  expect(queries).toBeGreaterThan(20);
});

test("every command of a runbook is one that the API takes, every path one that it has", () => {
  const paths = routes.map(({ path }) => new RegExp(`^${path.replaceAll(/:[a-zA-Z]+/g, "[^/]+")}$`));
  let orders = 0;
  for (const { file, text } of runbooks)
    for (const line of linesOf(text)) {
      const path = /^ask '?(\/v1\/[^'?\s]*)/.exec(line)?.[1];
      if (path !== undefined)
        expect(
          paths.some((one) => one.test(path)),
          `${file}: ${path}`,
        ).toBe(true);
      const [, operation, body] = /^order (\w+) '(.*)'$/.exec(line) ?? [];
      if (operation === undefined || body === undefined) continue;
      orders += 1;
      expect(commandBodies, file).toHaveProperty(operation);
      // Words in capitals are the reader's to fill in.
      const filled = body
        .replaceAll("''", "'")
        .replaceAll("{…}", "{}")
        .replaceAll(/(?<=:)(?:VERSION|BEFORE)(?=[,}])/g, "1");
      const schema = commandBodies[operation as Operation];
      const problems = [...Value.Errors(schema, JSON.parse(filled) as unknown)].map(({ message }) => message);
      expect(problems, `${file}: ${line}`).toEqual([]);
    }
  expect(orders).toBeGreaterThan(20);
});
