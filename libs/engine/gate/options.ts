export interface GateOptions {
  /** How long an approval may be used, ms. Its reservation outlives it by twice that. */
  readonly ttlMs: number;
  /** How long request ids are remembered, ms; at least a minute and at least as long as a reservation lives. */
  readonly rememberMs: number;
  /** Bounds of what is held at once; at a bound new questions are refused as `overloaded`. */
  readonly requestsMax: number;
  readonly reservationsMax: number;
  readonly reservationsPerAccountMax: number;
}

const defaults: GateOptions = {
  ttlMs: 500,
  rememberMs: 60_000,
  requestsMax: 1_000_000,
  reservationsMax: 200_000,
  reservationsPerAccountMax: 2000,
};
const rememberMsMin = 60_000;
/** A reservation lives this many times its approval: as long as that, and twice as long again. */
export const livesPerTtl = 3;

export const ordersPerBatchMax = 1000;
/** Standings kept while the log stands still. */
export const standingsMax = 4096;
/** Throws `RangeError` for options that could not keep a repeated request from reserving twice. */
export function optionsOf(given: Partial<GateOptions>): GateOptions {
  const options = { ...defaults, ...given };
  const { rememberMs, ttlMs } = options;
  if (ttlMs <= 0 || rememberMs < rememberMsMin || rememberMs < livesPerTtl * ttlMs)
    throw new RangeError("rememberMs must be at least a minute and three times ttlMs");
  return options;
}
