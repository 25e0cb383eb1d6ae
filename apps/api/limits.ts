/** What bounds the API; milliseconds and bytes where nothing else is said. */
export const limits = {
  bodyBytes: 64 * 1024,
  /** Bodies that may hold whole rules. */
  rulesBytes: 1024 * 1024,
  pathParameter: 128,
  connections: 1_000,
  requestMs: 10_000,
  headersMs: 5_000,
  connectionMs: 15_000,
  keepAliveMs: 5_000,
  requestsPerSocket: 10_000,
  /** Requests of one address, whoever it is; a second. */
  addressPerSecond: 1_000,
  /** Requests of one principal: so many at once, then so many a second. */
  principalBurst: 100,
  principalPerSecond: 50,
  principalsKept: 10_000,
  /** Replays of the journal (receipts, decisions) under way: one; waiting: so many. */
  replaysWaiting: 8,
  replayMs: 60_000,
  pageDefault: 100,
  pageMax: 1_000,
  fillsMax: 100,
  /** Ended liquidations in a page, and those looked through for the ones of a stage. */
  endedSagasMax: 200,
  endedSagasSearched: 2_000,
  rpcMs: 1_500,
  dryRunMs: 5_000,
  /** How long a command waits for what becomes true by it, before it is answered 202. */
  appliedMs: 3_000,
  proposalMs: 3_600_000,
  capsRetry: { attempts: 20, firstMs: 250, maxMs: 60_000 },
  /** How old the newest frame may be by which a settlement's price is measured. */
  settlementFrameMs: 5_000,
  dryRunValidMs: 15 * 60_000,
  /** Facts looked through for those of one entry. */
  factsOfEntry: 100_000,
  sweepMs: 2_000,
  sweepAtOnce: 20,
  anchorMs: 60_000,
  /** Refused attempts of one actor that the audit has by themselves within a window; the others are summed up at its end. */
  attemptsEach: 5,
  attemptWindowMs: 60_000,
  /** Actors that are told apart within a window, and keys that nobody has proved to have. */
  attemptActors: 1_000,
  attemptStrangers: 100,
  /** Records on their way to the database. */
  attemptsWaiting: 1_000,
  attemptRetry: { firstMs: 100, maxMs: 5_000 },
  outcomesWaiting: 1_000,
  rulesKeptMs: 500,
  diffMax: 2_000,
  /** How far ahead a tightening may end. */
  emergencyMs: 31 * 86_400_000,
  databaseConnections: 12,
  entityDays: 90,
  entityFacts: 100_000,
  evidenceMax: 200_000,
  keyIdBytes: 12,
} as const;
