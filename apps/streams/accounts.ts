import type { ChannelName } from "#libs/contracts/stream/channels.ts";
import { channelKinds } from "#libs/contracts/stream/channels.ts";
import type { State } from "#libs/contracts/stream/state.ts";
import { type AdlQueue, adlQueues } from "#libs/engine/adl-queues.ts";
import type { AccountAnswer } from "#libs/contracts/answers.ts";
import { answerAccount, type PositionPrices } from "#libs/engine/asking.ts";
import { Screen } from "#libs/engine/screen.ts";
import type { EventLog } from "./event-log.ts";
import type { AccountLogs } from "./events.ts";
import { limits } from "./limits.ts";
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
export interface Watched {
  readonly account: string;
  readonly logs: AccountLogs;
  readonly topics: Map<AccountChannel, Topic>;
  /** Float ratios of its pools when it was last told. */
  ratios: readonly number[];
  /** Liquidation prices as they were worked out last; null: they are to be now. */
  prices: KeptPrices | null;
  /** Monotonic ms. */
  toldAt: number;
}

/** Accounts that are read, and what is said of them. */
export class Accounts {
  readonly #world: World;
  readonly #watched = new Map<string, Watched>();
  readonly #screens = new Map<string, { readonly of: unknown; readonly screen: Screen }>();
  readonly #queues = new Map<string, KeptQueues>();
  /** Until when liquidation prices of accounts whose ratio has moved are worked out, monotonic ms. */
  #pricesUntil = Number.POSITIVE_INFINITY;

