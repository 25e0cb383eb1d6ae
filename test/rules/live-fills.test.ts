import { describe, expect, test } from "vitest";
import type { EntryBody, Fact } from "#libs/contracts/log.ts";
import { EntryRefused, rowsOfAccount } from "#libs/engine/index.ts";
import { btc, perpetual, rules, usdt } from "#test/support/exchange.ts";
import { LiveLog } from "#test/support/live-run.ts";

const inverse = perpetual({ id: "I", kind: "inverse", quote: "USD", settle: "BTC" });

/** Three funded accounts, BTC, X and I at 100. */
function shard(changes: Parameters<typeof rules>[0] = {}): LiveLog {
  const live = new LiveLog(rules({ instruments: [perpetual({ multiplier: "0.1" }), inverse], ...changes }));
  live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100", I: "100" } });
  for (const account of ["a", "b", "c"]) {
    live.apply({ k: "cash", account, asset: "USDT", amount: "10000" });
    live.apply({ k: "cash", account, asset: "BTC", amount: "10000" });
  }
  return live;
}

const held = (live: LiveLog, account: string) => rowsOfAccount(live.engine.machine, account).positions;
const cash = (live: LiveLog, account: string, asset = "USDT") =>
  rowsOfAccount(live.engine.machine, account).balances.find((one) => one.asset === asset)?.amount ?? "0";

/** The code with which an entry is refused, and that nothing has changed by it. */
function refused(live: LiveLog, body: EntryBody): string {
  const before = live.engine.stateHash();
  try {
    live.apply(body);
  } catch (error) {
    expect(error).toBeInstanceOf(EntryRefused);
    expect(live.engine.stateHash()).toBe(before);
    return (error as EntryRefused).code;
  }
  return "taken";
}

const fill = (changes: Partial<EntryBody & { k: "fill" }> = {}): EntryBody => ({
  k: "fill",
  trade: "t1",
  account: "a",
  instrument: "X",
  side: "buy",
  qty: "1",
  price: "100",
  liquidity: "taker",
  order: "o1",
  ...changes,
});

