import { type Queryable, factsOfNames } from "#libs/adapters/postgres/index.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { logsKept } from "#libs/contracts/stream/channels.ts";
import { EventLog } from "./event-log.ts";
import { limits } from "./limits.ts";

/** Of which channel of an account a fact is an event. */
const marginFacts = ["warning", "liquidation.started", "liquidation.stage", "liquidation.ended"];
const liquidationFacts = [
  "liquidation.started",
  "liquidation.stage",
  "liquidation.step",
  "liquidation.fees",
  "liquidation.ended",
  "liquidation.overfilled",
  "account.blocked",
  "account.unblocked",
  "insurance.paid",
  "conversion.booked",
  "conversion.waiting",
];
const adlFacts = ["adl.filled", "loss.shared"];
const orderFacts = ["order.booked", "order.cancelled", "order.rejected", "cancel.rejected", "fill"];
const channels = { margin: marginFacts, liquidations: liquidationFacts, adl: adlFacts, orders: orderFacts } as const;
export type EventChannel = keyof typeof channels;

/** What operators follow liquidations by. */
const sagaFacts = new Set([...liquidationFacts, ...adlFacts, "adl.allocated", "debt.parked", "debt.repaid"]);
/** Remembered for whoever comes later; orders and fills are too many. */
const remembered = new Set([
  ...marginFacts,
  ...liquidationFacts,
  ...adlFacts,
  "adl.allocated",
  "debt.parked",
  "debt.repaid",
]);
const fundingFact = "funding.accrued";
const restored = [...remembered, fundingFact];

export type AccountLogs = Readonly<Record<EventChannel, EventLog>>;

/** The last payment of an instrument. */
export interface Payment {
  readonly rate: string;
  readonly perContract: string;
  readonly mark: string;
  readonly at: number;
}

interface Told {
  readonly shard: string;
  readonly fact: Fact;
  readonly receipt: unknown;
}

/** What has happened lately: to accounts that somebody watches, to liquidations, to everything. */
export class Events {
  readonly sagas = new EventLog(logsKept.events);
  /** Written while somebody reads it. */
  readonly tail = new EventLog(logsKept.facts);
  tailWanted = false;
  readonly payments = new Map<string, Payment>();
  readonly #told: Told[] = [];
  readonly #watched = new Map<string, AccountLogs>();
  /** Receipts of liquidations that run, by shard and saga: their ends carry them. */
  readonly #receipts = new Map<string, unknown>();

  /** Facts in order of their numbers, each once. */
  take(shard: string, fact: Fact, receipt: unknown): void {
    if (this.tailWanted) this.tail.add(JSON.stringify({ ...fact, shard }));
    if (fact.fact === fundingFact) this.#notePayment(fact);
    const own = this.#receiptOf(shard, fact, receipt);
    const one = { shard, fact, receipt: own };
    if (remembered.has(fact.fact)) {
      this.#told.push(one);
      if (this.#told.length >= 2 * limits.eventsKept) this.#told.splice(0, limits.eventsKept);
    }
    if (sagaFacts.has(fact.fact)) this.sagas.add(JSON.stringify(withReceipt({ ...plain(fact), shard }, own)));
    for (const account of accountsOf(fact)) {
      const logs = this.#watched.get(account);
      if (logs !== undefined) note(logs, account, one);
    }
  }

  /** The logs of an account, from now on kept up to date; what happened before is in them as far as it is remembered. */
  watch(account: string): AccountLogs {
    const known = this.#watched.get(account);
    if (known !== undefined) return known;
    const log = (): EventLog => new EventLog(logsKept.events);
    const logs = { margin: log(), liquidations: log(), adl: log(), orders: log() };
    for (const one of this.#told) if (accountsOf(one.fact).includes(account)) note(logs, account, one);
    this.#watched.set(account, logs);
    return logs;
  }

  unwatch(account: string): void {
    this.#watched.delete(account);
  }

  /** Takes what is recorded up to a fact, as far back as a start looks. */
  async restore(db: Queryable, shard: string, upTo: number): Promise<void> {
    let after = Math.max(0, upTo - limits.eventsBack);
    while (after < upTo) {
      const page = await factsOfNames(db, shard, after, restored, limits.eventsPerPage);
      for (const { receipt = null, ...fact } of page.facts) if (fact.seq <= upTo) this.take(shard, fact, receipt);
      if (page.upTo <= after) return;
      after = page.upTo;
    }
  }

  #notePayment({ t, instrument, rate, perContract, mark }: Fact): void {
    this.payments.set(String(instrument), {
      rate: String(rate),
      perContract: String(perContract),
      mark: String(mark),
      at: t,
    });
  }

  /** A fact's own receipt; with the end of a liquidation that of its beginning. */
  #receiptOf(shard: string, fact: Fact, receipt: unknown): unknown {
    const key = `${shard} ${String(fact["saga"])}`;
    if (fact.fact === "liquidation.started") this.#receipts.set(key, receipt);
    if (fact.fact !== "liquidation.ended") return receipt;
    const first = this.#receipts.get(key) ?? receipt;
    this.#receipts.delete(key);
    return first;
  }
}

function accountsOf(fact: Fact): readonly string[] {
  const { account, against } = fact;
  const found = typeof account === "string" ? [account] : [];
  return typeof against === "string" && against !== account ? [...found, against] : found;
}

function note(logs: AccountLogs, account: string, { shard, fact, receipt }: Told): void {
  if (fact["account"] === account) {
    const json = JSON.stringify(withReceipt({ ...withoutOthers(fact, account), shard }, receipt));
    for (const channel of Object.keys(channels) as EventChannel[])
      if (channels[channel].includes(fact.fact)) logs[channel].add(json);
  } else if (fact.fact === "adl.filled") {
    // A part of its own liquidation; how the one who took it stood, and why, is not its business.
    const { realised: _realised, rank: _rank, score: _score, ...rest } = withoutOthers(fact, account);
    logs.liquidations.add(JSON.stringify({ ...rest, shard }));
  }
}

function withReceipt(event: object, receipt: unknown): object {
  return receipt === null || receipt === undefined ? event : { ...event, receipt };
}

function plain({ trace: _trace, ...fact }: Fact): Readonly<Record<string, unknown>> {
  return fact;
}

/** Nobody is told whose loss it was, or who paid. */
function withoutOthers(fact: Fact, account: string): Readonly<Record<string, unknown>> {
  const { account: of, against, counterparty, ...rest } = plain(fact);
  return {
    ...rest,
    ...(of === account ? { account } : {}),
    ...(against === account ? { against } : {}),
    ...(counterparty === account ? { counterparty } : {}),
  };
}
