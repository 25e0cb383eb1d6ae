import type { Batch, LedgerLeg, PositionRow } from "./batch.ts";
import { batchLimits } from "./batch.ts";
import { byteaArray, fromHex, lastOfEach, nullableTextArray, numberArray, textArray } from "./arrays.ts";
import type { Queryable } from "./database.ts";
import { only } from "./database.ts";
import { ConstraintBroken, missingPartition } from "./errors.ts";
import { ensurePartitions } from "./partitions.ts";

const parameters = 50;
const text = `SELECT commit_batch(${Array.from({ length: parameters }, (_, at) => `$${at + 1}`).join(", ")}) AS result`;

/**
 * Commits a batch: one statement, one round trip, one transaction. Its first statement moves the shard's fenced row from
 * `fromSeq` to `toSeq` for this epoch.
 *
 * Resolves once it is durable: `committed` now, or `already` where this very batch (positions, entries, hash) had been
 * committed before, so that after `DatabaseDown` with outcome `unknown` the same batch may simply be committed again.
 * Throws `Deposed` (another epoch, or another position: exit), `Unbalanced`, `ConstraintBroken` (nothing was written),
 * `DatabaseDown`.
 */
export async function commitBatch(db: Queryable, batch: Batch): Promise<"committed" | "already"> {
  const statement = { name: "commit_batch", text, values: valuesOf(batch) };
  try {
    return only(await db.query<{ result: "committed" | "already" }>(statement)).result;
  } catch (error) {
    if (!(error instanceof ConstraintBroken) || error.constraint !== missingPartition) throw error;
    await ensurePartitions(db);
    return only(await db.query<{ result: "committed" | "already" }>(statement)).result;
  }
}

function valuesOf(batch: Batch): unknown[] {
  if (batch.entryCount > batchLimits.entries) throw new RangeError(`a batch of ${batch.entryCount} entries`);
  const values = [
    ...headValues(batch),
    ...ledgerValues(batch),
    ...balanceValues(batch),
    ...positionValues(batch),
    ...factValues(batch),
    ...sagaValues(batch),
    ...otherValues(batch),
  ];
  if (values.length !== parameters) throw new Error(`commit_batch takes ${parameters} values, not ${values.length}`);
  return values;
}

const headValues = (batch: Batch): unknown[] => [
  batch.shard,
  batch.epoch,
  batch.fromSeq,
  batch.toSeq,
  batch.firstEntry,
  batch.entryCount,
  batch.factSeq,
  fromHex(batch.chainHash),
  batch.streamCreated,
  batch.lastMessageHash === null ? null : fromHex(batch.lastMessageHash),
  batch.ruleVersion,
  batch.t,
  Buffer.from(batch.journal),
  Buffer.from(batch.factsBlob),
];

function ledgerValues({ transactions }: Batch): unknown[] {
  const numbers: number[] = [];
  const legs: LedgerLeg[] = [];
  const legEntries: number[] = [];
  const legNumbers: number[] = [];
  let entry = -1;
  let number = 0;
  for (const one of transactions) {
    number = one.entry === entry ? number + 1 : 0;
    entry = one.entry;
    numbers.push(number);
    for (const leg of one.legs) {
      legs.push(leg);
      legEntries.push(entry);
      legNumbers.push(number);
    }
  }
  if (legs.length > batchLimits.rows) throw new RangeError(`a batch of ${legs.length} ledger legs`);
  return [
    numberArray(transactions.map((one) => one.entry)),
    numberArray(numbers),
    textArray(transactions.map((one) => one.kind)),
    numberArray(legEntries),
    numberArray(legNumbers),
    textArray(legs.map((leg) => leg.account)),
    textArray(legs.map((leg) => leg.asset)),
    textArray(legs.map((leg) => leg.leg)),
    nullableTextArray(legs.map((leg) => leg.instrument)),
    numberArray(legs.map((leg) => leg.amount)),
  ];
}

function balanceValues(batch: Batch): unknown[] {
  const rows = lastOfEach(batch.balances, (row) => `${row.account} ${row.asset}`);
  return [
    textArray(rows.map((row) => row.account)),
    textArray(rows.map((row) => row.asset)),
    numberArray(rows.map((row) => row.amount)),
  ];
}

const isZero = (amount: string): boolean => /^-?0(\.0+)?$/.test(amount);
const isGone = (row: PositionRow): boolean => isZero(row.qty) && isZero(row.margin);

function positionValues(batch: Batch): unknown[] {
  const rows = lastOfEach(batch.positions, (row) => `${row.account} ${row.instrument}`);
  const kept = rows.filter((row) => !isGone(row));
  const gone = rows.filter(isGone);
  return [
    textArray(kept.map((row) => row.account)),
    textArray(kept.map((row) => row.instrument)),
    numberArray(kept.map((row) => row.qty)),
    numberArray(kept.map((row) => row.cost)),
    numberArray(kept.map((row) => row.margin)),
    textArray(kept.map((row) => row.mode)),
    nullableTextArray(kept.map((row) => row.leverage)),
    numberArray(kept.map((row) => row.fundingEpoch)),
    textArray(gone.map((row) => row.account)),
    textArray(gone.map((row) => row.instrument)),
  ];
}

const factValues = ({ facts }: Batch): unknown[] => [
  numberArray(facts.map((one) => one.seq)),
  numberArray(facts.map((one) => one.t)),
  textArray(facts.map((one) => one.fact)),
  nullableTextArray(facts.map((one) => one.account)),
  textArray(facts.map((one) => JSON.stringify(one.body))),
];

/** Few rows as a rule: JSON, and null where there are none. */
const listed = (rows: readonly unknown[] | undefined): string | null =>
  rows === undefined || rows.length === 0 ? null : JSON.stringify(rows);

function sagaValues(batch: Batch): unknown[] {
  const sagas = lastOfEach(batch.sagas, (row) => row.id);
  return [listed(sagas), listed(batch.effectsOpened), listed(batch.effectsAnswered), listed(batch.sourceSeqs)];
}

function otherValues(batch: Batch): unknown[] {
  const letters = batch.deadLetters.map((one) => ({ ...one, payload: undefined }));
  return [
    batch.halts === undefined ? null : JSON.stringify(batch.halts),
    listed(batch.rules),
    listed(letters),
    byteaArray(batch.deadLetters.map((one) => one.payload)),
  ];
}
