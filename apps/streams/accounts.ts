import type { AccountAnswer } from "#libs/contracts/answers.ts";
import type { ChannelName } from "#libs/contracts/stream/channels.ts";
import { channelKinds } from "#libs/contracts/stream/channels.ts";
import type { State } from "#libs/contracts/stream/state.ts";
import {
  type AccountRisk,
  answerAccount,
  answerRisk,
  type AskOptions,
  type PositionPrices,
} from "#libs/engine/account-answer.ts";
import { Screen } from "#libs/engine/screen.ts";
import type { EventLog } from "./event-log.ts";
import type { AccountLogs } from "./events.ts";
import { limits } from "./limits.ts";
import { Owed, type Owing, urgency } from "./owed.ts";
import { Ration } from "./ration.ts";
import { StandingQueues } from "./standing-queues.ts";
import type { Place, Topic, View } from "./topic.ts";
import {
  adlState,
  type AskedAccount,
  liquidationsState,
  marginState,
  ordersState,
  positionsState,
} from "./views/account.ts";
import type { LiveShard, World } from "./world.ts";

/** Channels of an account. */
export type AccountChannel = "margin" | "positions" | "orders" | "liquidations" | "adl";
export const isAccountChannel = (name: ChannelName): name is AccountChannel =>
  channelKinds[name].audience === "account";

/** An account that somebody reads something of. */
export interface Watched extends Owing {
  readonly account: string;
  readonly logs: AccountLogs;
  readonly topics: Map<AccountChannel, Topic>;
  /** Float ratios of its pools when it was last told, and as they were looked at last. */
  told: Ratios;
  seen: Ratios;
  /** Liquidation prices as they were worked out last; null: they are to be now. */
  prices: KeptPrices | null;
}

interface Ratios {
  /** Of the cross pool and of isolated positions; those without a requirement or a price count as infinite. */
  readonly ratios: readonly number[];
  readonly machine: Machine | null;
  readonly logSeq: number;
}

interface KeptPrices {
  readonly byInstrument: ReadonlyMap<string, PositionPrices>;
  readonly ratios: readonly number[];
  readonly logSeq: number;
  /** Monotonic ms. */
  readonly at: number;
}

/** What is kept of a shard to answer from. */
interface Desk {
  readonly machine: Machine;
  readonly screen: Screen;
  readonly queues: StandingQueues;
}

type Machine = LiveShard["engine"]["machine"];

/** More than all, so that whoever was passed over once is made up for. */
const frameShare = 1.1;
const nothing: Ratios = { ratios: [], machine: null, logSeq: -1 };

/** Accounts that are read, and what is said of them. */
export class Accounts {
  readonly #world: World;
  readonly #now: () => number;
  readonly #watched = new Map<string, Watched>();
  readonly #owed = new Owed<Watched>();
  /** Monotonic ms of the last frame of prices, and how far frames lie apart lately. */
  #framedAt = Number.NEGATIVE_INFINITY;
  #frameGapMs: number = limits.atLeastMs;
  readonly #desks = new Map<string, Desk>();
  /** For liquidation prices of accounts that nothing has happened to. */
  readonly #pricing: Ration;

  /** `now`: monotonic ms. */
  constructor(world: World, now: () => number) {
    this.#world = world;
    this.#now = now;
    this.#pricing = new Ration(now, limits.pricesPause);
  }

  get size(): number {
    return this.#watched.size;
  }

  watch(account: string, now: number): Watched {
    const known = this.#watched.get(account);
    if (known !== undefined) return known;
    const watched: Watched = {
      account,
      logs: this.#world.events.watch(account),
      topics: new Map(),
      told: nothing,
      seen: nothing,
      prices: null,
      owed: urgency.none,
      turn: 0,
      toldAt: now,
    };
    this.#watched.set(account, watched);
    this.told(watched, now);
    return watched;
  }

