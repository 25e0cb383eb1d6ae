import { entityAccountsMax, idPattern, reasonPattern, textPattern } from "#libs/contracts/patterns.ts";
import { amountPattern } from "#libs/decimal/amounts.ts";
import { isZero } from "../amounts.ts";

/** What stands in a form, as it was typed. */
export type Values = Readonly<Record<string, string>>;
/** What is wrong with one field: the code, value and bound of the API, which says the same of what gets past here. */
export interface FieldProblem {
  readonly code: string;
  readonly message: string;
  readonly value?: string | undefined;
  readonly bound?: string | undefined;
}

/** What ids are offered to choose from; others may be typed. */
export type Suggested = "asset" | "instrument" | "account" | "entity" | "tier" | "position" | "shard";

export type FieldKind =
  | { readonly is: "id"; readonly of: Suggested }
  | { readonly is: "ids"; readonly of: Suggested }
  /** Above zero; which way it goes is chosen beside it. */
  | { readonly is: "amount" }
  /** Zero is one too. */
  | { readonly is: "figure" }
  | { readonly is: "minutes" }
  | { readonly is: "choice"; readonly options: readonly (readonly [value: string, text: string])[] };

export interface Field {
  /** The payload's own name for it, so that what the API finds wrong with it stands beside it. */
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly kind: FieldKind;
  readonly optional?: boolean;
  /** Only while this holds. */
  readonly when?: (values: Values) => boolean;
}

export const minutesMax = 31 * 24 * 60;
const shownMax = 40;
const shown = (text: string): string => JSON.stringify(text.length > shownMax ? `${text.slice(0, shownMax)}…` : text);

const refused = (code: string, text: string, bound: string): FieldProblem => ({
  code,
  message: `expected ${bound}`,
  value: shown(text),
  bound,
});

const idBound = "an id of 1 to 64 letters, digits, _ or -";
const amountBound = "a decimal string of at most 20 digits before and 18 after the point";

/** Ids apart by commas, blanks or lines. */
export const idsIn = (text: string): readonly string[] => text.split(/[\s,;]+/).filter((one) => one !== "");

function idsProblem(text: string): FieldProblem | null {
  const ids = idsIn(text);
  const bad = ids.find((id) => !idPattern.test(id));
  if (bad !== undefined) return refused("not_an_id", bad, idBound);
  return ids.length > entityAccountsMax
    ? refused("too_many", String(ids.length), `at most ${entityAccountsMax}`)
    : null;
}

function amountProblem(text: string, zero: boolean): FieldProblem | null {
  if (!amountPattern.test(text)) return refused("not_an_amount", text, amountBound);
  if (text.startsWith("-")) return refused("out_of_range", text, "no sign: which way it goes is chosen beside it");
  return isZero(text) && !zero ? refused("out_of_range", text, "above 0") : null;
}

function minutesProblem(text: string): FieldProblem | null {
  const fits = /^\d{1,6}$/.test(text) && Number(text) >= 1 && Number(text) <= minutesMax;
  return fits ? null : refused("out_of_range", text, `a whole number from 1 to ${minutesMax}`);
}

/** By the contract's own patterns; null: nothing is wrong with it. */
export function problemOf({ kind, optional }: Field, typed: string | undefined): FieldProblem | null {
  const text = (typed ?? "").trim();
  if (text === "") return optional === true ? null : { code: "missing_key", message: "is needed" };
  switch (kind.is) {
    case "id":
      return idPattern.test(text) ? null : refused("not_an_id", text, idBound);
    case "ids":
      return idsProblem(text);
    case "amount":
      return amountProblem(text, false);
    case "figure":
      return amountProblem(text, true);
    case "minutes":
      return minutesProblem(text);
    default:
      return kind.options.some(([value]) => value === text) ? null : refused("not_permitted", text, "one of the list");
  }
}

export const reasonProblem = (text: string): FieldProblem | null =>
  reasonPattern.test(text.trim()) ? null : refused("not_permitted", text, "3 to 200 characters");
export const ticketProblem = (text: string): FieldProblem | null =>
  textPattern.test(text.trim()) ? null : refused("not_permitted", text, "at most 200 characters");

/** Fields that are asked for as things stand. */
export const asked = (fields: readonly Field[], values: Values): readonly Field[] =>
  fields.filter(({ when }) => when === undefined || when(values));

export function problemsOf(fields: readonly Field[], values: Values): Readonly<Record<string, FieldProblem>> {
  const found: Record<string, FieldProblem> = {};
  for (const field of asked(fields, values)) {
    const problem = problemOf(field, values[field.name]);
    if (problem !== null) found[field.name] = problem;
  }
  return found;
}

interface ApiProblemLine {
  readonly path: string;
  readonly code: string;
  readonly message: string;
  readonly value?: string | undefined;
  readonly bound?: string | undefined;
}

/** What the API found wrong, by the field that its path ends at; what belongs to none is told apart. */
export function placed(
  problems: readonly ApiProblemLine[],
  fields: readonly Field[],
): { readonly byField: Readonly<Record<string, FieldProblem>>; readonly others: readonly ApiProblemLine[] } {
  const byField: Record<string, FieldProblem> = {};
  const others: ApiProblemLine[] = [];
  for (const problem of problems) {
    const last = /([A-Za-z]+)(?:\[\d+\])*$/.exec(problem.path)?.[1] ?? "";
    const field = fields.find(({ name }) => name === last);
    if (field === undefined || byField[field.name] !== undefined) others.push(problem);
    else byField[field.name] = problem;
  }
  return { byField, others };
}
