import type { Batch, PositionRow } from "./batch.ts";
import { batchLimits } from "./batch.ts";
import { byteaArray, fromHex, lastOfEach, nullableTextArray, numberArray, textArray } from "./arrays.ts";
import type { Queryable } from "./database.ts";
import { confirmReplicated, only } from "./database.ts";
import { ConstraintBroken, missingPartition } from "./errors.ts";
import { ensurePartitions } from "./partitions.ts";

const parameters = 50;
const text = `SELECT commit_batch(${Array.from({ length: parameters }, (_, at) => `$${at + 1}`).join(", ")}) AS result`;

/** What the whole statement takes, as it is sent: texts, numbers and bytes, which another thread may be given as they are. */
export type CommitValue = string | number | Uint8Array | null;

/** Everything that a batch says but its place after another one and its packed text, which are known later. */
export type BatchContent = Omit<Batch, keyof BatchSeal>;
export type BatchSeal = Pick<Batch, "epoch" | "fromSeq" | "chainHash" | "journal" | "factsBlob">;

/** Places of the seal among the values. */
const sealed = { epoch: 1, fromSeq: 2, chainHash: 7, journal: 12, factsBlob: 13 } as const;

/**
 * Commits a batch: one statement, one round trip, one transaction. Its first statement moves the shard's fenced row from
 * `fromSeq` to `toSeq` for this epoch.
 *
 * Resolves once it is durable, on the synchronous standby too where there is one: `committed` now, or `already` where this very
 * batch (positions, entries, hash) had been committed before, so that after `DatabaseDown` with outcome `unknown` the same
 * batch may simply be committed again.
 * Throws `Deposed` (another epoch, or another position: exit), `Unbalanced`, `ConstraintBroken` (nothing was written),
 * `DatabaseDown`.
 */
export async function commitBatch(db: Queryable, batch: Batch): Promise<"committed" | "already"> {
  return commitValues(db, contentValues(batch), batch);
}

/** As `commitBatch`, of what `contentValues` made of the batch. */
export async function commitValues(
  db: Queryable,
  content: readonly CommitValue[],
  seal: BatchSeal,
): Promise<"committed" | "already"> {
  const statement = { name: "commit_batch", text, values: withSeal(content, seal) };
  const commit = async (): Promise<"committed" | "already"> =>
    only(await db.query<{ result: "committed" | "already" }>(statement)).result;
  let result: "committed" | "already";
  try {
    result = await commit();
  } catch (error) {
    if (!(error instanceof ConstraintBroken) || error.constraint !== missingPartition) throw error;
    await ensurePartitions(db);
    result = await commit();
  }
  // It may be known to this server alone.
  if (result === "already") await confirmReplicated(db);
  return result;
}

/** The values of a batch's statement, without its seal. Throws `RangeError` for what no statement should be given. */
export function contentValues(batch: BatchContent): CommitValue[] {
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

function withSeal(content: readonly CommitValue[], seal: BatchSeal): CommitValue[] {
  const values = [...content];
  values[sealed.epoch] = seal.epoch;
  values[sealed.fromSeq] = seal.fromSeq;
  values[sealed.chainHash] = fromHex(seal.chainHash);
  values[sealed.journal] = Buffer.from(seal.journal);
  values[sealed.factsBlob] = Buffer.from(seal.factsBlob);
  return values;
}

const headValues = (batch: BatchContent): CommitValue[] => [
  batch.shard,
  null,
  null,
  batch.toSeq,
  batch.firstEntry,
  batch.entryCount,
  batch.factSeq,
  null,
  batch.streamCreated,
  batch.lastMessageHash === null ? null : fromHex(batch.lastMessageHash),
  batch.ruleVersion,
  batch.t,
  null,
  null,
];

/** One pass, a list for each column: a batch has tens of thousands of these. */
function ledgerValues({ transactions }: BatchContent): CommitValue[] {
  const entries: number[] = [];
  const numbers: number[] = [];
  const kinds: string[] = [];
  const legs = { entry: [] as string[], number: [] as string[], amount: [] as string[] };
  const [accounts, assets, names]: [string[], string[], string[]] = [[], [], []];
  const instruments: (string | null)[] = [];
  let number = 0;
  for (const { entry, kind, legs: own } of transactions) {
    number = entry === entries.at(-1) ? number + 1 : 0;
    entries.push(entry);
    numbers.push(number);
    kinds.push(kind);
    const [entryText, numberText] = [String(entry), String(number)];
    for (const leg of own) {
      legs.entry.push(entryText);
      legs.number.push(numberText);
      legs.amount.push(leg.amount);
      accounts.push(leg.account);
      assets.push(leg.asset);
      names.push(leg.leg);
      instruments.push(leg.instrument);
    }
  }
  if (accounts.length > batchLimits.rows) throw new RangeError(`a batch of ${accounts.length} ledger legs`);
  return [
    numberArray(entries),
    numberArray(numbers),
    textArray(kinds),
    numberArray(legs.entry),
    numberArray(legs.number),
    textArray(accounts),
    textArray(assets),
    textArray(names),
    nullableTextArray(instruments),
    numberArray(legs.amount),
  ];
}

function balanceValues(batch: BatchContent): CommitValue[] {
  const rows = lastOfEach(batch.balances, "account", "asset");
  return [
    textArray(rows.map((row) => row.account)),
    textArray(rows.map((row) => row.asset)),
    numberArray(rows.map((row) => row.amount)),
  ];
}

const isZero = (amount: string): boolean => amount === "0" || /^-?0(\.0+)?$/.test(amount);
const isGone = (row: PositionRow): boolean => isZero(row.qty) && isZero(row.margin);

function positionValues(batch: BatchContent): CommitValue[] {
  const rows = lastOfEach(batch.positions, "account", "instrument");
  const kept: PositionRow[] = [];
  const gone: PositionRow[] = [];
  for (const row of rows) (isGone(row) ? gone : kept).push(row);
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

const factValues = ({ facts }: BatchContent): CommitValue[] => [
  numberArray(facts.map((one) => one.seq)),
  numberArray(facts.map((one) => one.t)),
  textArray(facts.map((one) => one.fact)),
  nullableTextArray(facts.map((one) => one.account)),
  textArray(facts.map((one) => JSON.stringify(one.body))),
];

/** Few rows as a rule: JSON, and null where there are none. */
const listed = (rows: readonly unknown[] | undefined): string | null =>
  rows === undefined || rows.length === 0 ? null : JSON.stringify(rows);

function sagaValues(batch: BatchContent): CommitValue[] {
  const sagas = lastOfEach(batch.sagas, "id");
  return [listed(sagas), listed(batch.effectsOpened), listed(batch.effectsAnswered), listed(batch.sourceSeqs)];
}

function otherValues(batch: BatchContent): CommitValue[] {
  const letters = batch.deadLetters.map((one) => ({ ...one, payload: undefined }));
  return [
    batch.halts === undefined ? null : JSON.stringify(batch.halts),
    listed(batch.rules),
    listed(letters),
    byteaArray(batch.deadLetters.map((one) => one.payload)),
  ];
}