  /** It is told now: what it was told last is what later ratios are compared with. */
  told(watched: Watched, now: number): void {
    const of = this.#world.shardOfAccount(watched.account);
    watched.told = of === null ? nothing : this.#ratiosOf(of, watched);
    this.#owed.tell(watched, now);
  }

  /** A channel that nobody reads and nobody may come back to. */
  forget(account: string, channel: AccountChannel): void {
    const watched = this.#watched.get(account);
    watched?.topics.delete(channel);
    if (watched?.topics.size !== 0) return;
    this.#watched.delete(account);
    this.#world.events.unwatch(account);
  }

  /**
   * Finds whoever has something new to be told: those that something has happened to, those whose ratio has moved, those that have waited
   * for long. `framed`: prices have come since it was looked last.
   */
  look(touched: ReadonlySet<string>, framed: boolean, now: number): void {
    for (const account of touched) {
      const one = this.#watched.get(account);
      if (one === undefined) continue;
      one.prices = null;
      this.#owed.owe(one, urgency.happened);
    }
    if (framed)
      for (const one of this.#watched.values())
        if (one.owed < urgency.moved && this.#ratioMoved(one)) this.#owed.owe(one, urgency.moved);
    // Rather with the prices of a frame than a moment before the next; and with each frame as many as with any other.
    if (framed) this.#owed.oweLate(now - limits.atLeastMs + limits.earlyMs, this.#shareOfFrame(now));
    this.#owed.oweLate(now - limits.atLeastMs - (framed ? 0 : limits.halfFrameMs));
  }

  /** How many are told with one frame of prices so that all are within a second, and a few more. */
  #shareOfFrame(now: number): number {
    const gap = Math.min(now - this.#framedAt, limits.atLeastMs);
    this.#framedAt = now;
    this.#frameGapMs += (gap - this.#frameGapMs) / 8;
    return Math.ceil((this.#watched.size * this.#frameGapMs * frameShare) / limits.atLeastMs);
  }

  /** Who is to be told next, the most urgent first; null: nobody. What nobody reads is not told. */
  next(now: number): Watched | null {
    for (let one = this.#owed.next; one !== null; one = this.#owed.next) {
      if (isRead(one)) return one;
      // Once it is forgotten it is not looked at any more.
      if (this.#watched.get(one.account) === one) this.told(one, now);
      else one.owed = urgency.none;
    }
    return null;
  }

  /** The views of some channels of an account; null: its shard is not there. One answer of the engine serves them all. */
  views(watched: Watched, channels: readonly AccountChannel[], now: number): ReadonlyMap<AccountChannel, View> | null {
    const { account, logs } = watched;
    const of = this.#world.shardOfAccount(account);
    if (of === null) return null;
    // Who reads the positions is answered in full, and the other channels from the same answer.
    let full: AskedAccount<AccountAnswer> | null = null;
    let brief: AskedAccount | null = null;
    const inFull = (): AskedAccount<AccountAnswer> => (full ??= this.#ask(of, watched, now, answerAccount));
    const ask = (): AskedAccount =>
      channels.includes("positions") ? inFull() : (brief ??= this.#ask(of, watched, now, answerRisk));
    const place: Place = { shard: of.shard, logSeq: of.seq, t: of.engine.machine.t };
    const stateOf: Record<AccountChannel, () => readonly [state: State, log: EventLog | null]> = {
      margin: () => [marginState(ask()), logs.margin],
      positions: () => [positionsState(inFull()), null],
      orders: () => [ordersState(of, account), logs.orders],
      liquidations: () => [liquidationsState(of, account), logs.liquidations],
      adl: () => [adlState(ask()), logs.adl],
    };
    const views = new Map<AccountChannel, View>();
    for (const channel of channels) {
      const [state, log] = stateOf[channel]();
      views.set(channel, { place, state, logs: log === null ? {} : { events: log } });
    }
    return views;
  }

  #ask<Answer extends AccountRisk>(
    of: LiveShard,
    watched: Watched,
    now: number,
    answerOf: (machine: Machine, account: string, options: AskOptions) => Answer,
  ): AskedAccount<Answer> {
    const { account } = watched;
    const { queues } = this.#deskOf(of);
    const kept = this.#pricesOf(of, watched, now);
    const { machine } = of.engine;
    const answer =
      kept === null
        ? this.#pricing.spend(() => answerOf(machine, account, { queues, withoutCash: true }))
        : answerOf(machine, account, { queues, withoutCash: true, prices: kept.byInstrument });
    const prices = kept ?? this.#keepPrices(of, watched, answer, now);
    const owner = this.#world.ownerOf(account);
    return { of, account, owner, answer, queuesAt: (one) => queues.logSeq(one), pricesAt: prices.logSeq };
  }

  /** Those kept, where they are good enough; null: they are to be worked out. */
  #pricesOf(of: LiveShard, watched: Watched, now: number): KeptPrices | null {
    const { prices } = watched;
    if (prices === null) return null;
    const aged = now - prices.at >= limits.pricesMs || differ(this.#ratiosOf(of, watched).ratios, prices.ratios);
    return aged && this.#pricing.open ? null : prices;
  }

  #keepPrices(of: LiveShard, watched: Watched, { positions }: AccountRisk, now: number): KeptPrices {
    const byInstrument = new Map(
      positions.map(({ instrument, partialPrice, liqPrice, bankruptcyPrice }) => [
        instrument,
        { partialPrice, liqPrice, bankruptcyPrice },
      ]),
    );
    watched.prices = { byInstrument, ratios: this.#ratiosOf(of, watched).ratios, logSeq: of.seq, at: now };
    return watched.prices;
  }

  #ratioMoved(watched: Watched): boolean {
    const of = this.#world.shardOfAccount(watched.account);
    return of !== null && differ(this.#ratiosOf(of, watched).ratios, watched.told.ratios);
  }

  /** As of now; looked at once for each place in the log. */
  #ratiosOf(of: LiveShard, watched: Watched): Ratios {
    const { machine } = of.engine;
    const { seen } = watched;
    if (seen.machine === machine && seen.logSeq === of.seq) return seen;
    watched.seen = {
      ratios: ratiosOf(machine.book, this.#deskOf(of).screen, watched.account),
      machine,
      logSeq: of.seq,
    };
    return watched.seen;
  }

  #deskOf(of: LiveShard): Desk {
    const { machine } = of.engine;
    const known = this.#desks.get(of.shard);
    if (known?.machine === machine) return known;
    const made = {
      machine,
      screen: new Screen(machine.book, machine.compiled),
      queues: new StandingQueues(of, this.#now),
    };
    this.#desks.set(of.shard, made);
    return made;
  }
}

function ratiosOf(book: Machine["book"], screen: Screen, account: string): readonly number[] {
  const number = book.findAccount(account);
  if (number < 0) return [];
  const ratioOf = (pool: number): number =>
    screen.evaluate(pool) && screen.maintenance > 0 ? screen.equity / screen.maintenance : Infinity;
  const ratios = [ratioOf(book.crossPool(number))];
  for (let row = book.firstRow(number); row >= 0; row = book.nextRow(row))
    if (book.isIsolated(row)) ratios.push(ratioOf(book.isolatedPool(row)));
  return ratios;
}

const isRead = ({ topics }: Watched): boolean => {
  for (const { readers } of topics.values()) if (readers.size > 0) return true;
  return false;
};

const differ = (ratios: readonly number[], before: readonly number[]): boolean =>
  ratios.length !== before.length || ratios.some((ratio, at) => apart(ratio, before[at] as number));

const apart = (left: number, right: number): boolean =>
  left !== right && !(Math.abs(left - right) < limits.ratioChange * Math.abs(right));
