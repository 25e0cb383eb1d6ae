import fc from "fast-check";
import { expect, test } from "vitest";
import { Gate } from "#libs/engine/index.ts";
import { perpetual, rules, TestExchange } from "#test/support/exchange.ts";
import { propertyOptions } from "#test/support/property.ts";

const accounts = ["alice", "bob", "carol"] as const;
const owned: readonly string[] = ["alice", "bob"];
const most = { position: 12, gross: 2600, net: 1500, orders: 14, own: 9 } as const;
const document = rules({
  instruments: [perpetual({ tiers: [] }), perpetual({ id: "Y", base: "ETH", tiers: [] })],
  assets: [{ id: "USDT", quantum: "0.01" }, { id: "BTC" }, { id: "ETH", slices: [{ weight: "0" }] }],
  entities: { desk: { accounts: [...owned] } },
  accounts: { alice: { limits: { maxPosition: String(most.own) } } },
  limits: {
    maxPosition: String(most.position),
    maxGrossUsd: String(most.gross),
    maxNetUsd: String(most.net),
    ordersPerDay: most.orders,
  },
});

interface Live {
  readonly id: string;
  readonly account: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  qty: number;
  rests: boolean;
  told: boolean;
}

/** The same limits in plain numbers, from everything that was ever said: no sum is kept from one question to the next. */
class Plain {
  readonly live: Live[] = [];
  readonly held = new Map<string, number>();
  /** Accounts of the orders that have rested or traded. */
  readonly told: string[] = [];

  tell(one: Live): void {
    if (!one.told) this.told.push(one.account);
    one.told = true;
  }

  #of(account: string): string[] {
    return owned.includes(account) ? [...owned] : [account];
  }

  #reach(account: string, instrument: string, side: "buy" | "sell", more: readonly Live[]): number {
    const own = [...this.live, ...more].filter(
      (one) => one.account === account && one.instrument === instrument && one.side === side,
    );
    const all = own.reduce((sum, one) => sum + one.qty, 0);
    return (this.held.get(`${account} ${instrument}`) ?? 0) + (side === "buy" ? all : -all);
  }

  #net(group: readonly string[], more: readonly Live[]): number {
    const once = (side: "buy" | "sell"): number =>
      Math.abs(
        group.flatMap((one) => ["X", "Y"].map((id) => this.#reach(one, id, side, more))).reduce((a, b) => a + b),
      ) * 100;
    return Math.max(once("buy"), once("sell"));
  }

  #gross(group: readonly string[], more: readonly Live[]): number {
    const farthest = (account: string, id: string): number =>
      Math.max(
        Math.abs(this.held.get(`${account} ${id}`) ?? 0),
        ...(["buy", "sell"] as const).map((side) => Math.abs(this.#reach(account, id, side, more))),
      );
    return group.flatMap((one) => ["X", "Y"].map((id) => farthest(one, id) * 100)).reduce((a, b) => a + b);
  }

  codes(asked: Live): string[] {
    const { account, instrument, side, qty } = asked;
    const held = this.held.get(`${account} ${instrument}`) ?? 0;
    const ahead = Math.abs(this.#reach(account, instrument, side, []) - held);
    if ((side === "buy" ? held < 0 : held > 0) && ahead + qty <= Math.abs(held)) return [];
    const group = this.#of(account);
    const codes: string[] = [];
    const together = group.map((one) => this.#reach(one, instrument, side, [asked])).reduce((a, b) => a + b);
    const own = Math.abs(this.#reach(account, instrument, side, [asked]));
    if (Math.abs(together) > most.position || (account === "alice" && own > most.own)) codes.push("position_limit");
    if (this.#gross(group, [asked]) > most.gross) codes.push("gross_limit");
    const net = this.#net(group, [asked]);
    if (net > most.net && net > this.#net(group, [])) codes.push("net_limit");
    const pending = this.live.filter((one) => !one.told).map((one) => one.account);
    const placed = [...this.told, ...pending].filter((one) => group.includes(one)).length;
    if (placed >= most.orders) codes.push("orders_per_day");
    return codes;
  }
}

const step = fc.record({
  what: fc.constantFrom("ask", "ask", "ask", "rest", "fill", "cancel"),
  account: fc.constantFrom(...accounts),
  instrument: fc.constantFrom("X", "Y"),
  side: fc.constantFrom("buy", "sell"),
  qty: fc.integer({ min: 1, max: 9 }),
  which: fc.nat(),
});

test("LIM-02 LIM-25 INV-10 in any order of questions, orders, fills and cancels the gate decides limits as plain sums do", () => {
  let [accepted, refused] = [0, 0];
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 80 }), (steps) => {
      const exchange = new TestExchange(document, { venue: "matching" });
      exchange.prices({ ETH: "100" }, { Y: "100" });
      for (const account of accounts) exchange.cash(account, "1000000");
      const gate = new Gate(exchange.engine);
      const plain = new Plain();
      const say = (body: Parameters<TestExchange["apply"]>[0]): void => {
        exchange.apply(body);
        gate.applied({ ...body, t: 0 }, 0);
      };
      const rest = (one: Live): void => {
        const { account, id, instrument, side, qty } = one;
        const approval = { request: id, epoch: 1, until: 1 };
        say({ k: "order", account, id, instrument, side, qty: String(qty), price: "100", approval });
        one.rests = true;
        plain.tell(one);
      };
      steps.forEach(({ what, which, ...asked }, at) => {
        const one: Live = { ...asked, id: `o${at}`, rests: false, told: false };
        const { account, instrument, side, id } = one;
        const old = plain.live[which % Math.max(1, plain.live.length)];
        if (what === "ask") {
          const order = { id, instrument, side, qty: String(one.qty), price: "100" };
          const largest = Number(gate.whatIf({ request: "w", account, order }, 0).largest ?? "0");
          const passes = (size: number): boolean => plain.codes({ ...one, qty: size }).length === 0;
          expect(largest === 0 || passes(largest)).toBe(true);
          expect(largest === one.qty || !passes(largest + 1)).toBe(true);
          const { codes } = gate.check({ request: id, account, order }, 0);
          expect(codes).toEqual(plain.codes(one));
          if (codes.length === 0) {
            plain.live.push(one);
            accepted += 1;
          } else refused += 1;
        } else if (old === undefined) return;
        else if (what === "rest" && !old.rests) rest(old);
        else if (what === "fill") {
          const qty = Math.min(old.qty, asked.qty);
          const key = `${old.account} ${old.instrument}`;
          const more = old.rests ? {} : { request: old.id };
          say({
            k: "fill",
            trade: `t${at}`,
            account: old.account,
            instrument: old.instrument,
            side: old.side,
            qty: String(qty),
            price: "100",
            liquidity: old.rests ? "maker" : "taker",
            order: old.id,
            ...more,
          });
          plain.held.set(key, (plain.held.get(key) ?? 0) + (old.side === "buy" ? qty : -qty));
          plain.tell(old);
          old.qty -= qty;
          if (old.qty === 0) plain.live.splice(plain.live.indexOf(old), 1);
          // What an order that trades at once leaves, rests: nothing else trades in between.
          else if (!old.rests) rest(old);
        } else if (what === "cancel") {
          say({ k: "cancel", account: old.account, id: old.id, request: old.id });
          plain.live.splice(plain.live.indexOf(old), 1);
        }
      });
    }),
    propertyOptions(),
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(100);
});
