import { setImmediate as immediately } from "node:timers/promises";
import { type Channel, channelKinds } from "#libs/contracts/stream/channels.ts";
import { PriceMissing } from "#libs/engine/market.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import { Accounts, isAccountChannel, type Watched } from "./accounts.ts";
import type { Alerts } from "./alerts.ts";
import { type BoardChannel, boardEveryMs, type BoardParts, boardView } from "./boards.ts";
import { limits } from "./limits.ts";
import { ReplayRing } from "./replay-ring.ts";
import { Samples } from "./samples.ts";
import { type Reader, Topic, type View } from "./topic.ts";
import type { LiveShard, World } from "./world.ts";

export interface HubParts {
  readonly world: World;
  readonly alerts: Alerts;
  readonly logger: Logger;
  /** Monotonic ms. */
  readonly now: () => number;
}

interface Open {
  readonly topic: Topic;
  readonly channel: Channel;
}

/** Every channel that is read: makes its state, tells its readers what has changed, goes on with its sequence for a while when they have gone. */
export class Hub {
  readonly #parts: HubParts;
  readonly #accounts: Accounts;
  readonly #boards: BoardParts;
  readonly #open = new Map<string, Open>();
  /** Those of them that are of no account. */
  readonly #openBoards = new Map<string, { readonly topic: Topic; readonly name: BoardChannel; readonly id: string }>();
  readonly #ring = new ReplayRing(limits.replayBytes);
  /** From a frame's effect here until everybody it concerned was told. */
  readonly #telling = new Samples();
  readonly #warn: (fields: object, message: string) => void;
  /** When the first frame of prices came that not everybody it concerned has been told of. */
  #movedAt: number | null = null;
  /** The highest sequence of any channel that was forgotten. */
  #forgottenSeq = 0;
  #passedAt = Number.NEGATIVE_INFINITY;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #due = false;
  #waker: () => void = () => {};

