import type { Bus } from "#libs/adapters/nats/index.ts";
import { HandshakeReplySchema } from "#libs/contracts/live/replies.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { Handshake, HandshakeReply, OpenOrder } from "#libs/contracts/live/venue.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { hasShape } from "#libs/contracts/shape.ts";
import type { Engine } from "#libs/engine/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Applier } from "./applier.ts";
import { limits } from "./limits.ts";
import type { Missing } from "./missing.ts";
import { type OrderDifference, orderDifferences } from "./open-orders.ts";
import { insist } from "./waiting.ts";

/** What the matching engine stood at, and what it had open then. */
interface Answer {
  readonly lastSeq: number;
  readonly orders: readonly OpenOrder[];
}

/** What came of comparing the open orders. */
export interface OrderReport {
  /** Of the matching engine: where both sides were compared. */
  readonly lastSeq: number;
  readonly compared: number;
  readonly count: number;
  /** At most a hundred of them. */
  readonly differences: readonly string[];
}

export interface HandshakeParts {
  readonly bus: Bus;
  readonly shard: string;
  readonly epoch: number;
  readonly engine: Engine;
  readonly applier: Applier;
  readonly logger: Logger;
  readonly stopped: () => boolean;
}

export interface HandshakeEvents {
  /** The matching engine has seen a later leader. */
  readonly deposed: (why: string) => void;
  /** The two cannot be brought together without a person. */
  readonly halted: (why: string) => void;
  /** The open orders are alike now. */
  readonly done: (report: OrderReport) => void;
}

/**
 * A new leader meets the matching engine: asks where it stands, applies its entries up to exactly there, and makes the open orders say
 * what the matching engine says. Corrections are entries of this source in the journal, so that a replay makes them too.
 */
export class VenueHandshake {
  readonly #parts: HandshakeParts;
  readonly #events: HandshakeEvents;
  #answer: Answer | null = null;
  #over = false;

  constructor(parts: HandshakeParts, events: HandshakeEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** The open orders have been compared. */
  get done(): boolean {
    return this.#over;
  }

  /** Entries of the matching engine that are still to be applied before the comparison; null: none, or it has not answered. */
  get missing(): Missing | null {
    const applied = this.#applied;
    if (this.#answer === null || applied >= this.#answer.lastSeq) return null;
    return { source: sources.venue, from: applied + 1, to: this.#answer.lastSeq };
  }

  get #applied(): number {
    return this.#parts.engine.machine.sourceSeqs.get(sources.venue) ?? 0;
  }

  /** Asks until there is an answer. */
  async ask(): Promise<void> {
    const { logger, stopped } = this.#parts;
    const known = this.#applied;
    const answer = await insist(
      async () => this.#askOnce(),
      () => stopped() || this.#over,
      (error) => logger.warn({ error }, "the matching engine does not answer yet"),
    );
    if (answer === null) return;
    // It writes its own journal before it publishes: what was applied before it was asked, it must know.
    if (answer.lastSeq < known)
      return this.#halt(`the matching engine stands at ${answer.lastSeq}, ${known} of its entries are applied`);
    logger.info({ lastSeq: answer.lastSeq, openOrders: answer.orders.length }, "the matching engine has answered");
    this.#answer = answer;
    this.look();
  }

  /** To be called after every entry: the two are compared between the entry that the matching engine stood at and its next. */
  look(): void {
    const answer = this.#answer;
    if (answer === null || this.#over || this.#applied < answer.lastSeq) return;
    if (this.#applied === answer.lastSeq) return this.#compare(answer);
    // It went on before the answer was here.
    this.#answer = null;
    void this.ask();
  }

  async #askOnce(): Promise<Answer | null> {
    const first = await this.#page(0);
    if (first.epoch > this.#parts.epoch) {
      this.#over = true;
      this.#events.deposed(`the matching engine has seen epoch ${first.epoch}`);
      return null;
    }
    const orders = [...first.openOrders];
    for (let { next } = first; next !== null;) {
      const page = await this.#page(next);
      if (page.lastSeq !== first.lastSeq) throw new Error("the matching engine went on while it told its open orders");
      orders.push(...page.openOrders);
      if (orders.length > limits.openOrdersMost)
        throw new Error("the matching engine tells more orders than there can be");
      ({ next } = page);
    }
    return { lastSeq: first.lastSeq, orders };
  }

  async #page(from: number): Promise<HandshakeReply> {
    const { bus, shard, epoch } = this.#parts;
    const own: Handshake = { shard, epoch, ...(from === 0 ? {} : { from }) };
    const reply = await bus.request<unknown>(bus.names.subjects.venue("handshake"), own, {
      timeoutMs: limits.handshakeMs,
    });
    if (!hasShape(HandshakeReplySchema, reply)) throw new Error("the matching engine's answer cannot be read");
    const page = reply as HandshakeReply;
    if (page.shard !== shard) throw new Error(`the matching engine answered for shard ${page.shard}`);
    return page;
  }

  #compare({ lastSeq, orders }: Answer): void {
    const found = orderDifferences(this.#parts.engine, orders);
    if (found.length > limits.orderCorrections)
      return this.#halt(`${found.length} open orders differ from the matching engine's, ${found[0]?.what ?? ""} …`);
    for (const one of found) if (!this.#correct(one)) return;
    this.#over = true;
    const shown = found.slice(0, limits.reconcileDifferences).map(({ what }) => what);
    this.#events.done({ lastSeq, compared: orders.length, count: found.length, differences: shown });
  }

  #correct({ what, correction }: OrderDifference): boolean {
    const { machine } = this.#parts.engine;
    const source = sources.handshake;
    const sourceSeq = (machine.sourceSeqs.get(source) ?? 0) + 1;
    const entry: Entry = { ...correction, t: machine.t, source, sourceSeq };
    const outcome = this.#parts.applier.applyUnsent(entry);
    if (outcome.kind === "applied") return true;
    this.#halt(`${what}: ${outcome.kind === "halt" ? `${outcome.code} ${outcome.what}` : "not applied"}`);
    return false;
  }

  #halt(why: string): void {
    this.#over = true;
    this.#events.halted(why);
  }
}
