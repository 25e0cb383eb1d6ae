import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection } from "nats";
import { amount, least, units } from "./decimal.ts";
import { Blocks } from "./facts.ts";
import { type Approval, ask, type Order } from "./pre-trade.ts";
import { type Close, type Effect, isOf, openOrders, serveRisk, worstPrice } from "./risk-side.ts";
import { type Body, Sequence } from "./sequence.ts";

/*
 * A gateway before an exchange that knows nothing of margin. What it needs of the exchange's API:
 *
 *   POST   /orders {account, id, instrument, side, qty, price?, reduceOnly?, ioc?}   an id that is known is not placed again
 *   DELETE /orders/<account>[/<id>]     → {last}: number of the last execution that came of it
 *   GET    /depth?instrument=&side=&limit=  → {qty}: what a taker of that side would meet
 *   GET    /executions?after=<n>        → what happened, numbered from 1 without gaps, oldest first
 */
export interface Execution {
  readonly n: number;
  /** `open`: the order rests with `qty`. `done`: nothing of it is left to trade; `qty` of it did not (0: it has filled). */
  readonly kind: "trade" | "open" | "done";
  readonly account: string;
  readonly order: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price: string;
  readonly trade?: string;
  readonly liquidity?: "maker" | "taker";
}

export interface GatewayOptions {
  readonly nats: NatsConnection;
  readonly shard: string;
  readonly exchangeUrl: string;
  readonly journal: string;
}

export interface Forwarded {
  readonly state: "forwarded" | "refused" | "unknown";
  readonly codes: readonly string[];
}

/** What is remembered: approvals before an order is forwarded, closings, and the executions that have been taken in. */
interface Note {
  readonly approved?: Approval & { readonly key: string };
  readonly closing?: Close;
  readonly executions?: number;
  readonly filled?: readonly Execution[];
}

