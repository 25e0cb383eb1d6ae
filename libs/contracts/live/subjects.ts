/**
 * Names on NATS, in one place. Tokens are lower case, broad to narrow; ids in them have passed the door
 * (`^[A-Za-z0-9_-]{1,64}$`), so that none is a wildcard.
 */
export type BusNames = ReturnType<typeof busNames>;

/** `namespace`: "" in production; a run on a server that others use too takes its own (`^[a-z0-9]{1,24}$`). */
export function busNames(namespace = "") {
  const subject = (rest: string): string => (namespace === "" ? rest : `${namespace}.${rest}`);
  const stream = (rest: string): string => (namespace === "" ? rest : `${namespace}_${rest}`);
  return {
    namespace,
    streams: {
      /** Everything that can change an account of a shard. */
      log: (shard: string): string => stream(`RISK_LOG_${shard}`),
      facts: stream("RISK_FACTS"),
      /** What was refused at a border, with the reason. */
      deadLetters: stream("RISK_DEAD"),
      /** Notices to the outside, at least once. */
      notices: stream("RISK_NOTICES"),
    },
    subjects: {
      entry: (shard: string, kind: string): string => subject(`risk.log.${shard}.${kind}`),
      entries: (shard: string): string => subject(`risk.log.${shard}.>`),
      facts: (shard: string): string => subject(`risk.facts.${shard}`),
      allFacts: subject("risk.facts.*"),
      /** A batch is in the journal: a word without content of its own, at most once. */
      committed: (shard: string): string => subject(`risk.committed.${shard}`),
      allCommitted: subject("risk.committed.*"),
      /** Effects of a committed batch, fire and forget: PostgreSQL holds what is still open. */
      effects: (shard: string): string => subject(`risk.effects.${shard}`),
      allEffects: subject("risk.effects.*"),
      deadLetter: (border: string): string => subject(`risk.dead.${border}`),
      allDeadLetters: subject("risk.dead.*"),
      notice: (account: string): string => subject(`risk.notice.${account}`),
      allNotices: subject("risk.notice.*"),
      /** Something that a person has to look at, by its code. */
      alarm: (code: string): string => subject(`risk.alarm.${code}`),
      allAlarms: subject("risk.alarm.*"),
      /** To the backup provider of that account: it has taken over a position. */
      takeover: (account: string): string => subject(`provider.${account}.takeover`),
      rpc: (shard: string, verb: RpcVerb): string => subject(`risk.rpc.${shard}.${verb}`),
      quote: (source: string, symbol: string): string => subject(`oracle.quote.${source}.${symbol}`),
      quotes: subject("oracle.quote.*.*"),
      /** The middle of an instrument's own book. */
      book: (instrument: string): string => subject(`venue.book.${instrument}`),
      books: subject("venue.book.*"),
      /** From the risk backend to the matching engine. */
      venue: (verb: VenueVerb): string => subject(`venue.risk.${verb}`),
      /** From traders to the matching engine of the demonstration. */
      trading: (verb: TradingVerb): string => subject(`venue.trade.${verb}`),
      /** To who publishes a source's entries: there is something in the outbox. What is lost is found a moment later. */
      outbox: (source: string): string => subject(`risk.outbox.${source}`),
      /** A new leader of a shard, told to whoever listens. */
      epoch: (shard: string): string => subject(`risk.epoch.${shard}`),
    },
  };
}

/** Pre-trade questions, then questions about the shard; the last two are the follower's to answer. */
export const rpcVerbs = [
  "check",
  "amend",
  "cancel",
  "batch",
  "what-if",
  "status",
  "account",
  "exchange",
  "reconcile",
  "dry-run",
  "limits",
] as const;
export type RpcVerb = (typeof rpcVerbs)[number];
export const venueVerbs = ["command", "handshake", "resend", "status"] as const;
export type VenueVerb = (typeof venueVerbs)[number];
export const tradingVerbs = ["place", "amend", "cancel", "cancel-all"] as const;
export type TradingVerb = (typeof tradingVerbs)[number];

/** The micro service that answers pre-trade questions, as `$SRV.PING` and the standard tools show it. */
export const preTradeService = "plimsoll-pretrade";
/** Requests of one epoch are shared by that leader's queue group alone: a frozen leader must not swallow its successor's. */
export const epochGroup = (shard: string, epoch: number): string => `pretrade-${shard}-${epoch}`;

/** Who numbers entries of a log. Each numbers its entries per shard from 1 without gaps. */
export const sources = {
  venue: "venue",
  markPrice: "mark-price",
  liquidation: "liquidation",
  scheduler: "scheduler",
  operator: "operator",
  clock: "clock",
  /** What a new leader has to put right of the open orders; applied and journaled, never in the stream. */
  handshake: "handshake",
} as const;

/** Sources whose entries carry money: a gap in them stops the shard until it is filled. The others' latest counts. */
export const gaplessKinds = (kind: string): boolean => kind !== "frame" && kind !== "time";
