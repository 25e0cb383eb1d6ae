import { type Database, enqueueEntry } from "#libs/adapters/postgres/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import type { BatchDecision, Decision } from "#libs/contracts/live/pre-trade.ts";
import { shardOf } from "#libs/contracts/live/shards.ts";
import type { RpcVerb } from "#libs/contracts/live/subjects.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { PlaceOrder, TradingReply } from "#libs/contracts/live/venue.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { wait } from "#libs/process/backoff.ts";
import {
  type Ask,
  calm,
  type Case,
  drillAccount,
  drillCases,
  drillInstrument,
  drillPrice,
  fading,
  falling,
  maker,
} from "./drill-cases.ts";
import type { Check } from "./ending.ts";
import type { LiveModel } from "./model.ts";

const askWithinMs = 2_000;
const betweenMs = 250;
const quoteMs = 200;
const money = "10000";
/** Of those who sell to the others, and of whom a deposit saves from the liquidation that has been shown. */
const muchMoney = "1000000";
const saving = "50000";
/** Entries are not committed for so long at most; after half a second of it the gate takes only what reduces risk. */
const lockedMs = 1_500;

export interface DrillParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly model: LiveModel;
  readonly shards: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * While the exchange runs, one account after the other asks for what its limits or its state forbid: each check of the gate is seen to
 * refuse. A few buy before, from an account of the drill, what then falls in price. A service that lags or a price that is stale is waited out.
 */
export class Drill {
  readonly #parts: DrillParts;
  readonly #refused = new Set<string>();
  readonly #running: Promise<void>;
  /** What the falling asset is quoted at. */
  #price: string = falling.from;
  #asked = 0;
  #entered = 0;
  #over = false;

  constructor(parts: DrillParts) {
    this.#parts = parts;
    this.#running = this.#run().catch(() => {});
  }

  /** Codes that have been seen, of all that are tried. */
  get shown(): string {
    return `${this.#refused.size} of ${drillCases.length}`;
  }

  /** What is not shown by now is not shown any more. */
  async ended(): Promise<Check> {
    this.#over = true;
    await this.#running;
    const missing = drillCases.filter(({ code }) => !this.#refused.has(code)).map(({ code }) => code);
    const detail = missing.length === 0 ? `${this.shown} codes` : `not: ${missing.join(", ")}`;
    return { what: "checks of the gate refuse", ok: missing.length === 0, detail };
  }

  get #ends(): boolean {
    return this.#over || this.#parts.signal.aborted;
  }

  async #run(): Promise<void> {
    const quotes = setInterval(() => this.#quote(), quoteMs);
    this.#parts.signal.addEventListener("abort", () => clearInterval(quotes), { once: true });
    await this.#prepare();
    const fallen = this.#fall().catch(() => {});
    while (!this.#ends && this.#refused.size < drillCases.length) {
      for (const one of drillCases) {
        if (this.#ends || this.#refused.has(one.code)) continue;
        if (await this.#shows(one).catch(() => false)) this.#refused.add(one.code);
      }
      await wait(betweenMs, this.#parts.signal);
    }
    await fallen;
  }

  #quote(): void {
    const { bus, model } = this.#parts;
    const say = (asset: string, source: string, price: string): void => {
      bus.publish(bus.names.subjects.quote(source, asset), { price, t: model.t });
    };
    say(calm.asset, calm.source, calm.price);
    say(falling.asset, falling.source, this.#price);
    if (!model.marks.has(fading.instrument)) say(fading.asset, fading.source, fading.price);
  }

  async #prepare(): Promise<void> {
    for (const { code, calm: more } of drillCases) {
      const account = drillAccount(code);
      await this.#pay(account, money);
      if (more !== undefined) await this.#pay(account, more, calm.asset);
    }
    await this.#pay(maker, muchMoney);
    const account = drillAccount("halted");
    await this.#enter([account], { k: "halt", scope: "account", id: account, state: "paused", reason: "drill" });
  }

  #pay(account: string, amount: string, asset = "USDT"): Promise<void> {
    return this.#enter([account], { k: "cash", account, asset, amount });
  }

  /** To the shards of the accounts; without any: to every shard. */
  async #enter(accounts: readonly string[], body: EntryBody): Promise<void> {
    const { db, model, shards } = this.#parts;
    const to = accounts.length === 0 ? shards : accounts.map((one) => shardOf(one, shards));
    this.#entered += 1;
    for (const shard of to)
      await enqueueEntry(db, { source: sources.operator, shard, key: `drill-${this.#entered}`, body, t: model.t });
  }

