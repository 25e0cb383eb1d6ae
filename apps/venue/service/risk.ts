import { readHandshake, readResend, readVenueCommand } from "#libs/contracts/live/door.ts";
import {
  type Handshake,
  type HandshakeReply,
  resendMax,
  type ResendReply,
  type VenueCommand,
  type VenueReply,
  type VenueStatus,
} from "#libs/contracts/live/venue.ts";
import { EntriesGone } from "../journal/journal.ts";
import { fitting, type Listing, openOrdersOf, pageOf } from "./open-orders.ts";
import type { Venue } from "./venue.ts";

/** What a request is answered with that cannot be served. */
interface Refusal {
  readonly error: string;
}

/** The risk backend's side: commands, the handshake of a new leader, entries again, how things stand. */
export class Risk {
  readonly #venue: Venue;
  /** By shard, what its last handshake has not told to the end yet. */
  readonly #listings = new Map<string, Listing>();

  constructor(venue: Venue) {
    this.#venue = venue;
  }

  serve(): { stop(): void } {
    const { bus } = this.#venue;
    const subject = bus.names.subjects.venue;
    const services = [
      bus.respond(subject("command"), (data) => this.command(data)),
      bus.respond(subject("handshake"), (data) => this.handshake(data)),
      bus.respond(subject("resend"), (data) => this.resend(data)),
      bus.respond(subject("status"), () => this.status()),
    ];
    return { stop: () => services.forEach((one) => one.stop()) };
  }

  command(data: Uint8Array): VenueReply {
    const read = readVenueCommand(data);
    if (!read.ok) {
      const reason = read.problems[0]?.message ?? "unreadable";
      this.#venue.unreadable("venue-command", reason, data);
      return { effect: "", state: "refused", seq: null, reason };
    }
    const { shard, epoch, effect, trace } = read.value;
    return this.#known(read.value) ?? this.#carryOut(shard, epoch, effect, trace);
  }

  /** Answers that need no line in the journal. */
  #known({ shard, epoch, effect }: VenueCommand): VenueReply | null {
    const sequence = this.#venue.floor.shards.get(shard);
    if (sequence === undefined) return { effect: effect.id, state: "refused", seq: null, reason: "unknown_shard" };
    if (epoch < sequence.epoch) return { effect: effect.id, state: "stale_epoch", seq: null };
    const done = this.#venue.floor.effects.get(effect.id);
    return done === undefined || epoch > sequence.epoch ? null : { effect: effect.id, state: "done", seq: done.seq };
  }

  #carryOut(shard: string, epoch: number, effect: VenueCommand["effect"], trace: string | undefined): VenueReply {
    const traced = trace === undefined ? {} : { trace };
    return this.#venue.write({ c: "effect", shard, epoch, effect, ...traced }).reply as VenueReply;
  }

  handshake(data: Uint8Array): HandshakeReply | Refusal {
    const read = readHandshake(data);
    const sequence = read.ok ? this.#venue.floor.shards.get(read.value.shard) : undefined;
    if (!read.ok || sequence === undefined) return { error: read.ok ? "unknown_shard" : "unreadable" };
    const { shard, epoch } = read.value;
    if (epoch > sequence.epoch) this.#venue.write({ c: "epoch", shard, epoch });
    return { shard, epoch: sequence.epoch, ...this.#openOrders(read.value, sequence.lastSeq) };
  }

  /** Pages of one moment, whatever happens between them. */
  #openOrders({ shard, epoch, from = 0 }: Handshake, lastSeq: number): ReturnType<typeof pageOf> {
    const begun = from > 0 ? this.#listings.get(shard) : undefined;
    const listing = begun?.epoch === epoch ? begun : { epoch, lastSeq, orders: openOrdersOf(this.#venue.floor, shard) };
    const page = pageOf(listing, from);
    if (page.next === null) this.#listings.delete(shard);
    else this.#listings.set(shard, listing);
    return page;
  }

  resend(data: Uint8Array): ResendReply | Refusal {
    const read = readResend(data);
    const sequence = read.ok ? this.#venue.floor.shards.get(read.value.shard) : undefined;
    if (!read.ok || sequence === undefined) return { error: read.ok ? "unknown_shard" : "unreadable" };
    const { shard, from, to } = read.value;
    try {
      const entries = fitting(this.#venue.journal.entries(shard, from, to, resendMax));
      return { shard, entries, lastSeq: sequence.lastSeq };
    } catch (error) {
      if (error instanceof EntriesGone) return { error: "gone" };
      throw error;
    }
  }

  status(): VenueStatus {
    const { floor, acknowledged, rejected } = this.#venue;
    return {
      shards: Object.fromEntries(
        [...floor.shards].map(([shard, { lastSeq, t }]) => [shard, { lastSeq, t, acked: acknowledged.of(shard) }]),
      ),
      ruleVersion: floor.ruleVersion,
      trades: floor.tradeCount,
      openOrders: floor.orders.size,
      rejected: Object.fromEntries(rejected),
    };
  }
}
