import { ConstraintBroken, DatabaseDown, Deposed, Unbalanced } from "#libs/adapters/postgres/index.ts";
import type { CommitValue } from "#libs/adapters/postgres/index.ts";

/** What the thread that writes is started with. */
export interface WriterSettings {
  readonly url: string;
  readonly name: string;
}

/** A batch before it is hashed and packed. Texts are copied to the other thread as they are, which costs little. */
export interface CommitAsked {
  readonly kind: "commit";
  readonly epoch: number;
  readonly fromSeq: number;
  /** Of the batch before it. */
  readonly chainHash: string;
  readonly content: readonly CommitValue[];
  /** NDJSON. */
  readonly journal: string;
  readonly facts: string;
}

export interface DecisionsAsked {
  readonly kind: "decisions";
  /** Lines of `decisionLine`. */
  readonly lines: readonly string[];
}

export type Asked = (CommitAsked | DecisionsAsked) & { readonly number: number };

export type Answered =
  | { readonly number: number; readonly ok: true; /** The new hash of the chain. */ readonly chainHash: string }
  | { readonly number: number; readonly ok: false; readonly error: TravellingError }
  /** A connection broke while it was idle. */
  | { readonly number: 0; readonly idle: string };

/** An error as one thread can give it to another, which copies no classes. */
export interface TravellingError {
  readonly name: string;
  readonly message: string;
  /** Of `DatabaseDown` and `ConstraintBroken`. */
  readonly detail: string;
}

export function travelling(error: unknown): TravellingError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), detail: "" };
  const { name, message } = error;
  const detail =
    error instanceof DatabaseDown ? error.outcome : error instanceof ConstraintBroken ? error.constraint : "";
  return { name, message, detail };
}

export function arrived({ name, message, detail }: TravellingError): Error {
  switch (name) {
    case "Deposed":
      return new Deposed(message);
    case "Unbalanced":
      return new Unbalanced(message);
    case "ConstraintBroken":
      return new ConstraintBroken(message, detail);
    case "DatabaseDown":
      return new DatabaseDown(message, detail === "none" ? "none" : "unknown");
    default:
      return new Error(`${name}: ${message}`);
  }
}
