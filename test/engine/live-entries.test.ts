import { expect, test } from "vitest";
import type { Effect, Entry, EntryBody, Fact } from "#libs/contracts/log.ts";
import { slotOf } from "#libs/contracts/live/shards.ts";
import { Engine } from "#libs/engine/index.ts";
import { rules } from "#test/support/exchange.ts";

/** A shard behind a matching engine: what it says, and what the engine answers. */
class Shard {
  readonly engine = Engine.create(rules({ liquidity: "none" }), { venue: "matching" });
  readonly facts: Fact[] = [];
  readonly effects: Effect[] = [];
  #seq = 0;
  #t = 1;

  constructor(...accounts: readonly string[]) {
    this.say({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" }, quality: { X: "good" } });
    for (const account of accounts) this.say({ k: "cash", account, asset: "USDT", amount: "1000" });
  }

  say(body: EntryBody, t = this.#t): readonly Fact[] {
    this.#t = t;
    this.#seq += 1;
    const entry = { ...body, t, source: "venue", sourceSeq: this.#seq } as Entry;
    const { facts, effects } = this.engine.apply(entry);
    this.facts.push(...facts);
    this.effects.push(...effects);
    return facts;
  }

  /** Both halves of a trade at 100 unless said otherwise. */
  trade(trade: string, buyer: string, seller: string, qty: string, price = "100"): void {
    this.half(trade, buyer, "buy", qty, price);
    this.half(trade, seller, "sell", qty, price);
  }

  half(trade: string, account: string, side: "buy" | "sell", qty: string, price = "100"): void {
    const body = { k: "fill", trade, account, instrument: "X", side, qty, price } as const;
    this.say({ ...body, liquidity: "taker", order: `${account}-${trade}` });
  }

  qty(account: string): string {
    return this.engine.account(account).positions.find((one) => one.instrument === "X")?.qty ?? "0";
  }

  holds(): void {
    const { ok } = {
      ok: Object.values(this.engine.invariants()).every((one) => typeof one !== "string" || one === "not applicable"),
    };
    expect(ok).toBe(true);
  }
}

const approval = { request: "r-1", epoch: 1, until: 10 };

test("ORD-12 an order that rests is booked as it comes, flagged where it came late or unasked, and then to be withdrawn", () => {
  const shard = new Shard("alice");
  const order = { k: "order", account: "alice", instrument: "X", side: "buy", qty: "1", price: "90" } as const;
  const [good] = shard.say({ ...order, id: "good", approval }, 5);
  expect(good).toMatchObject({ fact: "order.booked", late: false, unapproved: false });
  expect(shard.effects).toEqual([]);
  const [late] = shard.say({ ...order, id: "late", approval }, 11);
  expect(late).toMatchObject({ fact: "order.booked", late: true });
  const [unasked] = shard.say({ ...order, id: "unasked" }, 12);
  expect(unasked).toMatchObject({ fact: "order.booked", unapproved: true });
  expect(shard.effects.map((one) => (one.effect === "withdraw" ? one.order : one.effect))).toEqual(["late", "unasked"]);
  expect(shard.engine.account("alice").orders.map((one) => one.id)).toEqual(["good", "late", "unasked"]);
});

test("ORD-12 more than the account could pay for is booked all the same, and a half fill takes from the order it belongs to", () => {
  const shard = new Shard("alice", "bob");
  const order = { k: "order", account: "alice", instrument: "X", side: "buy", price: "100" } as const;
  shard.say({ ...order, id: "alice-t1", qty: "5000", approval }, 5);
  shard.half("t1", "alice", "buy", "2000");
  expect(shard.engine.account("alice").orders[0]?.qty).toBe("3000");
  expect(shard.qty("alice")).toBe("2000");
});

test("ORD-13 what the engine cancels by itself is withdrawn at the matching engine, once, and stays open until it says so", () => {
  const shard = new Shard("alice", "bob");
  shard.trade("t1", "alice", "bob", "4");
  const order = { k: "order", account: "alice", instrument: "X", side: "sell", qty: "4", price: "110" } as const;
  shard.say({ ...order, id: "cover", reduceOnly: true, approval }, 5);
  shard.trade("t2", "bob", "alice", "3");
  const open = shard.engine.openEffects();
  expect(open).toMatchObject([{ effect: "withdraw", account: "alice", order: "cover" }]);
  shard.say({ k: "withdrawn", effect: open[0]?.id ?? "" });
  expect(shard.engine.openEffects()).toEqual([]);
  expect(shard.engine.account("alice").orders).toEqual([]);
  const [again] = shard.say({ k: "withdrawn", effect: open[0]?.id ?? "" });
  expect(again?.fact).toBe("outcome.ignored");
});

test("LIQ-28 what a closing order fills after its answer is booked as ordinary halves; the same answer again books nothing", () => {
  const shard = new Shard("alice", "bob");
  shard.trade("t1", "alice", "bob", "100");
  shard.say({ k: "frame", mark: { X: "94" } });
  const block = shard.engine.openEffects().find((one) => one.effect === "block");
  shard.say({ k: "blocked", effect: block?.id ?? "" });
  const close = shard.engine.openEffects().find((one) => one.effect === "close");
  expect(close).toBeDefined();
  const fill = { qty: "10", price: "94", trade: "c1" };
  shard.say({ k: "closed", effect: close?.id ?? "", fills: [fill], exhausted: true });
  shard.half("c1", "bob", "buy", "10", "94");
  expect(shard.qty("alice")).toBe("90");
  shard.say({ k: "closed", effect: close?.id ?? "", fills: [fill], exhausted: true });
  expect(shard.qty("alice")).toBe("90");
  shard.say({ k: "closed", effect: close?.id ?? "", fills: [{ ...fill, trade: "c2" }], exhausted: true });
  shard.half("c2", "bob", "buy", "10", "94");
  expect(shard.qty("alice")).toBe("80");
  shard.holds();
});

test("INV-11 positions that the matching engine attests are compared with the book, and every difference is named", () => {
  const shard = new Shard("alice", "bob");
  shard.trade("t1", "alice", "bob", "4");
  const all = { k: "attest", from: 0, to: 4096 } as const;
  const [same] = shard.say({
    ...all,
    positions: [
      ["alice", "X", "4"],
      ["bob", "X", "-4"],
    ],
  });
  expect(same).toMatchObject({ fact: "positions.attested", accounts: 2 });
  const [other] = shard.say({
    ...all,
    positions: [
      ["alice", "X", "5"],
      ["carol", "X", "1"],
    ],
  });
  expect(other).toMatchObject({
    fact: "positions.differ",
    count: 3,
    differences: [
      { account: "alice", instrument: "X", venue: "5", engine: "4" },
      { account: "bob", instrument: "X", venue: "0", engine: "-4" },
      { account: "carol", instrument: "X", venue: "1", engine: "0" },
    ],
  });
  const slot = slotOf("alice");
  const [part] = shard.say({ k: "attest", from: slot, to: slot + 1, positions: [["alice", "X", "4"]] });
  expect(part?.fact).toBe("positions.attested");
});

test("HEALTH-18 losses of a session are measured from what an account was worth, deposits aside", () => {
  const shard = new Shard("alice", "bob");
  shard.trade("t1", "alice", "bob", "4");
  const [opened] = shard.say({ k: "session", session: "day", start: 1 });
  expect(opened).toMatchObject({ fact: "session.opened", remaining: 0 });
  shard.say({ k: "frame", mark: { X: "98" } });
  expect(shard.engine.sessionLoss("alice").day?.loss).toBe("8");
  shard.say({ k: "cash", account: "alice", asset: "USDT", amount: "500" });
  expect(shard.engine.sessionLoss("alice").day?.loss).toBe("8");
  expect(shard.engine.sessionLoss("bob").day?.loss).toBe("-8");
  expect(shard.engine.sessionLoss("alice").week).toBeNull();
});

test("FUND-07 POS-17 a payment between the halves of a trade passes from clearing to the party that came second", () => {
  const shard = new Shard("alice", "bob");
  shard.half("t1", "alice", "buy", "4");
  shard.say({ k: "funding", instrument: "X", rate: "0.01" });
  shard.half("t1", "bob", "sell", "4");
  shard.say({ k: "settle", instrument: "X" });
  expect(shard.engine.account("alice").cash["USDT"]).toBe("996");
  expect(shard.engine.account("bob").cash["USDT"]).toBe("1004");
  shard.holds();
});

test("INV-09 what is refused keeps its number, so that the next of its producer is no gap", () => {
  const shard = new Shard("alice");
  const entry = {
    k: "cash",
    account: "alice",
    asset: "NONE",
    amount: "1",
    t: 2,
    source: "operator",
    sourceSeq: 1,
  } as const;
  expect(() => shard.engine.apply(entry)).toThrow("unknown_asset");
  const { facts } = shard.engine.apply({
    k: "refused",
    of: "cash",
    code: "unknown_asset",
    what: "NONE",
    t: 2,
    source: "operator",
    sourceSeq: 1,
  });
  expect(facts).toMatchObject([{ fact: "entry.refused", of: "cash", source: "operator", sourceSeq: 1 }]);
  const next = shard.engine.apply({ ...entry, asset: "USDT", sourceSeq: 2 });
  expect(next.facts.map((one) => one.fact)).toContain("cash.deposited");
});
