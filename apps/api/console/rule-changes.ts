import type { RuleOperation } from "#libs/contracts/api/commands.ts";
import { isAmount } from "./amounts.ts";

/** A change of the rules as the API takes it: what is tried on the live book is to the letter what is then proposed. */
export interface Change {
  readonly operation: RuleOperation;
  readonly payload: Readonly<Record<string, unknown>>;
}

export type Read =
  | { readonly change: Change; readonly problem: null }
  | { readonly change: null; readonly problem: string | null };

const none = (problem: string | null): Read => ({ change: null, problem });

/** A change of those in force, written as JSON: lists are merged by id. */
export function readSet(text: string, base: number): Read {
  if (text.trim() === "") return none(null);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return none(error instanceof Error ? error.message : "This is no JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return none("An object is expected.");
  return { change: { operation: "rules", payload: { base, set: value } }, problem: null };
}

export const readRollback = (version: number | null, base: number): Read =>
  version === null ? none(null) : { change: { operation: "rollback", payload: { base, version } }, problem: null };

export interface EmergencyFields {
  /** Empty: every instrument. */
  readonly instrument: string;
  readonly marginFactor: string;
  readonly partialAt: string;
  readonly fullAt: string;
  readonly minutes: string;
}

const minutesMax = 7 * 24 * 60;

/** Stricter margins or thresholds for a time; `marketT`: UTC ms of the market's clock, which ends it. */
export function readEmergency(fields: EmergencyFields, marketT: number): Read {
  const { instrument, minutes } = fields;
  const given = (["marginFactor", "partialAt", "fullAt"] as const).filter((name) => fields[name].trim() !== "");
  if (given.length === 0) return none(null);
  const bad = given.find((name) => !isAmount(fields[name].trim()));
  if (bad !== undefined) return none(`${bad} has to be a decimal number.`);
  const length = Number(minutes);
  if (!Number.isInteger(length) || length < 1 || length > minutesMax)
    return none(`It lasts from 1 to ${minutesMax} minutes.`);
  const amounts = Object.fromEntries(given.map((name) => [name, fields[name].trim()]));
  const where = instrument === "" ? {} : { instrument };
  return {
    change: { operation: "emergency", payload: { ...where, ...amounts, until: marketT + length * 60_000 } },
    problem: null,
  };
}
