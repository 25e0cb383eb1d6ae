import type { SystemAccount } from "#libs/domain/rule-set/types.ts";
import type { ProblemCode, ProblemList } from "../problems.ts";
import { joinPath, shown } from "../problems.ts";

type Steps = readonly (string | number)[];

const digit = /[1-9]/;
/** −1, 0 or 1 for an amount in its textual form; no arithmetic, because every fill passes here. */
export const signOf = (amount: string): number =>
  amount.charCodeAt(0) === 0x2d ? -signOf(amount.slice(1)) : digit.test(amount) ? 1 : 0;

/** Adds a problem that says the value found and its bound. */
export function tell(problems: ProblemList, code: ProblemCode, value: unknown, bound: string, ...steps: Steps): void {
  const found = shown(value);
  problems.add(joinPath("$", ...steps), code, `expected ${bound}, found ${found}`, { value: found, bound });
}

export function positive(problems: ProblemList, amount: string | undefined, ...steps: Steps): void {
  if (amount !== undefined && signOf(amount) <= 0) tell(problems, "out_of_range", amount, "above 0", ...steps);
}

export function notNegative(problems: ProblemList, amount: string | undefined, ...steps: Steps): void {
  if (amount !== undefined && signOf(amount) < 0) tell(problems, "out_of_range", amount, "at least 0", ...steps);
}

export function notZero(problems: ProblemList, amount: string, ...steps: Steps): void {
  if (signOf(amount) === 0) tell(problems, "out_of_range", amount, "not 0", ...steps);
}

/** A record by type, so that it does not compile when the domain's list changes. */
const systemAccounts: Readonly<Record<SystemAccount, true>> = {
  insurance: true,
  fees: true,
  house: true,
  rounding: true,
  bad_debt: true,
  clearing: true,
  market: true,
};

/** The account of a trader, not of the exchange itself. */
export function trader(problems: ProblemList, account: string, ...steps: Steps): void {
  if (Object.hasOwn(systemAccounts, account))
    tell(problems, "system_account", account, "the account of a trader", ...steps);
}
