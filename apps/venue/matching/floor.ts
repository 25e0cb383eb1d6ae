import type { Approval, Side } from "#libs/contracts/log.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { TradingReply } from "#libs/contracts/live/venue.ts";
import { InstrumentBook, type Match, opposite, type Resting } from "./book.ts";
import { type Emitted, forRisk, type Numbered } from "./commands.ts";
import { type Grid, Owners } from "./grid.ts";
import type { Retired } from "./listing.ts";
import { Positions, reducible } from "./positions.ts";

export interface ShardSequence {
  lastSeq: number;
  /** Time of that entry. */
  t: number;
  /** The highest epoch of the shard's leaders that was seen. */
  epoch: number;
  /** Number of the shard's last fact that was read. */
  facts: number;
}

/** What became of an effect: its outcome's place in the shard's sequence. */
export interface DoneEffect {
  readonly shard: string;
  readonly seq: number;
  readonly t: number;
}

/** Effects and orders that ended are remembered this long (market's clock) and this many at most: whoever asks again is told. */
export const rememberedMs = 7 * 24 * 3_600_000;
export const effectsRemembered = 100_000;
export const ordersRemembered = 50_000;

export const orderKey = (account: string, id: string): string => `${account} ${id}`;
/** A block without an instrument. */
export const everywhere = "*";

/**
 * The trading floor: books, orders, positions, blocks and sequences, and the steps that every command is made of. It has no clock,
 * no chance and no I/O: the same commands give the same entries.
 */
export class Floor {
  #grids: ReadonlyMap<string, Grid> = new Map();
  #owners: Owners;
  #document: RuleDocument | null = null;
  /** 0: the floor has no rules yet. */
  ruleVersion = 0;
  /** Instruments whose trading has ended for good. */
  readonly expired = new Set<string>();
  /** Instruments that the rules do not have any longer, or not as they were; see `useRules`. */
  readonly retired = new Map<string, Retired>();
  readonly books = new Map<string, InstrumentBook>();
  readonly orders = new Map<string, Resting>();
  readonly byAccount = new Map<string, Set<Resting>>();
  readonly positions = new Positions();
  /** account → instrument or `everywhere` → the saga that blocked it. */
  readonly blocks = new Map<string, Map<string, string>>();
  readonly effects = new Map<string, DoneEffect>();
  /** Answers given to orders that no longer stand. */
  readonly answered = new Map<string, TradingReply>();
  readonly shards = new Map<string, ShardSequence>();
  /** Place in the stream of facts of the last batch that was read. */
  factsAt = 0;
  /** Scopes that have been emptied by this process: what risk had approved before one of them is not placed after it. */
  massCancels = 0;
  t = 0;
  orderCount = 0;
  tradeCount = 0;
  #entries: { shard: string; entry: Numbered }[] = [];
  #trace: string | undefined;

  /** A floor without instruments: the first command brings its rules. */
  constructor(shards: readonly string[]) {
    this.#owners = new Owners({ entities: new Map() }, shards);
    for (const shard of shards) this.shards.set(shard, { lastSeq: 0, t: 0, epoch: 0, facts: 0 });
  }

  /** Every instrument that has a book or positions, open or closed. */
  get grids(): ReadonlyMap<string, Grid> {
    return this.#grids;
  }

  get owners(): Owners {
    return this.#owners;
  }

