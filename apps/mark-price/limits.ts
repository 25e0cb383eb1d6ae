/** What bounds the mark-price process; milliseconds of wall or monotonic time unless said otherwise. */
export const limits = {
  /** One frame per shard and this much time, at most, but for jumps. */
  frameMs: 100,
  /** A jump of an index writes a frame at once, but not more often than this. */
  fastFrameMs: 20,
  /** What counts as a jump, in basis points of the index as last published. */
  jumpBp: 20,
  /** Without any change an empty frame says this often that prices are looked after. */
  heartbeatMs: 1_000,
  saveMs: 1_000,
  /** Volatility windows are saved whole this often; in between only what came since. */
  windowsSaveMs: 600_000,
  rulesPollMs: 1_000,
  /** A quote from further ahead of the market's clock is refused. */
  futureMs: 1_000,
  /** Of quotes, where the rules say none. */
  staleMs: 60_000,
  /** A quote of this age (market ms) still counts when a standby takes over; older than the rules permit are dropped anyway. */
  deadLettersPerSecond: 100,
  inputsMax: 20_000,
  inputsFlushMs: 1_000,
  /** A new leader's numbers begin this much further on: what its predecessor still has under way cannot take one of them. */
  numberLeap: 1_000,
  /** Frames of the log read after a start to catch up with what was published since the last save. */
  catchUpEntries: 200_000,
  metricsMs: 1_000,
} as const;

/** Name of the lease and of the state in PostgreSQL. */
export const leaseName = "mark-price";
/** Fences the windows' own record: taken anew by each leader and never renewed. */
export const windowsName = "mark-price-windows";
