export * from "./access.ts";
export * from "./accounts.ts";
export * from "./alerts.ts";
export * from "./audit.ts";
export * from "./batch.ts";
export {
  type BatchContent,
  type BatchSeal,
  commitBatch,
  type CommitValue,
  commitValues,
  contentValues,
} from "./commit.ts";
export * from "./commands.ts";
export { confirmReplicated, count, openDatabase } from "./database.ts";
export { createDatabase, dropDatabase } from "./databases.ts";
export type { Database, DatabaseSettings, Queryable, Statement, TransactionKind } from "./database.ts";
export { checkConservation } from "./conservation.ts";
export type { ConservationCheck } from "./conservation.ts";
export * from "./decisions.ts";
export * from "./effects.ts";
export * from "./entity-evidence.ts";
export { ConstraintBroken, Corrupt, DatabaseDown, Deposed, mayRunAgain, Unbalanced } from "./errors.ts";
export * from "./fact-readers.ts";
export { chainHash, genesisHash, pack, unpack } from "./hash.ts";
export * from "./journal.ts";
export * from "./leases.ts";
export * from "./ledger.ts";
export * from "./marks.ts";
export { migrate } from "./migrate.ts";
export type { MigrateOptions } from "./migrate.ts";
export * from "./notices.ts";
export * from "./outbox.ts";
export { dropDaysBefore, dropPartitionsBefore, ensurePartitions, partitionRoom } from "./partitions.ts";
export type { DailyTable, NumberedTable, PartitionRoom } from "./partitions.ts";
export * from "./provider-calls.ts";
export * from "./records.ts";
export * from "./review.ts";
export * from "./sagas.ts";
export * from "./shard.ts";
export * from "./slippage.ts";
export * from "./snapshots.ts";
