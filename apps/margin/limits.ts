/** Every bound of this process, in one place. Times in ms of the monotonic clock. */
export const limits = {
  /** A batch closes after so long, or so many entries, or at once when the engine asks the outside for something. */
  batchMs: 5,
  batchEntries: 1_000,
  /** A batch that asks for something waits so long for what has arrived already, which then shares its commit. */
  urgentMs: 2,
  /** Applying waits while so many entries are not committed yet. */
  uncommittedEntries: 4_000,
  /** Entries are applied in slices about so long; between them questions are answered. */
  sliceMs: 0.5,
  readAhead: 500,
  readWaitMs: 50,
  leaseMs: 1_000,
  renewMs: 200,
  /** Without a renewal for so long, nothing is answered: somebody else may lead already. */
  answerMs: 700,
  /** A process that did nothing for so long was stopped: with its lease over, it is silent until it has asked for it again. */
  stoppedMs: 400,
  acquireMs: 100,
  clockMs: 100,
  /** Time entries whose storing is not confirmed yet; further ticks are left out. */
  clockOutstanding: 10,
  /** A lag below is not worth a word in the log. */
  lagToldMs: 100,
  /** Attempts at each thing that the process needs, of which the share of failures is told; divides 1 in few decimals. */
  attemptsJudged: 20,
  commitLagMs: 500,
  markAgeMs: 2_000,
  /** After a stream looked wrong, it is read once more before it is called so. */
  rereadMs: 5_000,
  handshakeMs: 1_000,
  /** Open orders that a handshake may tell, and differences in them that a leader puts right by itself. */
  openOrdersMost: 2_000_000,
  orderCorrections: 1_000,
  resendMs: 2_000,
  /** Facts in one message, and bytes of it: NATS takes a mebibyte. */
  factsPerMessage: 500,
  factBytes: 512 * 1024,
  /** Committed batches whose facts are not published yet; committing waits beyond. */
  unpublishedBatches: 256,
  /** Decisions of the gate that wait to be kept, and their bytes; of one statement the same, which takes its time beside the commits. */
  decisionsQueued: 10_000,
  decisionBytesQueued: 32 * 1024 * 1024,
  decisionsPerInsert: 500,
  decisionBytesPerInsert: 256 * 1024,
  /** Made into text in one go. */
  decisionsPerTurn: 16,
  decisionsMs: 250,
  /** Marks of decisions that fills are compared with; sums of fills waiting to be kept, and how long they gather. */
  slippageMarks: 100_000,
  slippageRows: 5_000,
  slippageMs: 5_000,
  /** Questions answered in one go, and waiting ones; beyond they are refused as `overloaded`. */
  questionsPerSlice: 64,
  questionsQueued: 5_000,
  reconcileAccounts: 500,
  reconcileDifferences: 100,
  retryFirstMs: 50,
  retryMostMs: 1_000,
  snapshotEntries: 50_000,
  snapshotMs: 60_000,
  /** Entries stay in the log for twice the longest outage of any of its readers that is to be survived without help. */
  logKeptMs: 2 * 3_600_000,
  /** Share of the log's room above which only the snapshot counts. */
  logPressure: 0.75,
  followMs: 200,
  /** A dry run is given up after so long; who asks for it is answered within so long, and told of so many problems. */
  dryRunMs: 600_000,
  dryRunAnswerMs: 1_000,
  dryRunProblems: 50,
  gaugesMs: 500,
} as const;

/** What the process ends with when another one has taken its shard over. */
export const deposedExit = 70;