describe("one half of a trade", () => {
  test("POS-17 moves clearing's cost by the buying side's value rounded up, whichever half it is", () => {
    const live = shard();
    // 0.1 · 99.999 = 9.9999: the buyer pays 10.00 and the seller gets 9.99; both halves move clearing by 10.00.
    live.half("t1", "a", "buy", "1", "99.999");
    expect(live.clearing()).toEqual(["X -1 lots, cost -1000"]);
    expect(held(live, "a")[0]?.cost).toBe("10");
    expect(cash(live, "rounding")).toBe("0");
    live.half("t1", "b", "sell", "1", "99.999");
    expect(live.clearing()).toEqual([]);
    expect(held(live, "b")[0]?.cost).toBe("-9.99");
    expect(cash(live, "rounding")).toBe("0.01");
    expect(live.broken()).toEqual([]);
  });

  test("POS-17 does so for an inverse contract, whose buying side has a negative value", () => {
    const live = shard();
    // −1 / 99.7 = −0.010030090…: up to −0.01003009; the seller's 0.010030090… up to 0.0100301.
    live.half("t1", "b", "sell", "1", "99.7", "I");
    expect(live.clearing()).toEqual(["I 1 lots, cost -1003009"]);
    live.half("t1", "a", "buy", "1", "99.7", "I");
    expect(live.clearing()).toEqual([]);
    expect(held(live, "a")[0]?.cost).toBe("-0.01003009");
    expect(held(live, "b")[0]?.cost).toBe("0.0100301");
    expect(cash(live, "rounding", "BTC")).toBe("0.00000001");
  });

  test("POS-17 of a flip rounds both legs of the party, and clearing's once", () => {
    const live = shard();
    live.trade("t1", "a", "b", "1", "100");
    // a turns from 1 long to 2 short at 99.999: legs of 9.9999 and 19.9998, each rounded against it; clearing moves by ⌈29.9997⌉.
    live.half("t2", "a", "sell", "3", "99.999");
    expect(live.clearing()).toEqual(["X 3 lots, cost 3000"]);
    expect(held(live, "a")[0]).toMatchObject({ qty: "-2", cost: "-19.99" });
    expect(cash(live, "rounding")).toBe("0.02");
    live.half("t2", "c", "buy", "3", "99.999");
    expect(live.clearing()).toEqual([]);
    expect(live.broken()).toEqual([]);
  });

  test("POS-17 does not forget two quanta that a flip for nothing leaves", () => {
    const live = shard({ instruments: [perpetual({ multiplier: "0.0001" }), inverse] });
    live.half("t1", "a", "sell", "1", "90");
    // 0.009 twice: both legs of the seller come to nothing, and clearing's to ⌈0.018⌉ = 0.02.
    live.half("t2", "b", "buy", "1", "1");
    live.half("t3", "b", "sell", "2", "90");
    expect(held(live, "b")[0]).toMatchObject({ qty: "-1", cost: "0" });
    expect(live.broken()).toEqual([]);
  });

  test("ORD-12 takes from the order it belongs to and pays the fee of its side of the book", () => {
    const live = shard({ instruments: [perpetual({ takerFee: "0.001", makerFee: "0.0002" }), inverse] });
    const approval = { request: "r", epoch: 1, until: 1 };
    live.apply({ k: "order", account: "b", id: "o", instrument: "X", side: "sell", qty: "5", price: "100", approval });
    live.apply(fill({ account: "b", side: "sell", qty: "2", order: "o", liquidity: "maker" }));
    live.apply(fill({ qty: "2" }));
    const [maker, taker] = live.of("fill");
    expect(maker).toMatchObject({ account: "b", trade: "t1", order: "o", liquidity: "maker", fee: "0.04" });
    expect(taker).toMatchObject({ account: "a", liquidity: "taker", fee: "0.2" });
    expect(live.engine.account("b").orders).toMatchObject([{ id: "o", qty: "3" }]);
    live.apply(fill({ trade: "t2", account: "b", side: "sell", qty: "3", order: "o" }));
    expect(live.engine.account("b").orders).toEqual([]);
  });

  test("POS-12 POS-17 of an isolated position that loses more than its margin leaves a deficit, never cross cash", () => {
    const live = shard();
    live.apply({ k: "fund", asset: "USDT", amount: "1000" });
    live.apply({ k: "mode", account: "a", instrument: "X", mode: "isolated", leverage: "100" });
    live.trade("t1", "a", "b", "10", "100");
    const before = cash(live, "a");
    live.half("t2", "a", "sell", "10", "50");
    expect(cash(live, "a")).toBe(before);
    expect(live.of("insurance.paid")).toHaveLength(1);
    live.half("t2", "c", "buy", "10", "50");
    expect(live.clearing()).toEqual([]);
    expect(live.broken()).toEqual([]);
  });

  test("FUND-07 a payment between two halves is the later party's, and clearing keeps none of it", () => {
    const live = shard();
    live.half("t1", "a", "buy", "10", "100");
    live.apply({ k: "funding", instrument: "X", rate: "0.01" });
    expect(live.clearing()).toEqual(["X -10 lots, cost -10000", "USDT 100"]);
    const before = cash(live, "b");
    live.half("t1", "b", "sell", "10", "100");
    expect(live.clearing()).toEqual([]);
    expect(Number(cash(live, "b")) - Number(before)).toBeCloseTo(1, 9);
    live.apply({ k: "settle", instrument: "X" });
    expect(live.broken()).toEqual([]);
    expect(live.clearing()).toEqual([]);
  });

  test("FUND-07 INV-01 what no half explains is another shard's and stays with clearing", () => {
    const live = shard();
    live.half("t1", "a", "buy", "10", "100");
    live.engine.machine.pendingHalves.clear();
    live.apply({ k: "funding", instrument: "X", rate: "-0.01" });
    live.half("t2", "b", "sell", "10", "100");
    expect(live.clearing()).toEqual(["USDT -100"]);
    expect(live.broken()).toEqual([]);
  });

  test("NUM-07 INV-09 that cannot be booked is refused before anything has changed", () => {
    const live = shard();
    live.half("t0", "a", "buy", "1", "100");
    expect(refused(live, fill({ instrument: "Z" }))).toBe("unknown_instrument");
    expect(refused(live, fill({ qty: "0.5" }))).toBe("off_lot");
    expect(refused(live, fill({ qty: "-1" }))).toBe("off_lot");
    expect(refused(live, fill({ qty: "0" }))).toBe("off_lot");
    expect(refused(live, fill({ price: "0" }))).toBe("price_not_positive");
    expect(refused(live, fill({ price: "-5" }))).toBe("price_not_positive");
    expect(refused(live, fill({ qty: `1${"0".repeat(34)}` }))).toBe("not_an_amount");
    expect(refused(live, fill({ qty: "9".repeat(20), price: "9".repeat(20) }))).toBe("out_of_range");
    expect(refused(live, fill({ account: "insurance" }))).toBe("system_account");
    expect(refused(live, { k: "cash", account: "clearing", asset: "USDT", amount: "1" })).toBe("system_account");
    expect(refused(live, { k: "transfer", from: "a", to: "house", asset: "USDT", amount: "1" })).toBe("system_account");
    // The corrected entry is no duplicate.
    expect(refused(live, fill())).toBe("taken");
  });

  test("NUM-07 an isolated position's half needs the prices that its margin is made of", () => {
    const live = new LiveLog(rules({ instruments: [perpetual()], assets: [usdt, btc] }));
    live.apply({ k: "mode", account: "a", instrument: "X", mode: "isolated" });
    expect(refused(live, fill())).toBe("price_missing");
    expect(refused(live, fill({ account: "b" }))).toBe("taken");
  });

  test("EXP-04 a half of an expired instrument is booked and what it opened settles at once", () => {
    const live = shard();
    live.half("t1", "a", "buy", "3", "100");
    live.apply({ k: "expire", instrument: "X", price: "103.337" });
    expect(held(live, "a")).toEqual([]);
    live.half("t1", "b", "sell", "3", "100");
    expect(held(live, "b")).toEqual([]);
    expect(live.clearing()).toEqual([]);
    expect(live.broken()).toEqual([]);
  });
});

