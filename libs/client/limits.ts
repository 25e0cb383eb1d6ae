/** Times in ms. */
export interface ClientLimits {
  /** Waits before connecting again, doubling; a random half of each keeps many clients apart. */
  readonly retryFirstMs: number;
  readonly retryMostMs: number;
  /** From connecting to the server's first word, and from a request to its answer; beyond, the connection is lost. */
  readonly connectWithinMs: number;
  readonly answerWithinMs: number;
  /** A server that says nothing for so many of its heartbeats is lost. */
  readonly heartbeatsMissed: number;
  /** A login is renewed so long before it ends, or in the middle of one that is short. */
  readonly renewBeforeMs: number;
  /** Requests about channels are put together for so long, and have so many channels at most. */
  readonly requestEveryMs: number;
  readonly channelsPerRequest: number;
}

export const defaultLimits: ClientLimits = {
  retryFirstMs: 200,
  retryMostMs: 10_000,
  connectWithinMs: 10_000,
  answerWithinMs: 10_000,
  heartbeatsMissed: 3,
  renewBeforeMs: 60_000,
  requestEveryMs: 50,
  channelsPerRequest: 100,
};

/** Timers take no more; a login that lasts longer is renewed by then. */
export const renewMostMs = 12 * 3_600_000;
