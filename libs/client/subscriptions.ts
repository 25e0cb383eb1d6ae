import type { Followed } from "./followed.ts";
import type { ClientLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import type { Schedule } from "./options.ts";
import { noReason, StreamRefused } from "./refused.ts";

export interface SubscriptionParts {
  readonly link: Link;
  /** What is followed now, by name. */
  readonly channels: ReadonlyMap<string, Followed>;
  /** Of the server: what was heard in it can go on. */
  readonly run: string;
  readonly limits: ClientLimits;
  readonly schedule: Schedule;
  readonly onRefused: (refused: StreamRefused) => void;
  readonly onResumed: (channels: number) => void;
}

/** A connection has as many channels as it may. */
const full = "too_many_channels";

/** `asked`: the answer is on its way. */
type Standing = "asked" | "subscribed";

/**
 * What one connection is subscribed to, brought in line with what is followed: in few requests, one channel's refusal taking no other with it.
 */
export class Subscriptions {
  readonly #parts: SubscriptionParts;
  readonly #standing = new Map<string, Standing>();
  /** Channels without which deltas cannot go on: a snapshot is to be asked for, or has been (true). */
  readonly #gaps = new Map<string, boolean>();
  #planned: (() => void) | null = null;
  #over = false;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
  }

  isLive(ch: string): boolean {
    return !this.#over && this.#standing.get(ch) === "subscribed" && !this.#gaps.has(ch);
  }

  /** What is followed may have changed. */
  look(): void {
    if (this.#over || this.#planned !== null) return;
    this.#planned = this.#parts.schedule(() => this.#bring(), 0);
  }

  /** Nothing is asked before. */
  #hold(ms: number): void {
    this.#planned?.();
    this.#planned = this.#parts.schedule(() => this.#bring(), ms);
  }

  /** Something of a channel is missing; false: that is known. */
  gap(ch: string): boolean {
    if (this.#gaps.has(ch)) return false;
    this.#gaps.set(ch, false);
    this.look();
    return true;
  }

  /** A snapshot has come. */
  whole(ch: string): void {
    this.#gaps.delete(ch);
  }

  /** The server has taken a channel away. */
  lost(ch: string, refused: StreamRefused): void {
    this.#standing.delete(ch);
    this.#gaps.delete(ch);
    const followed = this.#parts.channels.get(ch);
    if (followed !== undefined) followed.refused = refused;
  }

  end(): void {
    this.#over = true;
    this.#planned?.();
  }

  #bring(): void {
    this.#planned = null;
    const { channels, limits, schedule } = this.#parts;
    const leaving = [...this.#standing].flatMap(([ch, standing]) =>
      standing === "subscribed" && !channels.has(ch) ? [ch] : [],
    );
    const joining = [...channels.values()].filter(({ ch, refused }) => refused === null && !this.#standing.has(ch));
    const broken = [...this.#gaps].flatMap(([ch, asked]) =>
      !asked && this.#standing.get(ch) === "subscribed" && channels.has(ch) ? [ch] : [],
    );
    for (const some of pages(leaving, limits.channelsPerRequest)) this.#leave(some);
    for (const some of pages(joining, limits.channelsPerRequest)) void this.#join(some);
    for (const some of pages(broken, limits.channelsPerRequest)) void this.#mend(some);
    if (leaving.length + joining.length + broken.length === 0) return;
    // What is asked for meanwhile goes together.
    this.#planned = schedule(() => this.#bring(), limits.requestEveryMs);
  }

  #leave(channels: readonly string[]): void {
    for (const ch of channels) {
      this.#standing.delete(ch);
      this.#gaps.delete(ch);
    }
    // There is room for others now.
    for (const one of this.#parts.channels.values()) if (one.refused?.code === full) one.refused = null;
    void this.#parts.link.ask({ op: "unsubscribe", channels });
  }

  async #join(channels: readonly Followed[]): Promise<void> {
    const { link, run, onRefused, onResumed } = this.#parts;
    const names = channels.map(({ ch }) => ch);
    for (const ch of names) this.#standing.set(ch, "asked");
    const seq = Object.fromEntries(
      channels.flatMap((one): [string, number][] => {
        const last = one.seqIn(run);
        return last === null ? [] : [[one.ch, last]];
      }),
    );
    const known = Object.keys(seq).length;
    const answer = await link.ask({
      op: "subscribe",
      channels: names,
      ...(known === 0 ? {} : { resume: { run, seq } }),
    });
    if (answer === null || this.#over) return;
    for (const ch of names) {
      if (answer.ok) this.#standing.set(ch, "subscribed");
      else this.#standing.delete(ch);
    }
    if (answer.ok) {
      onResumed(known);
      return this.look();
    }
    const refused = new StreamRefused(answer.error ?? noReason);
    if (refused.retryAfterMs === null) {
      // All of them or none: the others are asked for again, without the one that is meant.
      const meant = (ch: string): boolean => refused.ch === null || refused.ch === ch || refused.code === full;
      for (const one of channels) if (meant(one.ch)) one.refused = refused;
      onRefused(refused);
      this.look();
    } else this.#hold(refused.retryAfterMs);
  }

  async #mend(channels: readonly string[]): Promise<void> {
    for (const ch of channels) this.#gaps.set(ch, true);
    const answer = await this.#parts.link.ask({ op: "resync", channels });
    if (answer === null || answer.ok || this.#over) return;
    for (const ch of channels) if (this.#gaps.has(ch)) this.#gaps.set(ch, false);
    const { ch, retryAfterMs } = new StreamRefused(answer.error ?? noReason);
    // Not subscribed any more: the next look begins it anew.
    if (ch !== null) {
      this.#standing.delete(ch);
      this.#gaps.delete(ch);
    }
    if (retryAfterMs === null) this.look();
    else this.#hold(retryAfterMs);
  }
}

function pages<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size));
}