  /** Lets those who shall lose something buy it, pauses its instrument, lets it fall, and saves whom it liquidates. */
  async #fall(): Promise<void> {
    const holders = drillCases.filter(({ holds }) => holds !== undefined);
    const total = Rational.sum(holders.map(({ holds }) => Rational.parse(holds ?? "0"))).toStringDown();
    const { instrument } = falling;
    await this.#until(() =>
      this.#buys({ account: maker, instrument, side: "sell", qty: total, price: "1" }, "resting"),
    );
    for (const { code, holds = "0" } of holders)
      await this.#until(() =>
        this.#buys(
          { account: drillAccount(code), instrument, side: "buy", qty: holds, price: "1", ioc: true },
          "filled",
        ),
      );
    const halt = { k: "halt", scope: "instrument", id: instrument, reason: "drill" } as const;
    await this.#enter([], { ...halt, state: "paused" });
    const order = { id: "o-1", instrument, side: "buy", qty: "50", price: "1" } as const;
    await this.#until(async () => (await this.#ask(maker, this.#next(), { order })).includes("halted"));
    this.#price = falling.to;
    await this.#until(() => this.#refused.has("pool_liquidating"));
    await this.#pay(drillAccount("pool_liquidating"), saving);
    await this.#enter([], { ...halt, state: "normal" });
  }

  async #until(done: () => Promise<boolean> | boolean): Promise<void> {
    for (;;) {
      if (this.#ends) throw new Error("the drill is over");
      if (await Promise.resolve(done()).catch(() => false)) return;
      await wait(betweenMs, this.#parts.signal);
    }
  }

  async #buys(order: Omit<PlaceOrder, "id">, state: TradingReply["state"]): Promise<boolean> {
    const { bus } = this.#parts;
    const placed = { ...order, id: this.#next() };
    const subject = bus.names.subjects.trading("place");
    return (await bus.request<TradingReply>(subject, placed, { timeoutMs: askWithinMs })).state === state;
  }

  /** Whether the last question of a case is refused with its code, and those before it were not in its way. */
  async #shows(one: Case): Promise<boolean> {
    const mark = this.#parts.model.marks.get(drillInstrument);
    if (mark === undefined) return false;
    const price = drillPrice(mark.price);
    return one.whileLocked === true ? this.#showsLocked(one, price) : this.#showsOnce(one, price);
  }

  async #showsOnce({ code, asks, sameRequest = false }: Case, price: string): Promise<boolean> {
    let codes: readonly string[] = [];
    const first = this.#next();
    for (const ask of asks(price)) codes = await this.#ask(drillAccount(code), sameRequest ? first : this.#next(), ask);
    return codes.includes(code);
  }

  /** Nobody can write the journal meanwhile, so that commits lag. */
  async #showsLocked(one: Case, price: string): Promise<boolean> {
    return this.#parts.db.transaction(async (client) => {
      await client.query({ text: "LOCK TABLE journal IN SHARE MODE" });
      for (const end = performance.now() + lockedMs; performance.now() < end;) {
        if (await this.#showsOnce(one, price)) return true;
        await wait(betweenMs, this.#parts.signal);
      }
      return false;
    });
  }

  #next(): string {
    this.#asked += 1;
    return `drill-${this.#asked}`;
  }

  /** Every reason that is given, those of checks in shadow among them. */
  async #ask(account: string, request: string, ask: Ask): Promise<readonly string[]> {
    const { bus, shards } = this.#parts;
    const [verb, body] = questionOf(account, ask);
    const subject = bus.names.subjects.rpc(shardOf(account, shards), verb);
    const answer = await bus.request<Decision | BatchDecision>(
      subject,
      { request, ...body },
      { timeoutMs: askWithinMs },
    );
    return ("results" in answer ? answer.results : [answer]).flatMap(({ codes, shadow = [] }) => [...codes, ...shadow]);
  }
}

function questionOf(account: string, ask: Ask): readonly [RpcVerb, object] {
  if ("order" in ask) return ["check", { account, ...ask }];
  if ("amend" in ask) return ["amend", { account, order: ask.amend, qty: ask.qty }];
  if ("index" in ask) return ["what-if", { account, ...ask }];
  return ["batch", { mode: ask.mode, orders: ask.batch.map((order) => ({ account, order })) }];
}
