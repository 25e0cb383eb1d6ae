/** The journal of a shard: how its lines are written, and how it is replayed. */
export {
  factLine,
  factsOf,
  type Genesis,
  journalLine,
  type JournalLine,
  journalLines,
  JournalUnreadable,
  linesOf,
  messageHash,
  oneLine,
  packed,
  type PublishedFact,
} from "./format.ts";
export {
  liveOptions,
  type CommittedBatch,
  ReplayDiffers,
  type Replayed,
  Replayer,
  type ReplayObserver,
  type ReplayPosition,
  snapshotFormat,
} from "./replayer.ts";
export { type Restored, restoreNewest, type RestoreOptions } from "./restore.ts";
export { balanceRow, ledgerRows, positionRow, rowsOfAccount } from "./rows.ts";
export {
  AccountOrder,
  afterEveryId,
  differences,
  type HoldingsPage,
  holdingsPage,
  type Named,
  storedHoldings,
} from "./holdings.ts";
export { type GatheredFrom, gatherEvidence, namedProposal } from "./entity-evidence.ts";
export { type JournaledFill, recentFills } from "./fills.ts";
export { engineAt, receiptAt } from "./explain.ts";
