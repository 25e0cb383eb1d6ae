import type { Bus } from "#libs/adapters/nats/index.ts";
import { type HandshakeReply, type OpenOrder, openOrdersMax, type ResendReply } from "#libs/contracts/live/venue.ts";
import type { Entry, EntryBody } from "#libs/contracts/log.ts";

type Asked = { readonly shard: string; readonly epoch: number; readonly from?: number; readonly to?: number };

const read = (data: Uint8Array): Asked => JSON.parse(new TextDecoder().decode(data)) as Asked;

/** The other side of a shard: numbers entries as a matching engine does, gives them again when asked, and knows its open orders. */
export class Partner {
  readonly entries: Entry[] = [];
  /** What rests, by account and id: as its own entries say, unless a test has it say otherwise. */
  readonly orders = new Map<string, OpenOrder>();
  /** Said in a handshake; null: the truth. */
  lastSeq: number | null = null;
  /** A handshake's answer, made when it was asked for, is given when this has come. */
  slow: Promise<void> = Promise.resolve();
  resends = 0;
  /** Epochs that have presented themselves, in order. */
  readonly epochs: number[] = [];

  constructor(bus: Bus) {
    bus.respond(bus.names.subjects.venue("handshake"), (data) => this.#handshake(read(data)));
    bus.respond(bus.names.subjects.venue("resend"), (data) => this.#resend(read(data)));
  }

  number(body: EntryBody, t: number): Entry {
    const entry = { ...body, t, source: "venue", sourceSeq: this.entries.length + 1 };
    this.entries.push(entry);
    this.#keep(body);
    return entry;
  }

  #keep(body: EntryBody): void {
    if (body.k === "order") {
      const { account, id, instrument, side, qty, price = null, reduceOnly = false } = body;
      this.orders.set(`${account} ${id}`, { account, id, instrument, side, qty, price, reduceOnly });
    } else if (body.k === "cancel") this.orders.delete(`${body.account} ${body.id}`);
  }

  async #handshake({ shard, epoch, from = 0 }: Asked): Promise<HandshakeReply> {
    if (from === 0) this.epochs.push(epoch);
    const openOrders = [...this.orders.values()].slice(from, from + openOrdersMax);
    const next = from + openOrders.length < this.orders.size ? from + openOrders.length : null;
    const lastSeq = this.lastSeq ?? this.entries.length;
    await this.slow;
    return { shard, epoch, lastSeq, openOrders, next };
  }

  #resend({ shard, from = 1, to = 0 }: Asked): ResendReply {
    this.resends += 1;
    return { shard, entries: this.entries.slice(from - 1, to), lastSeq: this.entries.length };
  }
}
