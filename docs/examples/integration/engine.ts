import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { amount, least, units } from "./decimal.ts";
import { Blocks } from "./facts.ts";
import { type Answer, type Approval, ask, type Order } from "./pre-trade.ts";
import { type Close, type Effect, isOf, openOrders, type OpenOrder, serveRisk, worstPrice } from "./risk-side.ts";
import { type Body, Sequence } from "./sequence.ts";

export type Reply =
  | { readonly state: "resting" | "filled" | "cancelled" }
  | { readonly state: "refused"; readonly codes: readonly string[] };

interface Resting extends OpenOrder {
  readonly price: string;
}
/** Quantities are multiples of it. */
const lot = units("0.001");

/** A quantity of a taker that meets an order. */
interface Match {
  readonly maker: Resting;
  readonly qty: bigint;
  readonly trade: string;
}

/**
 * A matching engine as the caller of the risk backend, as small as it can be: limit orders by price and time, everything of it
 * derived from its own journal. `apps/venue` is the same with everything that an exchange needs.
 */
export class Engine {
  readonly #nats: NatsConnection;
  readonly #sequence: Sequence;
  readonly #epochs = new Map<string, number>();
  readonly #blocks: Blocks;
  readonly #side: { stop(): void };

  constructor(nats: NatsConnection, shard: string, journal: string) {
    this.#nats = nats;
    this.#sequence = new Sequence(nats, shard, journal);
    this.#blocks = new Blocks(this.#sequence);
    this.#side = serveRisk(nats, this.#sequence, this.#epochs, (effect) => this.#carryOut(effect));
  }

  /** An order with a price. */
  async place(account: string, order: Order & { readonly price: string }): Promise<Reply> {
    const answer = await this.#ask("check", { account, order });
    if (!answer.ok) return { state: "refused", codes: answer.codes };
    // From here to the journal nothing waits: the approval cannot run out, and nothing changes on the way.
    const { approval } = answer;
    const request = { request: approval.request };
    if (this.#blocks.has(account)) {
      // Approved before the block: what is not used is given back.
      this.#sequence.write([{ k: "cancel", account, id: order.id, ...request }]);
      return { state: "refused", codes: ["pool_liquidating"] };
    }
    const { bodies, left } = this.#match({ account, ...order }, request);
    if (left > 0n) bodies.push(orderEntry({ account, ...order, qty: amount(left) }, approval));
    this.#sequence.write(bodies);
    return { state: left > 0n ? "resting" : "filled" };
  }

  /** Another open quantity or price. What it crosses it trades at once; what is left goes behind the others of its price. */
  async amend(account: string, id: string, change: { readonly qty?: string; readonly price?: string }): Promise<Reply> {
    const answer = await this.#ask("amend", { account, order: id, ...change });
    if (!answer.ok) return { state: "refused", codes: answer.codes };
    const order = this.#orders.get(`${account} ${id}`);
    const request = { request: answer.approval.request };
    const giveBack: Body = { k: "cancel", account, id, ...request };
    if (order === undefined) {
      this.#sequence.write([giveBack]);
      return { state: "refused", codes: ["order_unknown"] };
    }
    const next = { ...order, ...change };
    const { bodies, left } = this.#match(next, request);
    bodies.push(left > 0n ? orderEntry({ ...next, qty: amount(left) }, answer.approval) : giveBack);
    this.#sequence.write(bodies);
    return { state: left > 0n ? "resting" : "filled" };
  }

  /** Cancels ask nobody. */
  cancel(account: string, id: string): Reply {
    if (!this.#orders.has(`${account} ${id}`)) return { state: "refused", codes: ["order_unknown"] };
    this.#sequence.write([{ k: "cancel", account, id }]);
    return { state: "cancelled" };
  }

  /** What the accounts of the slots `from` to `to` hold, all as of this place of the sequence. */
  attest(from = 0, to = 4096): void {
    this.#sequence.write([{ k: "attest", from, to, positions: positionsOf(this.#sequence) }]);
  }

  /** Blocks end with their sagas, which the facts say. */
  async followFacts(): Promise<{ stop(): void }> {
    return this.#blocks.follow(this.#nats);
  }

  async published(): Promise<void> {
    await this.#sequence.published();
  }

  stop(): void {
    this.#side.stop();
  }

  get #orders(): Map<string, Resting> {
    return openOrders(this.#sequence.entries) as Map<string, Resting>;
  }

  async #ask(verb: "check" | "amend", question: object): Promise<Answer> {
    const { shard } = this.#sequence;
    return ask(this.#nats, { shard, verb, question: question as never, request: randomUUID() }, this.#epochs);
  }

  /** Fills against what stands there; both halves of a trade carry its id. */
  #match(
    taker: { account: string; id: string } & Pick<Order, "instrument" | "side" | "qty"> & { price: string },
    request: object,
  ) {
    const { account, id, instrument, side } = taker;
    const { matches, left } = this.#meet({ instrument, side, limit: taker.price, qty: units(taker.qty), account });
    const bodies: Body[] = matches.flatMap((match) => {
      const common = { trade: match.trade, instrument, qty: amount(match.qty), price: match.maker.price };
      return [makerFill(match), { k: "fill", account, side, ...common, liquidity: "taker", order: id, ...request }];
    });
    return { bodies, left };
  }