/** `a` is long 10 with 110 of its own and due at a mark of 90; its liquidation waits for a closing order. */
function inLiquidation(): { live: LiveLog; effect: string } {
  const live = new LiveLog(rules({ instruments: [perpetual()] }));
  live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
  live.apply({ k: "fund", asset: "USDT", amount: "1000" });
  live.apply({ k: "cash", account: "a", asset: "USDT", amount: "110" });
  live.apply({ k: "cash", account: "b", asset: "USDT", amount: "10000" });
  live.trade("t0", "a", "b", "10", "100");
  live.apply({ k: "frame", mark: { X: "90" } });
  live.apply({ k: "blocked", effect: String(live.engine.openEffects()[0]?.id) });
  const [open] = live.engine.openEffects();
  expect(open).toMatchObject({ effect: "close", account: "a", side: "sell", qty: "10" });
  return { live, effect: String(open?.id) };
}

const steps = (live: LiveLog): Fact[] => live.of("liquidation.step");

describe("fills of a closing order", () => {
  test("POS-17 LIQ-28 are halves as well: clearing is flat when the other halves are in", () => {
    const { live, effect } = inLiquidation();
    const fills = [
      { qty: "4", price: "89.5", trade: "t1" },
      { qty: "6", price: "89.4", trade: "t2" },
    ];
    live.apply({ k: "closed", effect, fills, exhausted: false });
    expect(steps(live)).toMatchObject([{ counterparty: "clearing", qty: "4" }, { qty: "6" }]);
    expect(live.of("liquidation.ended")).toHaveLength(1);
    expect(live.clearing()).toEqual(["X 10 lots, cost 89440"]);
    live.half("t1", "b", "buy", "4", "89.5");
    live.half("t2", "b", "buy", "6", "89.4");
    expect(live.clearing()).toEqual([]);
    expect(live.broken()).toEqual([]);
  });

  test("LIQ-28 beyond the position are booked as an ordinary half, reported, and not lost", () => {
    const { live, effect } = inLiquidation();
    live.apply({ k: "closed", effect, fills: [{ qty: "12", price: "89.77", trade: "t1" }], exhausted: false });
    expect(live.of("liquidation.overfilled")).toMatchObject([{ qty: "2", price: "89.77" }]);
    expect(live.of("fill").at(-1)).toMatchObject({
      account: "a",
      side: "sell",
      qty: "2",
      reason: "overfilled",
      fee: "0",
    });
    expect(held(live, "a")[0]?.qty).toBe("-2");
    live.half("t1", "b", "buy", "12", "89.77");
    expect(live.clearing()).toEqual([]);
    expect(live.broken()).toEqual([]);
  });

  test("LIQ-28 of an answered order are booked when they are new, and only then", () => {
    const { live, effect } = inLiquidation();
    const fills = [{ qty: "10", price: "89.5", trade: "t1" }];
    live.apply({ k: "closed", effect, fills, exhausted: false });
    const before = [held(live, "a"), cash(live, "a")];
    live.apply({ k: "closed", effect, fills, exhausted: false });
    expect([held(live, "a"), cash(live, "a")]).toEqual(before);
    expect(live.of("outcome.ignored")).toHaveLength(1);
    live.apply({ k: "closed", effect, fills: [...fills, { qty: "1", price: "89.5", trade: "t2" }], exhausted: false });
    expect(held(live, "a")[0]?.qty).toBe("-1");
    expect(live.of("fill").at(-1)).toMatchObject({ account: "a", reason: "late", trade: "t2" });
    live.half("t1", "b", "buy", "10", "89.5");
    live.half("t2", "b", "buy", "1", "89.5");
    expect(live.clearing()).toEqual([]);
    expect(live.broken()).toEqual([]);
  });

  test("LIQ-28 INV-09 that nobody can place are refused before anything has changed", () => {
    const { live, effect } = inLiquidation();
    const closed = (of: string, fills: readonly { qty: string; price: string; trade?: string }[]): EntryBody => ({
      k: "closed",
      effect: of,
      fills,
      exhausted: true,
    });
    const good = { qty: "1", price: "89" };
    expect(refused(live, closed("1-2-3", [good]))).toBe("unknown_effect");
    expect(refused(live, closed(effect, [good, { qty: "0.5", price: "89" }]))).toBe("off_lot");
    expect(refused(live, closed(effect, [good, { qty: "1", price: "0" }]))).toBe("price_not_positive");
    expect(refused(live, closed("1-2-3", []))).toBe("taken");
    expect(refused(live, closed(effect, [{ ...good, qty: "10" }]))).toBe("taken");
    expect(refused(live, closed(effect, [good]))).toBe("trade_missing");
  });

  test("LIQ-26 LIQ-28 of a purchase claim back the rounding that comes to light with the other half", () => {
    const live = new LiveLog(rules({ instruments: [perpetual({ multiplier: "0.001" })] }));
    live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
    live.apply({ k: "cash", account: "a", asset: "USDT", amount: "0.15" });
    live.apply({ k: "cash", account: "b", asset: "USDT", amount: "10000" });
    // Roundings of others are there to be returned.
    live.trade("t0", "b", "b", "1", "99.9");
    live.half("t1", "a", "sell", "10", "100");
    live.half("t1", "b", "buy", "10", "100");
    live.apply({ k: "frame", mark: { X: "115" } });
    live.apply({ k: "blocked", effect: String(live.engine.openEffects()[0]?.id) });
    const effect = String(live.engine.openEffects()[0]?.id);
    // Worth 1.1501 at this price: a pays 1.16 and is a quantum short, by rounding alone.
    live.apply({ k: "closed", effect, fills: [{ qty: "10", price: "115.01", trade: "t2" }], exhausted: false });
    expect(live.of("debt.parked")).toEqual([]);
    expect(live.of("loss.shared")).toEqual([]);
    live.half("t2", "b", "buy", "10", "115.01");
    expect(live.broken()).toEqual([]);
  });
});
