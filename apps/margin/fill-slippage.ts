import {
  addSlippage,
  type Database,
  type FillKind,
  raiseAlarm,
  type SlippageRow,
} from "#libs/adapters/postgres/index.ts";
import type { AmendRequest, BatchRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import type { Effect, Entry } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { type Slippage, slippageOf } from "#libs/domain/pre-trade/slippage.ts";
import type { Machine } from "#libs/engine/index.ts";
import { limited, type Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { limits } from "./limits.ts";
import { Recent } from "./recent.ts";

export interface SlippageParts {
  readonly db: Database;
  readonly shard: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Whose fill it is, and what it was decided at. */
interface Fill {
  readonly account: string;
  readonly instrument: string;
  readonly kind: FillKind;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price: string;
  readonly mark: Rational;
}

interface Sum {
  readonly place: Pick<SlippageRow, "day" | "account" | "instrument" | "kind">;
  fills: number;
  notional: Rational;
  cost: Rational;
  worst: Rational;
  beyond: number;
}

type Close = Extract<Effect, { effect: "close" }>;

/** What is kept of amounts: rounded up, so that sums of many stay short. */
const kept = Rational.ofUnits(1n, 8);

/**
 * LIM-45: compares fills with the mark that their order was decided at: of an order when the gate approved it last, of a liquidation when
 * the engine asked for the close. What an earlier leader decided is not known here and is left out. Behind everything, bounded, never waits.
 */
export class FillSlippage {
  readonly #parts: SlippageParts;
  readonly #warn: (fields: object, message: string) => void;
  /** By account and order; the oldest goes first. */
  readonly #marks = new Recent<string, Rational>(limits.slippageMarks);
  readonly #closes = new Recent<string, { readonly close: Close; readonly mark: Rational }>(limits.slippageMarks);
  #sums = new Map<string, Sum>();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  /** Told by this process; the database knows those of others. */
  readonly #alarmed = new Set<string>();
  dropped = 0;

  constructor(parts: SlippageParts) {
    this.#parts = parts;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
  }

  /** Notes the marks of an approval. */
  decided(machine: Machine, asked: CheckRequest | AmendRequest | BatchRequest): void {
    if ("orders" in asked) {
      for (const { account, order } of asked.orders) this.#note(machine, account, order.id, order.instrument);
    } else if (typeof asked.order === "string") this.#noteResting(machine, asked.account, asked.order);
    else this.#note(machine, asked.account, asked.order.id, asked.order.instrument);
  }

  /** Looks at an entry after it has been applied. */
  applied(machine: Machine, entry: Entry, effects: readonly Effect[]): void {
    for (const one of effects) if (one.effect === "close") this.#noteClose(machine, one);
    if (entry.k === "fill") {
      const { account, instrument, side, qty, price, liquidity: kind } = entry;
      const mark = this.#marks.get(keyOf(account, entry.order));
      if (mark !== undefined) this.#measure(machine, { account, instrument, kind, side, qty, price, mark });
    } else if (entry.k === "closed") {
      const known = this.#closes.get(entry.effect);
      if (known === undefined) return;
      this.#closes.delete(entry.effect);
      const { mark, close } = known;
      const { account, instrument, side } = close;
      for (const { qty, price } of entry.fills)
        this.#measure(machine, { account, instrument, kind: "liquidation", side, qty, price, mark });
    }
  }

  /** After what is on its way, the rest. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
  }

  #note(machine: Machine, account: string, order: string, instrument: string): void {
    const number = machine.book.instrumentIndex(instrument);
    const mark = number < 0 ? null : machine.book.market.markPrice(number);
    if (mark !== null) this.#marks.set(keyOf(account, order), mark);
  }

  #noteResting(machine: Machine, name: string, id: string): void {
    const account = machine.book.findAccount(name);
    const order = account < 0 ? undefined : machine.book.findOrder(account, id);
    if (order !== undefined) this.#note(machine, name, id, machine.instrument(order.instrument).id);
  }

  #noteClose(machine: Machine, close: Close): void {
    const mark = machine.book.market.markPrice(machine.book.instrumentIndex(close.instrument));
    if (mark !== null) this.#closes.set(close.id, { close, mark });
  }

  #measure(machine: Machine, fill: Fill): void {
    const { account, instrument, kind, side, mark } = fill;
    const rules = machine.rules.instruments.get(instrument);
    const index = rules === undefined ? null : machine.book.market.indexPrice(machine.book.assetIndex(rules.settle));
    // Nothing that is only looked at may stop a shard: what has no price now is left out.
    if (rules === undefined || index === null) return;
    const found = slippageOf(rules, side, Rational.parse(fill.qty), Rational.parse(fill.price), mark);
    // Shares become floats only here, where they are only looked at.
    this.#parts.metrics.fillSlippage.with(instrument, kind).observe(Number(found.share.toStringUp(shareDecimals)));
    const most = machine.rules.liquidation.maxSlippage;
    const beyond = most !== null && found.share.above(most);
    const day = new Date(machine.t).toISOString().slice(0, dayLength);
    this.#add({ day, account, instrument, kind }, found, index, beyond);
    if (beyond) this.#tell(day, fill, found, most);
  }

  #add(place: Sum["place"], { share, notional, cost }: Slippage, index: Rational, beyond: boolean): void {
    const key = `${place.day} ${place.account} ${place.instrument} ${place.kind}`;
    const known = this.#sums.get(key);
    if (known === undefined && this.#sums.size >= limits.slippageRows) {
      this.dropped += 1;
      this.#warn({ dropped: this.dropped }, "slippage of fills is not kept: the database is behind");
      return;
    }
    const sum = known ?? { place, fills: 0, notional: Rational.zero, cost: Rational.zero, worst: share, beyond: 0 };
    sum.fills += 1;
    sum.notional = sum.notional.plus(notional.times(index)).ceilTo(kept);
    sum.cost = sum.cost.plus(cost.times(index)).ceilTo(kept);
    sum.worst = Rational.max(sum.worst, share);
    if (beyond) sum.beyond += 1;
    this.#sums.set(key, sum);
    this.#timer ??= setTimeout(() => this.#due(), limits.slippageMs);
  }

  #tell(day: string, { account, instrument, kind, price, mark }: Fill, { share }: Slippage, most: Rational): void {
    const { db, shard, metrics } = this.#parts;
    metrics.fillSlippageBeyond.with(instrument, kind).inc();
    const id = `slippage-${shard}-${day}-${instrument}-${kind}`;
    if (this.#alarmed.has(id)) return;
    if (this.#alarmed.size >= limits.slippageRows) this.#alarmed.clear();
    this.#alarmed.add(id);
    const [found, bound] = [share.toStringUp(shareDecimals), most.toStringDown(shareDecimals)];
    const detail = { account, instrument, kind, price, mark: mark.toStringDown(), share: found, most: bound };
    const text = `A ${kind} fill on ${instrument} went ${found} of the mark against ${account}; the rules permit ${bound}.`;
    raiseAlarm(db, { id, shard, code: "fill_slippage", text, detail }).catch((error: unknown) =>
      this.#warn({ error, id }, "an alarm could not be raised"),
    );
  }

  #due(): void {
    this.#timer = null;
    this.#writing = this.#writing.then(async () => this.#write());
  }

  async #write(): Promise<void> {
    const sums = this.#sums;
    if (sums.size === 0) return;
    this.#sums = new Map();
    try {
      await addSlippage(
        this.#parts.db,
        [...sums.values()].map((sum) => rowOf(this.#parts.shard, sum)),
      );
    } catch (error) {
      this.dropped += sums.size;
      this.#warn({ error, dropped: this.dropped }, "slippage of fills was not kept");
    }
  }
}

const shareDecimals = 8;
const dayLength = "2026-01-31".length;
const keyOf = (account: string, order: string): string => `${account} ${order}`;

function rowOf(shard: string, { place, fills, notional, cost, worst, beyond }: Sum): SlippageRow {
  return {
    shard,
    ...place,
    fills,
    notionalUsd: notional.toStringUp(),
    costUsd: cost.toStringUp(),
    worst: worst.toStringUp(shareDecimals),
    beyond,
  };
}
