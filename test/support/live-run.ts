import type { Effect, Entry, EntryBody, Fact, Side } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Engine, type MachineOptions } from "#libs/engine/index.ts";
import type { Transaction } from "#libs/engine/ledger.ts";

export interface Applied {
  readonly facts: readonly Fact[];
  readonly effects: readonly Effect[];
  readonly transactions: readonly Transaction[];
}

/** What a bare entry says: time, source and number are given by `LiveLog`. */
export type Said = EntryBody;

/** An engine behind a matching engine, with the log it was given: every entry numbered by its producer. */
export class LiveLog {
  readonly #options: Partial<MachineOptions>;
  engine: Engine;
  readonly log: Entry[] = [];
  readonly facts: Fact[] = [];
  readonly #seqs = new Map<string, number>();
  t = 0;

  constructor(document: RuleDocument, options: Partial<MachineOptions> = {}) {
    this.#options = { venue: "matching", ...options };
    this.engine = Engine.create(document, this.#options);
  }

  /** Goes on with an engine that has been restored from a snapshot of this one. */
  restart(): void {
    this.engine = Engine.restore(this.engine.snapshot(), this.#options);
  }

  /** The entry that would be applied now. */
  numbered(body: Said, source = sourceOf(body)): Entry & { readonly sourceSeq: number } {
    return { ...body, t: this.t, source, sourceSeq: (this.#seqs.get(source) ?? 0) + 1 };
  }

  apply(body: Said, source = sourceOf(body)): Applied {
    const entry = this.numbered(body, source);
    const applied = this.engine.apply(entry);
    this.#seqs.set(source, entry.sourceSeq);
    this.log.push(entry);
    this.facts.push(...applied.facts);
    return applied;
  }

  /** The facts of a kind so far. */
  of(name: string): Fact[] {
    return this.facts.filter((one) => one.fact === name);
  }

  /** Both halves of a trade, one after the other; the buyer takes. */
  trade(trade: string, buyer: string, seller: string, qty: string, price: string, instrument = "X"): Applied {
    this.half(trade, buyer, "buy", qty, price, instrument);
    return this.half(trade, seller, "sell", qty, price, instrument);
  }

  half(trade: string, account: string, side: Side, qty: string, price: string, instrument = "X"): Applied {
    const liquidity = side === "buy" ? "taker" : "maker";
    return this.apply({
      k: "fill",
      trade,
      account,
      instrument,
      side,
      qty,
      price,
      liquidity,
      order: `${trade}-${side}`,
    });
  }

  /** What holds wrongly, by the engine's own full scan; nothing: all is well. */
  broken(): string[] {
    const found = Object.entries(this.engine.invariants()).flatMap(([name, result]) =>
      result === true || result === "not applicable" ? [] : [`${name}: ${result}`],
    );
    const { auditFailure } = this.engine.machine;
    return auditFailure === null ? found : [...found, `audit: ${auditFailure}`];
  }

  /** What the shard knows to rest in a scope that is to be emptied. */
  ordersOf({ scope, of, accounts }: Extract<Effect, { effect: "cancel_all" }>): { account: string; id: string }[] {
    const { machine } = this.engine;
    const named = (account: number): string => machine.accountName(account);
    const whose = (account: number): boolean =>
      accounts === null ? scope !== "account" || named(account) === of : accounts.includes(named(account));
    return machine
      .accountsInOrder()
      .filter(whose)
      .flatMap((account) => [...machine.book.orders(account)])
      .filter(({ instrument }) => scope !== "instrument" || machine.instrument(instrument).id === of)
      .map(({ account, id }) => ({ account: named(account), id }));
  }

  /** What `clearing` holds, position, cost and cash: nothing once both halves of every trade are in. */
  clearing(): string[] {
    const { book } = this.engine.machine;
    const clearing = book.findAccount("clearing");
    const held: string[] = [];
    for (let row = book.firstRow(clearing); row >= 0; row = book.nextRow(row))
      if (book.qty(row) !== 0n || book.cost(row) !== 0n)
        held.push(`${book.instrumentRules(book.rowInstrument(row)).id} ${book.qty(row)} lots, cost ${book.cost(row)}`);
    for (let row = book.firstCashRow(clearing); row >= 0; row = book.nextCashRow(row))
      if (book.cashAmount(row) !== 0n) held.push(`${book.assetRules(book.cashAsset(row)).id} ${book.cashAmount(row)}`);
    return held;
  }
}

const ofVenue = new Set(["fill", "order", "cancel", "attest", "blocked", "closed", "withdrawn", "cancelled"]);

function sourceOf({ k }: Said): string {
  if (ofVenue.has(k)) return "venue";
  if (k === "frame") return "mark-price";
  if (k === "time") return "clock";
  return k === "resumed" ? "liquidation" : "operator";
}