const idleMs = 20;
const lot = units("0.001");

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #sequence: Sequence;
  readonly #epochs = new Map<string, number>();
  readonly #blocks: Blocks;
  /** Of orders that have not been told as resting or gone yet. */
  readonly #approvals = new Map<string, Approval>();
  readonly #closings = new Map<string, { readonly effect: Close; readonly fills: Execution[] }>();
  readonly #side: { stop(): void };
  readonly #reading: Promise<void>;
  #executions = 0;
  #stopped = false;

  constructor(options: GatewayOptions) {
    const { nats, shard, journal } = options;
    this.#options = options;
    this.#sequence = new Sequence(nats, shard, journal);
    this.#blocks = new Blocks(this.#sequence);
    for (const note of this.#sequence.notes) this.#remember(note as Note);
    for (const entry of this.#sequence.entries) this.#settle(entry);
    this.#side = serveRisk(nats, this.#sequence, this.#epochs, (effect) => this.#carryOut(effect));
    this.#reading = this.#readExecutions();
  }

  /** What risk does not approve in time never reaches the exchange. */
  async place(account: string, order: Order & { readonly ioc?: boolean }): Promise<Forwarded> {
    const { nats, shard } = this.#options;
    const { ioc = false, ...asked } = order;
    const question = { account, order: asked };
    const answer = await ask(nats, { shard, verb: "check", question, request: randomUUID() }, this.#epochs);
    if (!answer.ok) return { state: "refused", codes: answer.codes };
    this.#write([], { approved: { key: `${account} ${order.id}`, ...answer.approval } });
    const left = Math.floor(answer.usableUntil - performance.now());
    const why = this.#blocks.has(account) ? "pool_liquidating" : left <= 0 ? "approval_expired" : null;
    if (why !== null) return this.#giveBack(account, order.id, why);
    const response = await this.#call("POST", "/orders", { account, ...asked, ...(ioc ? { ioc } : {}) }, left);
    // It may have arrived: what became of it the executions tell, and a reservation ends by itself.
    if (response === null || response.status >= 500) return { state: "unknown", codes: ["exchange_outcome_unknown"] };
    return response.ok
      ? { state: "forwarded", codes: [] }
      : this.#giveBack(account, order.id, `exchange_${response.status}`);
  }

  /** Cancels ask nobody. */
  async cancel(account: string, id: string): Promise<void> {
    await this.#call("DELETE", `/orders/${account}/${id}`);
  }

  /** Blocks end with their sagas, which the facts say. */
  async followFacts(): Promise<{ stop(): void }> {
    return this.#blocks.follow(this.#options.nats);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#side.stop();
    await this.#reading;
    await this.#sequence.published();
  }

  #giveBack(account: string, id: string, code: string): Forwarded {
    const approval = this.#approvals.get(`${account} ${id}`);
    if (approval !== undefined) this.#write([{ k: "cancel", account, id, request: approval.request }]);
    return { state: "refused", codes: [code] };
  }

  #write(bodies: readonly Body[], note: Note | null = null): void {
    this.#sequence.write(bodies, note);
    if (note !== null) this.#remember(note);
    for (const body of bodies) this.#settle(body);
  }

  #remember({ approved, closing, executions, filled = [] }: Note): void {
    if (approved !== undefined) {
      const { key, ...approval } = approved;
      this.#approvals.set(key, approval);
    }
    if (closing !== undefined) this.#closings.set(closing.id, { effect: closing, fills: [] });
    if (executions !== undefined) this.#executions = executions;
    for (const fill of filled) this.#closings.get(fill.order)?.fills.push(fill);
  }

  /** An approval has ended with the entry that says so. */
  #settle(entry: Body): void {
    if (entry.k === "order" || entry.k === "cancel")
      this.#approvals.delete(`${String(entry["account"])} ${String(entry["id"])}`);
    if (entry.k === "closed") this.#closings.delete(String(entry["effect"]));
  }

  // The exchange's executions become entries; their place is remembered in the same line of the journal.

  async #readExecutions(): Promise<void> {
    while (!this.#stopped) {
      const response = await this.#call("GET", `/executions?after=${this.#executions}`);
      const executions = response?.ok === true ? ((await response.json()) as Execution[]) : [];
      for (const execution of executions) this.#took(execution);
      if (executions.length === 0) await delay(idleMs);
    }
  }

  #took(execution: Execution): void {
    const { n: executions, kind, order, account } = execution;
    const closing = this.#closings.get(order)?.effect.account === account;
    if (!closing) {
      this.#write(this.#entriesOf(execution), { executions });
      if (kind === "done") this.#approvals.delete(`${account} ${order}`);
      return;
    }
    // The closed account's own half is told by `closed`, in one with all others.
    this.#write([], { executions, filled: kind === "trade" ? [execution] : [] });
  }

  #entriesOf({ kind, account, order: id, instrument, side, qty, price, trade, liquidity }: Execution): Body[] {
    const approval = this.#approvals.get(`${account} ${id}`);
    const request = approval === undefined ? {} : { request: approval.request };
    if (kind === "trade") {
      const taker = liquidity === "taker" ? request : {};
      return [{ k: "fill", trade, account, instrument, side, qty, price, liquidity, order: id, ...taker }];
    }
    if (kind === "open")
      return [
        { k: "order", account, id, instrument, side, qty, price, ...(approval === undefined ? {} : { approval }) },
      ];
    return units(qty) === 0n ? [] : [{ k: "cancel", account, id, ...request }];
  }

  // Commands of the risk backend, carried out by the same API.

  async #carryOut(effect: Exclude<Effect, { effect: "cancel" }>): Promise<void> {
    if (effect.effect === "close") return this.#close(effect);
    if (effect.effect === "cancel_all") return this.#cancelAll(effect);
    const { account, id } = effect;
    if (effect.effect === "block") this.#blocks.block(account, effect.saga);
    const order = effect.effect === "block" ? "" : `/${effect.order}`;
    await this.#caughtUp(await this.#call("DELETE", `/orders/${account}${order}`));
    this.#write([{ k: effect.effect === "block" ? "blocked" : "withdrawn", effect: id }]);
  }

  /** One by one what the sequence knows to rest; what is placed meanwhile was asked about after the halt, and refused. */
  async #cancelAll(effect: Extract<Effect, { effect: "cancel_all" }>): Promise<void> {
    const gone = [...openOrders(this.#sequence.entries).values()].filter((order) => isOf(effect, order));
    for (const { account, id } of gone) await this.#caughtUp(await this.#call("DELETE", `/orders/${account}/${id}`));
    this.#write([{ k: "cancelled", effect: effect.id, orders: gone.length }]);
  }

  async #close(effect: Close): Promise<void> {
    const { id, account, instrument, side, depthShare, whenDeep } = effect;
    const price = worstPrice(effect);
    if (!this.#closings.has(id)) this.#write([], { closing: effect });
    const depth = await this.#depth(instrument, side, price);
    const share = depthShare === null ? depth : (depth * units(depthShare)) / units("1");
    const qty = whenDeep && depth < units(effect.qty) ? 0n : (least(units(effect.qty), share) / lot) * lot;
    const order = { account, id, instrument, side, qty: amount(qty), ...(price === null ? {} : { price }), ioc: true };
    if (qty > 0n) await this.#caughtUp(await this.#call("POST", "/orders", order));
    const exhausted = (await this.#depth(instrument, side, null)) === 0n;
    const fills = (this.#closings.get(id)?.fills ?? []).map(({ qty: filled, price: at, trade }) => ({
      qty: filled,
      price: at,
      trade,
    }));
    this.#write([{ k: "closed", effect: id, fills, exhausted }]);
  }

  /** An outcome stands behind all entries that led to it. */
  async #caughtUp(response: Response | null): Promise<void> {
    // Told again by the risk backend, the effect is tried again under the same id.
    if (response?.ok !== true) throw new Error("the exchange has not said what became of it");
    const { last } = (await response.json()) as { last: number };
    while (this.#executions < last && !this.#stopped) await delay(idleMs);
  }

  async #depth(instrument: string, side: string, limit: string | null): Promise<bigint> {
    const within = limit === null ? "" : `&limit=${limit}`;
    const response = await this.#call("GET", `/depth?instrument=${instrument}&side=${side}${within}`);
    return response?.ok === true ? units(((await response.json()) as { qty: string }).qty) : 0n;
  }

  async #call(method: string, path: string, body?: object, timeoutMs = 2_000): Promise<Response | null> {
    const content =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const signal = AbortSignal.timeout(timeoutMs);
    return fetch(`${this.#options.exchangeUrl}${path}`, { method, signal, ...content }).catch(() => null);
  }

  /** What rests, as the risk backend knows it. */
  get openOrders(): number {
    return openOrders(this.#sequence.entries).size;
  }
}
