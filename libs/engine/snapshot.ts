import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { isActive } from "./activity.ts";
import { Book } from "./book.ts";
import { Digest } from "./digest.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import { readRecord, recordText } from "./state-record.ts";
import { Reader, Writer } from "./writer.ts";

const magic = "plimsoll-state-1";

/** Thrown where bytes are no snapshot, or of a version that this engine does not read. */
export class SnapshotRefused extends Error {
  constructor(reason: string) {
    super(`snapshot refused: ${reason}`);
    this.name = "SnapshotRefused";
  }
}

/** The authoritative fields besides the book: a list, so that nothing is kept in one place and forgotten in the other. */
const fields = [
  "t",
  "appliedSeq",
  "factSeq",
  "frame",
  "sourceSeqs",
  "sagas",
  "nextSagaSlot",
  "openEffects",
  "halts",
  "fundStates",
  "parked",
  "closedInstruments",
  "breakerWindows",
  "auditFailure",
  "lastGood",
  "priceInputs",
  "dueSince",
  "positionsSetUp",
  "waitingDebts",
  "rankings",
] as const;

/** Those that only a shard behind a matching engine has: left out while they are empty. */
const liveFields = ["pendingHalves", "expirySettled", "answeredCloses", "movedElsewhere"] as const;

function stateOf(machine: Machine): Record<string, unknown> {
  const state: Record<string, unknown> = { pending: machine.pending.list() };
  for (const field of fields) state[field] = machine[field];
  for (const field of liveFields) if (machine[field].size > 0) state[field] = machine[field];
  if (isActive(machine.activity)) state["activity"] = machine.activity;
  return state;
}

/** What two machines must agree on: rules, book in canonical order, everything else that decides (INV-08). */
export function stateHash(machine: Machine): string {
  const digest = new Digest();
  const writer = new Writer((chunk) => digest.update(chunk));
  writer.text(JSON.stringify(machine.document));
  writer.natural(machine.rules.version);
  machine.book.canonical(writer);
  writer.text(recordText(stateOf(machine)));
  if (machine.sessions.used)
    machine.sessions.canonical(writer, machine.accountsInOrder(), (account) => machine.accountName(account));
  writer.finish();
  return digest.hex();
}

export function takeSnapshot(machine: Machine): Uint8Array {
  const writer = new Writer();
  writer.text(magic);
  writer.text(JSON.stringify(machine.document));
  writer.natural(machine.rules.version);
  machine.book.save(writer);
  writer.text(recordText(stateOf(machine)));
  if (machine.sessions.used) machine.sessions.save(writer);
  return writer.bytes();
}

/** A machine as it stood when the snapshot was taken; the trigger index, which is derived, is made anew. */
export function restoreSnapshot(bytes: Uint8Array, options: MachineOptions): Machine {
  const reader = new Reader(bytes);
  if (reader.text() !== magic) throw new SnapshotRefused("not a snapshot of this format");
  const document = JSON.parse(reader.text()) as RuleDocument;
  const version = reader.natural();
  const { rules, problems } = compileRules(document, version);
  if (problems.length > 0) throw new SnapshotRefused(`its rules are not valid: ${problems[0]?.message ?? ""}`);
  const book = Book.load(reader, rules);
  const machine = new Machine(book, document, rules, options);
  const state = readRecord(reader.text()) as Record<string, unknown>;
  for (const field of fields) assign(machine, field, state[field]);
  for (const field of liveFields) if (state[field] !== undefined) assign(machine, field, state[field]);
  if (state["activity"] !== undefined) Object.assign(machine.activity, state["activity"]);
  if (!reader.ended) machine.sessions.load(reader);
  machine.useRules(document, compileRules(document, version, machine.t).rules);
  // Arming found the pools that stand close to a threshold; only those that waited when the snapshot was taken still wait.
  machine.pending.take();
  for (const pool of state["pending"] as number[]) machine.pending.add(pool);
  return machine;
}

/** Maps are filled, since the machine shares them; everything else is replaced. */
function assign(machine: Machine, field: (typeof fields | typeof liveFields)[number], value: unknown): void {
  const own: unknown = machine[field];
  if (own instanceof Map) {
    own.clear();
    for (const [key, one] of value as Map<unknown, unknown>) own.set(key, one);
  } else if (field === "breakerWindows") Object.assign(machine.breakerWindows, value);
  else Object.assign(machine, { [field]: value });
}
