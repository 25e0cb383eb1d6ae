import type { Fact } from "#libs/contracts/log.ts";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import type { ScenarioResult } from "#libs/simulation/scenario.ts";
import type { Style } from "./output.ts";

/** Rows as columns wide enough for what is in them; the last column is left ragged. */
export function columns(rows: readonly (readonly string[])[], indent = ""): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)));
  return rows.map((row) => `${indent}${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ")}`.trimEnd());
}

/** Any value on one line: `account=alice qty=1`, nested objects in braces. */
export function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{${fields(value).join(" ")}}`;
}

const fields = (value: object): string[] => Object.entries(value).map(([key, one]) => `${key}=${inline(one)}`);

export function factsTable(facts: readonly Fact[], paint: Style): string[] {
  const rows = facts.map(({ seq, t, fact, ...rest }) => [String(seq), String(t), fact, fields(rest).join(" ")]);
  const [head = "", ...body] = columns([["seq", "t", "fact", "what"], ...rows]);
  return [paint.strong(head), ...body];
}

/** An answer as lines: single values first, lists below them with one item a line. */
function answerLines(answer: unknown, paint: Style): string[] {
  if (typeof answer !== "object" || answer === null) return [`  ${inline(answer)}`];
  const isList = (value: unknown): value is readonly object[] => Array.isArray(value) && typeof value[0] === "object";
  const entries = Object.entries(answer);
  const single = entries.filter(([, value]) => !isList(value)).map(([key, value]) => [key, inline(value)]);
  const lists = entries.flatMap(([key, value]) =>
    isList(value) ? [`  ${paint.faint(key)}`, ...columns(value.map(fields), "    ")] : [],
  );
  return [...columns(single, "  "), ...lists];
}

export function problemLines(problems: readonly Problem[]): string[] {
  return columns(
    problems.map(({ path, code, message }) => [path, code, message]),
    "  ",
  );
}

/** The whole result of a run for a person. */
export function resultText(result: ScenarioResult, warnings: readonly Problem[], paint: Style): string[] {
  const answers = result.answers.flatMap((answer, at) => [
    "",
    paint.strong(`answer ${at + 1}`),
    ...answerLines(answer, paint),
  ]);
  const invariants = Object.entries(result.invariants).map(([name, holds]) => [name, inline(holds)]);
  const reported = warnings.length === 0 ? [] : ["", paint.strong("reported"), ...problemLines(warnings)];
  return [
    ...factsTable(result.facts, paint),
    ...answers,
    "",
    paint.strong("invariants"),
    ...columns(invariants, "  "),
    ...reported,
    "",
    `${result.ok ? paint.good("ok") : paint.bad("NOT OK")}  state ${result.stateHash}`,
  ];
}