  constructor(parts: HubParts) {
    const { world, alerts } = parts;
    this.#parts = parts;
    this.#accounts = new Accounts(world, parts.now);
    const latencies = new Map([
      ["replica", world.frameLag],
      ["send", this.#telling],
    ]);
    this.#boards = { world, alerts, latencies };
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
  }

  get size(): { readonly topics: number; readonly accounts: number; readonly replayBytes: number } {
    return { topics: this.#open.size, accounts: this.#accounts.size, replayBytes: this.#ring.size };
  }

  /** Whether there is what the channel is of: any account may come to be, an instrument must be listed. */
  knows({ name, id }: Channel): boolean {
    if (channelKinds[name].of !== "instrument" || id === null) return true;
    const machine = this.#parts.world.live()?.[0]?.engine.machine;
    const number = machine?.book.instrumentIndex(id) ?? -1;
    return machine === undefined || (number >= 0 && machine.book.isInstrumentListed(number));
  }

  /** A channel with somebody to read it. Null: what it shows is not there yet. */
  join(channel: Channel, reader: Reader): Topic | null {
    const topic = this.#topicOf(channel);
    if (topic === null) return null;
    topic.readers.add(reader);
    topic.idleSince = null;
    if (channel.name === "facts") this.#parts.world.events.tailWanted = true;
    return topic;
  }

  leave(topic: Topic, reader: Reader): void {
    if (!topic.readers.delete(reader) || topic.readers.size > 0) return;
    topic.idleSince = this.#parts.now();
    if (topic.ch === "facts") this.#parts.world.events.tailWanted = false;
  }

  snapshot(topic: Topic): Buffer {
    return topic.snapshot(this.#markAge(topic.place.shard));
  }

  /** There may be something to tell. */
  wake(): void {
    this.#due = true;
    this.#waker();
  }

  /** Tells whoever is due, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#due = false;
      this.pass();
      while (this.#owing && !this.#due && !signal.aborted) {
        await immediately();
        this.#tellAccounts();
      }
      await this.#rest();
    }
  }

  /** One look at everything: boards first, which many read, then accounts, for as long as a pass may take. */
  pass(): void {
    const { world, now } = this.#parts;
    const { touched, movedAt } = world.taken();
    const at = now();
    this.#passedAt = at;
    this.#movedAt ??= movedAt;
    const shards = world.live();
    if (shards !== null) this.#tellBoards(shards, at);
    this.#accounts.look(touched, movedAt !== null, at);
    if (shards === null) return;
    this.#tellAccounts();
    if (at - this.#sweptAt >= limits.atLeastMs) this.#sweep(at);
  }

  get #owing(): boolean {
    return this.#accounts.next(this.#parts.now()) !== null;
  }

  async #rest(): Promise<void> {
    const { world, now } = this.#parts;
    await immediately();
    if (!this.#due) await this.#sleep(limits.idlePassMs, () => true);
    const gap = this.#passedAt + limits.passGapMs - now();
    if (gap > 0 && !world.moved) await this.#sleep(gap, () => world.moved);
  }

  /** `ends`: whether being woken ends it. */
  async #sleep(ms: number, ends: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waker = () => {
        if (!ends()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#waker = () => {};
  }

  #topicOf(channel: Channel): Topic | null {
    const { name, id } = channel;
    const ch = id === null ? name : `${name}.${id}`;
    const known = this.#open.get(ch);
    if (known !== undefined) {
      if (known.topic.readers.size === 0) this.#refresh(known);
      return known.topic;
    }
    const view = this.#viewOf(channel);
    if (view === null) return null;
    const topic = new Topic(ch, channelKinds[name], this.#ring, view, this.#parts.now(), this.#forgottenSeq + 1);
    this.#open.set(ch, { topic, channel });
    if (isAccountChannel(name)) this.#accounts.watch(id as string, this.#parts.now()).topics.set(name, topic);
    else this.#openBoards.set(ch, { topic, name, id: id ?? "" });
    return topic;
  }

  /** Nobody has read it for a while: who comes back is told what has changed since. */
  #refresh({ topic, channel }: Open): void {
    const view = this.#viewOf(channel);
    if (view !== null) topic.publish(view, this.#markAge(view.place.shard), this.#parts.now(), false);
  }

  #viewOf({ name, id }: Channel): View | null {
    const { world, now } = this.#parts;
    const shards = world.live();
    if (shards === null) return null;
    try {
      if (!isAccountChannel(name)) return boardView(this.#boards, shards, name, id ?? "");
      return this.#accounts.views(this.#accounts.watch(id as string, now()), [name], now())?.get(name) ?? null;
    } catch (error) {
      if (!(error instanceof PriceMissing)) throw error;
      return null;
    }
  }

  #tellBoards(shards: readonly LiveShard[], now: number): void {
    const age = this.#parts.world.markAge(shards);
    for (const { topic, name, id } of this.#openBoards.values()) {
      if (topic.readers.size === 0) continue;
      const quiet = now - topic.publishedAt;
      if (quiet < boardEveryMs(name)) continue;
      const view = boardView(this.#boards, shards, name, id);
      topic.publish(view, age, now, quiet >= limits.atLeastMs);
    }
  }

  #tellAccounts(): void {
    const { now } = this.#parts;
    const until = now() + limits.passMs;
    // Within one stretch the clock of the market is looked at once.
    const ages = new Map<string | null, number | null>();
    const ageOf = (shard: string | null): number | null => {
      const known = ages.get(shard);
      if (known !== undefined) return known;
      const age = this.#markAge(shard);
      ages.set(shard, age);
      return age;
    };
    for (let at = now(); at < until; at = now()) {
      const one = this.#accounts.next(at);
      if (one === null) {
        if (this.#movedAt !== null) this.#telling.add(at - this.#movedAt);
        this.#movedAt = null;
        return;
      }
      this.#tellAccount(one, at, ageOf);
    }
  }

  #tellAccount(watched: Watched, at: number, ageOf: (shard: string | null) => number | null): void {
    const channels = [...watched.topics].flatMap(([name, { readers }]) => (readers.size > 0 ? [name] : []));
    this.#accounts.told(watched, at);
    try {
      const views = this.#accounts.views(watched, channels, at);
      for (const [name, view] of views ?? []) {
        const topic = watched.topics.get(name);
        // One of its channels may have nothing new to say for long.
        if (topic !== undefined)
          topic.publish(view, ageOf(view.place.shard), at, at - topic.publishedAt >= limits.atLeastMs / 2);
      }
    } catch (error) {
      // Of an asset that has just been listed: it will have a price.
      this.#warn({ error, account: watched.account }, "an account cannot be worked out");
    }
  }

  #markAge(shard: string | null): number | null {
    const { world } = this.#parts;
    const shards = world.live() ?? [];
    return world.markAge(shard === null ? shards : shards.filter((one) => one.shard === shard));
  }

  /** Channels that nobody has come back to, and the oldest of too many. */
  #sweep(now: number): void {
    this.#sweptAt = now;
    const idle = [...this.#open.values()].filter(({ topic }) => topic.idleSince !== null);
    const excess = idle.length - limits.idleTopics;
    for (const [at, { topic, channel }] of idle.entries()) {
      if (at >= excess && now - (topic.idleSince as number) < limits.idleTopicMs) continue;
      this.#forgottenSeq = Math.max(this.#forgottenSeq, topic.seq);
      this.#open.delete(topic.ch);
      this.#openBoards.delete(topic.ch);
      const { name, id } = channel;
      if (isAccountChannel(name)) this.#accounts.forget(id as string, name);
    }
  }
}
