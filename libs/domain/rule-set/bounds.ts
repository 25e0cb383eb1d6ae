import { Rational } from "#libs/decimal/index.ts";
import type { FundingDocument, Problem } from "./documents.ts";

/** What can be wrong with the meaning of rules whose shape is right. */
export type RuleProblemCode =
  | "ambiguous_provider"
  | "duplicate_id"
  | "missing_key"
  | "not_ascending"
  | "not_changeable"
  | "not_descending"
  | "out_of_range"
  | "own_underlying"
  | "system_account"
  | "too_many"
  | "unknown_asset"
  | "unknown_check"
  | "unknown_entity"
  | "unknown_instrument"
  | "unknown_tier"
  | "wrong_settle";

/** Where problems go: a path below `$.rules`, a code, a sentence. */
export type Report = (path: string, code: RuleProblemCode, message: string) => void;

/** What a number may be; each bound is a decimal string so that messages show it as written. */
export interface Range {
  readonly least?: string;
  readonly above?: string;
  readonly most?: string;
  readonly below?: string;
}

export const fraction: Range = { least: "0", most: "1" };
export const rate: Range = { least: "0", below: "1" };
export const natural: Range = { least: "0" };
export const positive: Range = { above: "0" };

function broken(value: Rational, range: Range): string | undefined {
  if (range.least !== undefined && value.below(Rational.parse(range.least))) return `at least ${range.least}`;
  if (range.above !== undefined && value.atMost(Rational.parse(range.above))) return `above ${range.above}`;
  if (range.most !== undefined && value.above(Rational.parse(range.most))) return `at most ${range.most}`;
  if (range.below !== undefined && value.atLeast(Rational.parse(range.below))) return `below ${range.below}`;
  return undefined;
}

/** Reports a value that lies outside of its range. */
export function checkRange(report: Report, path: string, text: string, range: Range): void {
  const bound = broken(Rational.parse(text), range);
  if (bound !== undefined) report(path, "out_of_range", `${text} must be ${bound}`);
}

/** Reports every key of `ranges` whose value in `document` lies outside of its range; absent keys are in order. */
export function checkRanges<const Ranges extends Readonly<Record<string, Range>>>(
  report: Report,
  path: string,
  document: { readonly [key in NoInfer<keyof Ranges>]?: string | undefined } | undefined,
  ranges: Ranges,
): void {
  const texts: Readonly<Record<string, string | undefined>> = document ?? {};
  for (const key of Object.keys(ranges)) {
    const text = texts[key];
    if (text !== undefined) checkRange(report, `${path}.${key}`, text, ranges[key] ?? {});
  }
}

const dayMs = 86_400_000;
const shortestIntervalMs = 60_000;

/** FUND-05, FUND-06: a day is a whole number of intervals, and rates are fractions. */
export function checkFunding(report: Report, path: string, funding: FundingDocument | undefined): void {
  if (funding === undefined) return;
  const { intervalMs } = funding;
  if (intervalMs !== undefined && (intervalMs < shortestIntervalMs || dayMs % intervalMs !== 0))
    report(
      `${path}.intervalMs`,
      "out_of_range",
      `${intervalMs} must divide a day and be at least ${shortestIntervalMs}`,
    );
  checkRanges(report, path, funding, {
    interest: { least: "-1", most: "1" },
    rateMax: { above: "0", most: "1" },
  });
}

/** Reports ids that stand twice in a list. */
export function checkUnique(report: Report, path: string, ids: readonly string[]): void {
  const seen = new Map<string, number>();
  ids.forEach((id, at) => {
    const first = seen.get(id);
    if (first === undefined) seen.set(id, at);
    else report(`${path}[${at}].id`, "duplicate_id", `${id} is already the id of ${path}[${first}]`);
  });
}

const plainKey = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A key of an object as a part of a path. */
export const keyed = (path: string, key: string): string =>
  plainKey.test(key) ? `${path}.${key}` : `${path}["${key}"]`;

export function collector(): { readonly report: Report; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  return { problems, report: (path, code, message) => problems.push({ path, code, message }) };
}
