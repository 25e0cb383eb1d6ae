/** Another leader holds the shard, or this batch does not follow what is committed: stop, commit nothing more. */
export class Deposed extends Error {
  constructor(what: string) {
    super(what);
    this.name = "Deposed";
  }
}

/** The database refused a ledger transaction that does not sum to zero per asset: a broken invariant. */
export class Unbalanced extends Error {
  constructor(what: string) {
    super(what);
    this.name = "Unbalanced";
  }
}

/** A constraint refused what was written (`constraint`: its name, or the SQLSTATE): a broken invariant or a caller's mistake. */
export class ConstraintBroken extends Error {
  readonly constraint: string;

  constructor(what: string, constraint: string) {
    super(what);
    this.name = "ConstraintBroken";
    this.constraint = constraint;
  }
}

/**
 * The database cannot be reached, is stopping, or did not answer in time. `outcome` is `unknown` where a statement had been sent:
 * it may have committed, or may still commit.
 */
export class DatabaseDown extends Error {
  readonly outcome: "none" | "unknown";

  constructor(what: string, outcome: "none" | "unknown", cause?: unknown) {
    super(what, { cause });
    this.name = "DatabaseDown";
    this.outcome = outcome;
  }
}

/** What is stored contradicts its own hash. */
export class Corrupt extends Error {
  constructor(what: string) {
    super(what);
    this.name = "Corrupt";
  }
}

/** SQLSTATEs that the migrations raise. */
export const raised = { deposed: "PL001", unbalanced: "PL002", appendOnly: "PL003", falling: "PL004" } as const;

/** The `constraint` of a row for which there is no partition yet. */
export const missingPartition = "missing_partition";

const restarting = new Set(["57P01", "57P02", "57P03", "53300"]);
const timedOut = new Set(["57014", "55P03", "25P03"]);
const stateOf = (error: unknown): string => (error as { code?: unknown } | null)?.code?.toString() ?? "";

/** Serialization failures and deadlocks: the whole transaction may be run again. */
export const mayRunAgain = (error: unknown): boolean => ["40001", "40P01"].includes(stateOf(error));

/**
 * The typed error for what the driver threw. A server's own refusal (SQLSTATE) means that nothing was committed, but for
 * its shutting down, after which a COMMIT may have taken effect.
 */
export function databaseError(error: unknown, sent: boolean): Error {
  const code = stateOf(error);
  const text = error instanceof Error ? error.message : String(error);
  if (code === raised.deposed) return new Deposed(text);
  if (code === raised.unbalanced) return new Unbalanced(text);
  if (code === raised.appendOnly || code === raised.falling) return new ConstraintBroken(text, code);
  if (/^(22|23)/.test(code)) return new ConstraintBroken(text, constraintOf(error, code));
  if (timedOut.has(code)) return new DatabaseDown(`${text} (${code})`, "none", error);
  if (restarting.has(code)) return new DatabaseDown(text, sent ? "unknown" : "none", error);
  if (/^[0-9A-Z]{5}$/.test(code) && !code.startsWith("08") && !/^E[A-Z]+$/.test(code)) return error as Error;
  return new DatabaseDown(text, sent ? "unknown" : "none", error);
}

/** What the server says of itself beside the text, which may be in any language. */
function constraintOf(error: unknown, code: string): string {
  const { constraint, routine } = error as { constraint?: string; routine?: string };
  return constraint ?? (routine === "ExecFindPartition" ? missingPartition : code);
}
