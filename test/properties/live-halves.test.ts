import fc from "fast-check";
import { describe, test } from "vitest";
import type { Side } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Engine, rowsOfAccount } from "#libs/engine/index.ts";
import { demand } from "#test/support/history-run.ts";
import { LiveLog } from "#test/support/live-run.ts";
import { propertyOptions } from "#test/support/property.ts";

const accounts = ["a", "b", "c", "d"] as const;
const instruments = ["X", "I"] as const;

const tiers = [{ from: "0", im: "0.1", mm: "0.05" }];
const document: RuleDocument = {
  assets: [
    { id: "USDT", quantum: "0.01" },
    { id: "BTC", quantum: "0.00001" },
  ],
  instruments: [
    {
      id: "X",
      kind: "linear",
      base: "BTC",
      quote: "USDT",
      settle: "USDT",
      lot: "0.1",
      multiplier: "0.37",
      tiers,
      maxLeverage: "20",
      takerFee: "0.0005",
      makerFee: "-0.0001",
    },
    {
      id: "I",
      kind: "inverse",
      base: "BTC",
      quote: "USD",
      settle: "BTC",
      lot: "1",
      multiplier: "7",
      tiers,
      maxLeverage: "20",
      takerFee: "0.0005",
      makerFee: "0.0002",
    },
  ],
  liquidity: "none",
};

interface Trade {
  readonly instrument: (typeof instruments)[number];
  readonly buyer: string;
  readonly seller: string;
  readonly lots: number;
  /** Ten-thousandths of a dollar. */
  readonly price: number;
  readonly taker: Side;
  /** When each half comes, relative to the others. */
  readonly buyAt: number;
  readonly sellAt: number;
}

const trades: fc.Arbitrary<Trade[]> = fc.array(
  fc.record({
    instrument: fc.constantFrom(...instruments),
    buyer: fc.constantFrom(...accounts),
    seller: fc.constantFrom(...accounts),
    lots: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4000 })),
    price: fc.integer({ min: 990_001, max: 1_010_000 }),
    taker: fc.constantFrom<Side>("buy", "sell"),
    buyAt: fc.nat(60),
    sellAt: fc.nat(60),
  }),
  { minLength: 1, maxLength: 30, size: "max" },
);

interface Step {
  readonly at: number;
  readonly trade: number;
  readonly side: Side;
}

const qtyOf = ({ instrument, lots }: Trade): string => (instrument === "X" ? (lots / 10).toFixed(1) : String(lots));
const priceOf = ({ price }: Trade): string => (price / 10_000).toFixed(4);

/** Halves in the order of their times; `keeping`: each account's own in the order of the trades. */
function steps(list: readonly Trade[], keeping: boolean): Step[] {
  const latest = new Map<string, number>();
  const after = (account: string, at: number): number => {
    const time = keeping ? Math.max(at, latest.get(account) ?? 0) : at;
    latest.set(account, time);
    return time;
  };
  const found = list.flatMap((one, trade): Step[] => [
    { at: after(one.buyer, trade * 2 + one.buyAt), trade, side: "buy" },
    { at: after(one.seller, trade * 2 + one.sellAt), trade, side: "sell" },
  ]);
  return found.sort((left, right) => left.at - right.at || left.trade - right.trade || (left.side === "buy" ? -1 : 1));
}

/** Funded so well that nobody comes near a threshold; two hold their positions isolated. */
function funded(log: { apply(body: Parameters<LiveLog["apply"]>[0]): unknown }): void {
  log.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100", I: "100" } });
  for (const account of accounts) {
    log.apply({ k: "cash", account, asset: "USDT", amount: "10000000" });
    log.apply({ k: "cash", account, asset: "BTC", amount: "100000" });
  }
  log.apply({ k: "mode", account: "c", instrument: "X", mode: "isolated", leverage: "3" });
  log.apply({ k: "mode", account: "d", instrument: "I", mode: "isolated" });
}

function sendHalf(log: LiveLog, list: readonly Trade[], { trade, side }: Step): void {
  const one = list[trade] as Trade;
  log.apply({
    k: "fill",
    trade: `t${trade}`,
    account: side === "buy" ? one.buyer : one.seller,
    instrument: one.instrument,
    side,
    qty: qtyOf(one),
    price: priceOf(one),
    liquidity: one.taker === side ? "taker" : "maker",
    order: `o${trade}`,
  });
}