  constructor(world: World) {
    this.#world = world;
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
      ratios: [],
      prices: null,
      toldAt: now,
    };
    this.#watched.set(account, watched);
    this.told(watched, now);
    return watched;
  }

  /** It is told now: what it was told last is what later ratios are compared with. */
  told(watched: Watched, now: number): void {
    const of = this.#world.shardOfAccount(watched.account);
    watched.ratios = of === null ? [] : this.#ratios(of, watched.account);
    watched.toldAt = now;
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
   * Accounts that are read and have something new to be told, the most urgent first: those that something has happened to, then those
   * whose ratio has moved, then those that have waited longest.
   */
  due(touched: ReadonlySet<string>, moved: boolean, now: number): Watched[] {
    this.#pricesUntil = now + limits.pricesPassMs;
    const urgent: Watched[] = [];
    const changed: Watched[] = [];
    const late: Watched[] = [];
    // Rather with the prices of a frame than a moment before the next.
    const longMs = limits.atLeastMs + (moved ? -limits.halfFrameMs : limits.halfFrameMs);
    for (const one of this.#watched.values()) {
      if (!isRead(one)) continue;
      if (touched.has(one.account)) {
        one.prices = null;
        urgent.push(one);
      } else if (moved && this.#ratioMoved(one)) changed.push(one);
      else if (now - one.toldAt >= longMs) late.push(one);
    }
    late.sort((left, right) => left.toldAt - right.toldAt);
    return [...urgent, ...changed, ...late];
  }

  /** The views of some channels of an account; null: its shard is not there. One answer of the engine serves them all. */
  views(watched: Watched, channels: readonly AccountChannel[], now: number): ReadonlyMap<AccountChannel, View> | null {
    const { account, logs } = watched;
    const of = this.#world.shardOfAccount(account);
    if (of === null) return null;
    let asked: AskedAccount | null = null;
    const ask = (): AskedAccount => (asked ??= this.#ask(of, watched, now));
    const place: Place = { shard: of.shard, logSeq: of.seq, t: of.engine.machine.t };
    const stateOf: Record<AccountChannel, () => readonly [state: State, log: EventLog | null]> = {
      margin: () => [marginState(ask()), logs.margin],
      positions: () => [positionsState(ask()), null],
      orders: () => [ordersState(of, account), logs.orders],
      liquidations: () => [liquidationsState(of, account), logs.liquidations],
      adl: () => [adlState(ask()), logs.adl],
    };
    return new Map(
      channels.map((channel): [AccountChannel, View] => {
        const [state, log] = stateOf[channel]();
        return [channel, { place, state, logs: log === null ? {} : { events: log } }];
      }),
    );
  }

  #ask(of: LiveShard, watched: Watched, now: number): AskedAccount {
    const { account } = watched;
    const { machine } = of.engine;
    const { queues, logSeq } = this.#queuesOf(of, machine.book.findAccount(account), now);
    const kept = this.#pricesOf(of, watched, now);
    const answer = answerAccount(machine, account, {
      queues,
      withoutCash: true,
      ...(kept === null ? {} : { prices: kept.byInstrument }),
    });
    const prices = kept ?? this.#keepPrices(of, watched, answer, now);
    return { of, account, owner: this.#world.ownerOf(account), answer, queuesAt: logSeq, pricesAt: prices.logSeq };
  }

  /** Those kept, where they are good enough; null: they are to be worked out. */
  #pricesOf(of: LiveShard, { account, prices }: Watched, now: number): KeptPrices | null {
    if (prices === null || now - prices.at >= limits.pricesMs) return null;
    const ratios = this.#ratios(of, account);
    return differ(ratios, prices.ratios) && now < this.#pricesUntil ? null : prices;
  }

  #keepPrices(of: LiveShard, watched: Watched, { positions }: AccountAnswer, now: number): KeptPrices {
    const byInstrument = new Map(
      positions.map(({ instrument, partialPrice, liqPrice, bankruptcyPrice }) => [
        instrument,
        { partialPrice, liqPrice, bankruptcyPrice },
      ]),
    );
    watched.prices = { byInstrument, ratios: this.#ratios(of, watched.account), logSeq: of.seq, at: now };
    return watched.prices;
  }

  /** One set of queues of all instruments that are asked about, of one place in the log. */
  #queuesOf({ shard, engine, seq }: LiveShard, account: number, now: number): KeptQueues {
    const { book } = engine.machine;
    const kept = this.#queues.get(shard);
    const wanted = new Set(kept?.wanted);
    for (let row = account < 0 ? -1 : book.firstRow(account); row >= 0; row = book.nextRow(row))
      if (book.qty(row) !== 0n) wanted.add(book.rowInstrument(row));
    const fresh = kept !== undefined && (kept.logSeq === seq || now - kept.at < limits.queuesMs);
    if (kept !== undefined && fresh && wanted.size === kept.wanted.size) return kept;
    const made = { wanted, queues: adlQueues(engine.machine, wanted), at: now, logSeq: seq };
    this.#queues.set(shard, made);
    return made;
  }

  #ratioMoved(watched: Watched): boolean {
    const of = this.#world.shardOfAccount(watched.account);
    if (of === null) return false;
    return differ(this.#ratios(of, watched.account), watched.ratios);
  }

  /** Float ratios of the cross pool and of isolated positions; those without a requirement or a price count as infinite. */
  #ratios({ shard, engine }: LiveShard, account: string): number[] {
    const { book } = engine.machine;
    const number = book.findAccount(account);
    if (number < 0) return [];
    const screen = this.#screenOf(shard, engine.machine);
    const ratioOf = (pool: number): number =>
      screen.evaluate(pool) && screen.maintenance > 0 ? screen.equity / screen.maintenance : Infinity;
    const ratios = [ratioOf(book.crossPool(number))];
    for (let row = book.firstRow(number); row >= 0; row = book.nextRow(row))
      if (book.isIsolated(row)) ratios.push(ratioOf(book.isolatedPool(row)));
    return ratios;
  }

  #screenOf(shard: string, machine: LiveShard["engine"]["machine"]): Screen {
    const known = this.#screens.get(shard);
    if (known?.of === machine) return known.screen;
    const screen = new Screen(machine.book, machine.compiled);
    this.#screens.set(shard, { of: machine, screen });
    return screen;
  }
}

interface KeptPrices {
  readonly byInstrument: ReadonlyMap<string, PositionPrices>;
  readonly ratios: readonly number[];
  readonly logSeq: number;
  /** Monotonic ms. */
  readonly at: number;
}

interface KeptQueues {
  /** Instruments. */
  readonly wanted: ReadonlySet<number>;
  readonly queues: ReadonlyMap<string, AdlQueue>;
  readonly at: number;
  readonly logSeq: number;
}

const isRead = ({ topics }: Watched): boolean => {
  for (const { readers } of topics.values()) if (readers.size > 0) return true;
  return false;
};

const differ = (ratios: readonly number[], before: readonly number[]): boolean =>
  ratios.length !== before.length || ratios.some((ratio, at) => apart(ratio, before[at] as number));

const apart = (left: number, right: number): boolean =>
  left !== right && !(Math.abs(left - right) < limits.ratioChange * Math.abs(right));
