import type { RunDetails } from "fast-check";
import { defaultReportMessage } from "fast-check";

/** What a property test may set for itself; everything else is decided here for all of them. */
export type PropertyOverrides = {
  /** How many inputs are tried before PLIMSOLL_RUNS multiplies it; 100 when left out. */
  readonly numRuns?: number;
  /** How many milliseconds generation may take before the run is cut short and counted as a success. */
  readonly interruptAfterTimeLimit?: number;
  readonly seed?: number;
  readonly path?: string;
  readonly endOnFailure?: boolean;
  readonly skipAllAfterTimeLimit?: number;
};

/** The part of fast-check's parameters that `propertyOptions` fills in; fits `fc.assert` for any property. */
export type PropertyOptions = PropertyOverrides & {
  readonly numRuns: number;
  readonly seed: number;
  readonly verbose: 1;
  readonly reporter: <Inputs>(details: RunDetails<Inputs>) => void;
};

type Environment = { readonly [name: string]: string | undefined };

/** A whole number from the environment, or an error that names the variable. */
function integerFrom(environment: Environment, name: string, least: number): number | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`${name} must be a whole number of at least ${least}, not "${text}"`);
  }
  return value;
}

/** The sentence printed for a failed property: it always says how to run exactly the same inputs again. */
export function failureMessage<Inputs>(details: RunDetails<Inputs>): string | undefined {
  if (!details.failed) return undefined;
  const path = details.counterexamplePath ?? "";
  const again = `seed ${details.seed}, path "${path}". Run it again with PLIMSOLL_SEED=${details.seed}`;
  return `${again}\n${defaultReportMessage(details) ?? ""}`;
}

function report<Inputs>(details: RunDetails<Inputs>): void {
  const message = failureMessage(details);
  if (message === undefined) return;
  throw new Error(message, details.errorInstance instanceof Error ? { cause: details.errorInstance } : {});
}

/**
 * Options for every `fc.assert` of this repository.
 *
 * PLIMSOLL_RUNS multiplies the number of runs (1 when unset), PLIMSOLL_SEED replays one seed; without it the
 * seed is random and a failure prints it. Throws when either variable is not a whole number.
 */
export function propertyOptions(overrides: PropertyOverrides = {}): PropertyOptions {
  const factor = integerFrom(process.env, "PLIMSOLL_RUNS", 1) ?? 1;
  const seed = integerFrom(process.env, "PLIMSOLL_SEED", Number.MIN_SAFE_INTEGER);
  return {
    ...overrides,
    numRuns: (overrides.numRuns ?? 100) * factor,
    seed: seed ?? overrides.seed ?? Math.floor(Math.random() * 0x7fffffff),
    verbose: 1,
    reporter: report,
  };
}