describe("trades as halves", () => {
  test("POS-17 INV-01 INV-02 in any order, and with payments of funding between them, leave clearing with nothing", () => {
    fc.assert(
      fc.property(trades, fc.array(fc.nat(59), { maxLength: 4 }), fc.boolean(), (list, payments, settling) => {
        const log = new LiveLog(document);
        funded(log);
        const halves = steps(list, false);
        halves.forEach((half, at) => {
          sendHalf(log, list, half);
          if (payments.includes(at)) {
            log.apply({
              k: "funding",
              instrument: at % 2 === 0 ? "X" : "I",
              rate: at % 3 === 0 ? "-0.00037" : "0.00041",
            });
            if (settling) log.apply({ k: "settle", instrument: at % 2 === 0 ? "X" : "I" });
          }
          demand(log.broken().length === 0, () => log.broken().join());
        });
        demand(log.clearing().length === 0, () => `clearing keeps ${log.clearing().join()}`);
        demand(log.engine.machine.pendingHalves.size === 0, () => "a half is still waited for");
      }),
      propertyOptions({ numRuns: 150 }),
    );
  });

  test("POS-17 give every account what the same trades at once give it, to the quantum, roundings and fees included", () => {
    fc.assert(
      fc.property(trades, (all) => {
        const list = all.filter((one) => one.buyer !== one.seller);
        const log = new LiveLog(document);
        funded(log);
        for (const half of steps(list, true)) sendHalf(log, list, half);
        const whole = Engine.create(document);
        funded({ apply: (body) => whole.apply({ ...body, t: 0 }) });
        for (const one of list) {
          const { instrument, buyer, seller, taker } = one;
          whole.apply({ k: "trade", t: 0, instrument, buyer, seller, qty: qtyOf(one), price: priceOf(one), taker });
        }
        for (const account of [...accounts, "rounding", "fees", "insurance", "clearing", "bad_debt"]) {
          const [halves, trade] = [rowsOfAccount(log.engine.machine, account), rowsOfAccount(whole.machine, account)];
          demand(
            JSON.stringify(halves) === JSON.stringify(trade),
            () => `${account} has ${JSON.stringify(halves)} instead of ${JSON.stringify(trade)}`,
          );
        }
      }),
      propertyOptions({ numRuns: 150 }),
    );
  });

  test("EXP-04 an expiry with halves still to come leaves clearing with nothing once they are in", () => {
    fc.assert(
      fc.property(trades, fc.nat(60), fc.integer({ min: 980_001, max: 1_020_000 }), (list, when, price) => {
        const log = new LiveLog({ ...document, accountsPerEntryMax: 2 });
        funded(log);
        const halves = steps(list, false);
        const at = when % halves.length;
        halves.forEach((half, place) => {
          if (place === at)
            for (const instrument of instruments)
              log.apply({ k: "expire", instrument, price: (price / 10_000).toFixed(4) });
          sendHalf(log, list, half);
          demand(log.broken().length === 0, () => log.broken().join());
        });
        for (let chunk = 0; chunk < 3; chunk += 1)
          for (const instrument of instruments) log.apply({ k: "settle", instrument });
        demand(log.broken().length === 0, () => log.broken().join());
        demand(log.clearing().length === 0, () => `clearing keeps ${log.clearing().join()}`);
        for (const account of accounts)
          for (const { instrument, qty } of rowsOfAccount(log.engine.machine, account).positions)
            demand(qty === "0", () => `${account} still holds ${qty} of ${instrument}`);
      }),
      propertyOptions({ numRuns: 150 }),
    );
  });

  test("POS-17 EXP-04 over two shards their clearing accounts hold the same the other way round, after an expiry too", () => {
    fc.assert(
      fc.property(trades, fc.boolean(), (list, expiring) => {
        const shards = [new LiveLog(document), new LiveLog(document)] as const;
        for (const shard of shards) funded(shard);
        for (const half of steps(list, false)) {
          const one = list[half.trade] as Trade;
          sendHalf(shards[(half.side === "buy" ? one.buyer : one.seller) < "c" ? 0 : 1], list, half);
        }
        for (const shard of shards) {
          if (expiring)
            for (const instrument of instruments) shard.apply({ k: "expire", instrument, price: "100.0137" });
          demand(shard.broken().length === 0, () => shard.broken().join());
        }
        const [one, other] = shards.map((shard) => cleared(shard.engine));
        for (const at of [0, 1, 2, 3])
          demand(one?.[at] === -(other?.[at] ?? 0n), () => `${String(one)} against ${String(other)}`);
      }),
      propertyOptions({ numRuns: 100 }),
    );
  });
});

/** Lots and cost of `clearing`, by instrument. */
function cleared({ machine: { book } }: Engine): bigint[] {
  return instruments.flatMap((id) => {
    const row = book.findRow(book.findAccount("clearing"), book.instrumentIndex(id));
    return row < 0 ? [0n, 0n] : [book.qty(row), book.cost(row)];
  });
}