  /** The rules in force. Throws before there are any. */
  get document(): RuleDocument {
    if (this.#document === null) throw new Error("the floor has no rules yet");
    return this.#document;
  }

  /** For `useRules`, which has made the books fit. */
  adopt(grids: ReadonlyMap<string, Grid>, owners: Owners, version: number, document: RuleDocument): void {
    this.#grids = grids;
    this.#owners = owners;
    this.#document = document;
    this.ruleVersion = version;
    for (const id of grids.keys()) if (!this.books.has(id)) this.books.set(id, new InstrumentBook(id));
  }

  /** Orders are taken in it. A dated instrument ends by the market's clock, also before risk has said so. */
  isOpen(instrument: string, t = this.t): boolean {
    const grid = this.#grids.get(instrument);
    if (grid === undefined || this.expired.has(instrument) || this.retired.has(instrument)) return false;
    return grid.rules.expiry === null || t < grid.rules.expiry;
  }

  begin(t: number, trace?: string): void {
    this.t = Math.max(this.t, t);
    this.#entries = [];
    this.#trace = trace;
  }

  /** The entries since `begin`. */
  entries(): readonly { readonly shard: string; readonly entry: Numbered }[] {
    return this.#entries;
  }

  grid(instrument: string): Grid {
    return this.grids.get(instrument) as Grid;
  }

  book(instrument: string): InstrumentBook {
    return this.books.get(instrument) as InstrumentBook;
  }

  shard(id: string): ShardSequence {
    return this.shards.get(id) as ShardSequence;
  }

  /** Answers the entry's number in the shard's sequence. */
  emit(shard: string, body: Emitted): number {
    const sequence = this.shard(shard);
    sequence.lastSeq += 1;
    sequence.t = this.t;
    const trace = this.#trace === undefined ? {} : { trace: this.#trace };
    this.#entries.push({
      shard,
      entry: { ...body, t: this.t, source: sources.venue, sourceSeq: sequence.lastSeq, ...trace },
    });
    return sequence.lastSeq;
  }

  emitFor(account: string, body: Emitted): number {
    return this.emit(this.owners.shardOf(account), body);
  }

  blocked(account: string, instrument: string): boolean {
    const blocks = this.blocks.get(account);
    return blocks !== undefined && (blocks.has(everywhere) || blocks.has(instrument));
  }

  /** Oldest first, as the shard has them. */
  ordersOf(account: string, instrument: string | null): Resting[] {
    const own = [...(this.byAccount.get(account) ?? [])];
    return own
      .filter((one) => instrument === null || one.instrument === instrument)
      .sort((left, right) => left.placed - right.placed);
  }

  rest(order: Resting): void {
    this.book(order.instrument).add(order);
    this.list(order);
  }

  list(order: Resting): void {
    this.orders.set(orderKey(order.account, order.id), order);
    let own = this.byAccount.get(order.account);
    if (own === undefined) this.byAccount.set(order.account, (own = new Set()));
    own.add(order);
  }

  /** Forgets an order that is on no book any longer. */
  unlist(order: Resting): void {
    this.orders.delete(orderKey(order.account, order.id));
    const own = this.byAccount.get(order.account);
    own?.delete(order);
    if (own?.size === 0) this.byAccount.delete(order.account);
  }

  /** Takes an order off the book without a word: it comes back at once, amended. */
  lift(order: Resting): void {
    this.book(order.instrument).remove(order);
    this.unlist(order);
  }

  filledText({ total, lots, instrument }: Resting): string {
    return total === lots ? "0" : this.grid(instrument).qtyText(total - lots);
  }

  #ended(order: Resting, state: "cancelled" | "filled"): TradingReply {
    return { id: order.id, state, filled: this.filledText(order), codes: [] };
  }

  remember(account: string, reply: TradingReply): void {
    this.answered.set(orderKey(account, reply.id), reply);
    if (this.answered.size > ordersRemembered) this.answered.delete(this.answered.keys().next().value as string);
  }

  /** Takes an order off the book and says so to its shard. */
  cancel(order: Resting): void {
    this.lift(order);
    this.remember(order.account, this.#ended(order, "cancelled"));
    this.emitFor(order.account, { k: "cancel", account: order.account, id: order.id });
  }

  /** Reduce-only orders of an account on one side, in lots. */
  reduceOnlyLots(account: string, instrument: string, side: Side): number {
    return this.ordersOf(account, instrument).reduce(
      (sum, one) => (one.reduceOnly && one.side === side ? sum + one.lots : sum),
      0,
    );
  }

  /** When a position shrinks below its reduce-only orders, the newest of them go. */
  cancelUncovered(account: string, instrument: string): void {
    const own = this.ordersOf(account, instrument).filter((one) => one.reduceOnly);
    if (own.length === 0) return;
    const held = this.positions.held(account, instrument);
    for (const side of ["buy", "sell"] as const) {
      const orders = own.filter((one) => one.side === side);
      let covered = orders.reduce((sum, one) => sum + one.lots, 0);
      for (const order of orders.toReversed()) {
        if (covered <= reducible(held, side)) break;
        covered -= order.lots;
        this.cancel(order);
      }
    }
  }

  /**
   * Trades that were planned, against the book and into the positions; `report` says each to the shards. Orders that are used up
   * leave the book; reduce-only orders that no position covers any longer are the caller's to cancel (`settleMakers`).
   */
  trade(side: Side, instrument: string, taker: string, matches: readonly Match[], report: Report): void {
    const grid = this.grid(instrument);
    this.book(instrument).take(side, matches);
    for (const { maker, lots } of matches) {
      this.tradeCount += 1;
      const trade = `t${this.tradeCount}`;
      const qty = grid.qtyText(lots);
      const price = grid.priceText(maker.price);
      this.positions.trade(maker.account, instrument, maker.side, lots);
      this.positions.trade(taker, instrument, opposite(maker.side), lots);
      this.emitFor(maker.account, {
        k: "fill",
        trade,
        account: maker.account,
        instrument,
        side: maker.side,
        qty,
        price,
        liquidity: "maker",
        order: maker.id,
      });
      report({ trade, qty, price });
      if (maker.lots > 0) continue;
      this.unlist(maker);
      this.remember(maker.account, this.#ended(maker, "filled"));
    }
  }

  settleMakers(instrument: string, matches: readonly Match[]): void {
    for (const account of new Set(matches.map(({ maker }) => maker.account))) this.cancelUncovered(account, instrument);
  }

  /** An order as it rests. Told again without an approval, which ends whatever was approved for it. */
  tellOrder(order: Resting, approval?: Approval): void {
    const { account, id, instrument, side, lots, price, reduceOnly } = order;
    const grid = this.grid(instrument);
    this.emitFor(account, {
      k: "order",
      account,
      id,
      instrument,
      side,
      qty: grid.qtyText(lots),
      price: grid.priceText(price),
      ...(reduceOnly ? { reduceOnly } : {}),
      ...forRisk(order),
      ...(approval === undefined ? {} : { approval }),
    });
  }

  /** Nothing of an approval is needed any longer. A `cancel` would take the order away too, where one rests under that id. */
  releaseApproval(account: string, id: string, { request }: Pick<Approval, "request">): void {
    const rests = this.orders.get(orderKey(account, id));
    if (rests !== undefined) this.tellOrder(rests);
    else this.emitFor(account, { k: "cancel", account, id, request });
  }

  done(effect: string, shard: string, seq: number): void {
    this.effects.set(effect, { shard, seq, t: this.t });
    for (const [id, { t }] of this.effects) {
      if (this.effects.size <= effectsRemembered && this.t - t <= rememberedMs) break;
      this.effects.delete(id);
    }
  }
}

export type Report = (fill: { readonly trade: string; readonly qty: string; readonly price: string }) => void;