  /** Price first, then time; an order does not meet its own account. */
  #meet(taker: { instrument: string; side: "buy" | "sell"; limit: string | null; qty: bigint; account: string }) {
    const { instrument, side, limit, account } = taker;
    const better = side === "buy" ? 1 : -1;
    const against = [...this.#orders.values()]
      .filter((one) => one.instrument === instrument && one.side !== side && one.account !== account)
      .filter(
        ({ price }) => limit === null || (side === "buy" ? units(price) <= units(limit) : units(price) >= units(limit)),
      )
      .sort((left, right) =>
        units(left.price) < units(right.price) ? -better : units(left.price) > units(right.price) ? better : 0,
      );
    const matches: Match[] = [];
    let left = taker.qty;
    for (const maker of against) {
      const qty = least(left, units(maker.qty));
      if (qty === 0n) break;
      matches.push({ maker, qty, trade: `t-${this.#sequence.lastSeq}-${matches.length}` });
      left -= qty;
    }
    return { matches, left, seen: against.reduce((sum, { qty }) => sum + units(qty), 0n) };
  }

  #carryOut(effect: Exclude<Effect, { effect: "cancel" }>): void {
    if (effect.effect === "close") return this.#close(effect);
    if (effect.effect === "block") this.#blocks.block(effect.account, effect.saga);
    const gone = [...this.#orders.values()].filter((order) => {
      if (effect.effect === "cancel_all") return isOf(effect, order);
      return order.account === effect.account && (effect.effect === "block" || order.id === effect.order);
    });
    const cancels = gone.map(({ account, id }): Body => ({ k: "cancel", account, id }));
    const outcome = { block: "blocked", withdraw: "withdrawn", cancel_all: "cancelled" }[effect.effect];
    const count = effect.effect === "cancel_all" ? { orders: gone.length } : {};
    this.#sequence.write([...cancels, { k: outcome, effect: effect.id, ...count }]);
  }

  /** Immediate or cancel. The makers' halves are fills; the account's own half is the one `closed`. */
  #close(effect: Close): void {
    const { id, account, instrument, side, limit, depthShare, whenDeep } = effect;
    const seen = (within: string | null): bigint =>
      this.#meet({ instrument, side, limit: within, account, qty: 0n }).seen;
    const worst = worstPrice(effect);
    const depth = seen(limit);
    const share = depthShare === null ? depth : (depth * units(depthShare)) / units("1");
    const shallow = whenDeep && depth < units(effect.qty);
    const qty = shallow ? 0n : (least(units(effect.qty), share) / lot) * lot;
    const { matches } = this.#meet({ instrument, side, limit: worst, account, qty });
    const fills = matches.map((match) => ({ qty: amount(match.qty), price: match.maker.price, trade: match.trade }));
    const filled = matches.reduce((sum, match) => sum + match.qty, 0n);
    const closed = { k: "closed", effect: id, fills, exhausted: seen(null) === filled };
    this.#sequence.write([...matches.map(makerFill), closed], { closing: id, account, instrument, side });
  }
}

const makerFill = ({ maker, qty, trade }: Match): Body => {
  const { account, instrument, side, price, id } = maker;
  return { k: "fill", trade, account, instrument, side, qty: amount(qty), price, liquidity: "maker", order: id };
};

function orderEntry(order: Order & { readonly account: string; readonly price: string }, approval: Approval): Body {
  const { account, id, instrument, side, qty, price, reduceOnly } = order;
  return { k: "order", account, id, instrument, side, qty, price, ...(reduceOnly ? { reduceOnly } : {}), approval };
}

/** Signed contracts by account and instrument. */
function positionsOf({ entries, notes }: Sequence): [string, string, string][] {
  const held = new Map<string, bigint>();
  const trade = (account: string, instrument: string, side: string, qty: string): void => {
    const key = `${account} ${instrument}`;
    held.set(key, (held.get(key) ?? 0n) + (side === "buy" ? units(qty) : -units(qty)));
  };
  const closings = notes as readonly { closing?: string; account: string; instrument: string; side: string }[];
  for (const entry of entries) {
    const { account, instrument, side, qty, effect, fills } = entry as unknown as FillEntry & ClosedEntry;
    if (entry.k === "fill") trade(account, instrument, side, qty);
    if (entry.k !== "closed") continue;
    const closing = closings.find((one) => one.closing === effect);
    if (closing !== undefined)
      for (const fill of fills) trade(closing.account, closing.instrument, closing.side, fill.qty);
  }
  return [...held].flatMap(([key, qty]): [string, string, string][] => {
    const [account = "", instrument = ""] = key.split(" ");
    return qty === 0n ? [] : [[account, instrument, amount(qty)]];
  });
}
type FillEntry = Readonly<Record<"account" | "instrument" | "side" | "qty", string>>;
type ClosedEntry = { readonly effect: string; readonly fills: readonly { readonly qty: string }[] };
