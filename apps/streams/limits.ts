/** Every bound of this process, in one place. Times in ms of the monotonic clock. */
export const limits = {
  /** The journal is looked at when the leader says that it has grown, and at least so often. */
  pollMs: 200,
  retryFirstMs: 50,
  retryMostMs: 1_000,
  /** Of liquidations, warnings and deleveraging, in memory for whoever comes later; read back at a start, so many at a time. */
  eventsKept: 20_000,
  eventsPerPage: 1_000,
  /** Facts that a start looks back over. */
  eventsBack: 50_000,

  /** A channel says something at least so often, if only how old its prices are. */
  atLeastMs: 1_000,
  halfFrameMs: 50,
  /** So long before, an account may be told with a frame of prices that has room for it. */
  earlyMs: 200,
  /** Channels of everybody and of operators say what has changed at most so often. */
  marksMs: 20,
  publicMs: 100,
  sagasMs: 200,
  overviewMs: 500,
  instrumentMs: 1_000,
  /** Queues of deleveraging of an instrument are made anew at most so often, and then none for so many times as long as that took. */
  queuesMs: 1_000,
  queuesPause: 10,
  /** A change of an account's ratio that is worth a word, as a share of it. */
  ratioChange: 0.001,
  /** Liquidation prices of an account that nothing happens to are worked out anew so often at least. */
  pricesMs: 10_000,
  /** Those of accounts that nothing has happened to: then none for so many times as long as they took. */
  pricesPause: 4,
  /** Accounts are worked out so long at a stretch; then sockets and the journal have their turn. */
  passMs: 5,
  /** Whoever is due is looked for so often where nothing is committed, and at most so often where only prices stand still. */
  idlePassMs: 50,
  passGapMs: 10,

  /** Deltas kept for whoever comes back: of a channel, and altogether. */
  replayFrames: 32,
  replayBytes: 64 * 1024 * 1024,
  /** Channels that nobody reads go on with their sequence for so long, and so many of them. */
  idleTopicMs: 120_000,
  idleTopics: 20_000,

  /** Requests to become a WebSocket: whole within so long, looked at so often. */
  upgradeWithinMs: 5_000,
  upgradeCheckMs: 500,
  connections: 20_000,
  connectionsPerPrincipal: 10,
  /** That have not logged in yet. */
  strangers: 2_000,
  loginWithinMs: 10_000,
  /** Of one connection: the first, and renewals before it ends. */
  loginBurst: 5,
  loginsPerSecond: 0.1,
  /** Whether a login still holds is asked so often, of so many at a time. */
  recheckMs: 30_000,
  heartbeatMs: 15_000,
  /** Nothing was heard, not even the answer to a ping. */
  silentMs: 45_000,
  framesPerSecond: 50,
  /** Frames in one go before the rate counts. */
  frameBurst: 100,
  badFrames: 10,
  /** Refused for their rate: more of them end the connection. */
  refusalsPerSecond: 5,
  refusalBurst: 100,
  channels: 200,
  /** Snapshots that one connection asks for, by subscribing and by resync: in one go, then a second. Each has to be worked out. */
  snapshotBurst: 400,
  snapshotsPerSecond: 100,
  /** Pieces of a message that is not whole yet, and reads of a socket that make up one of them: each costs more than what it carries. */
  fragments: 64,
  chunks: 1_024,
  /** Bytes that wait for a reader; beyond, it gets the latest state once it has read them. */
  bufferedBytes: 256 * 1024,
  /** A reader that stays behind for so long is closed, and let go of so much later. */
  behindMs: 30_000,
  closeWithinMs: 2_000,

  /** Tiles of the heat map: the nearest to liquidation, and the biggest. */
  tiles: 60,
  listed: 50,
  alerts: 500,
  samples: 2_000,
} as const;
