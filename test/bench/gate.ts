import { createHistogram } from "node:perf_hooks";
import { Engine, Gate } from "#libs/engine/index.ts";
import type { LimitsDocument } from "#libs/domain/rule-set/limit-documents.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { benchBatches } from "./gate-batch.ts";
import { benchRules, instrumentCount, instrumentId, startPrice } from "./book.ts";

/** Usage: node --import tsx test/bench/gate.ts [checks]; checks of accounts with five positions and ten resting orders. */
const checks = Number(process.argv[2] ?? 20_000);
const accounts = 200;
const positionsEach = 5;
const ordersEach = 10;

/** Every limit there is, none near: what it costs to look at them all. */
const everyLimit: LimitsDocument = {
  maxPosition: "1000000000",
  maxLong: "1000000000",
  maxShort: "1000000000",
  maxOrderQty: "1000000",
  maxOpenInterest: "1000000000",
  maxOpenInterestShare: "1",
  maxVolumeShare: "1000000",
  maxDepthShare: "1000000",
  maxPositionShare: "1000",
  maxInstrumentLeverage: "50",
  maxLeverage: "50",
  maxNotionalUsd: "1000000000",
  maxGrossUsd: "1000000000",
  maxNetUsd: "1000000000",
  maxDeltaUsd: "1000000000",
  maxOpenPositions: 100,
  maxExposure: "1000",
  maxSectorShare: "1000",
  maxCounterpartyUsd: "1000000000",
  maxVenueUsd: "1000000000",
  maxRiskShare: "1",
  maxRiskSumShare: "100",
  maxCorrelation: "0.99",
  dayLoss: "0.5",
  weekLoss: "0.6",
  drawdown: "0.7",
  ordersPerDay: 10_000_000,
  tradesPerDay: 10_000_000,
  velocity: [
    { windowMs: 1000, orders: 1_000_000, valueUsd: "1000000000" },
    { windowMs: 60_000, orders: 10_000_000, valueUsd: "10000000000" },
  ],
};

/** The limits of the exchange again for a tier, an owner, each account and its API key. */
function withEveryLimit(document: RuleDocument): RuleDocument {
  const names = Array.from({ length: accounts }, (_, account) => `a${account}`);
  const level = { limits: everyLimit };
  return {
    ...document,
    instruments: document.instruments.map((one) => ({ ...one, priceBand: "0.1", sector: "all" })),
    limits: everyLimit,
    tiers: { all: level },
    entities: Object.fromEntries(names.map((name) => [`owner-of-${name}`, { accounts: [name], ...level }])),
    accounts: Object.fromEntries(names.map((name) => [name, { tier: "all", keys: { bot: level }, ...level }])),
  };
}

function exchange(document: RuleDocument): Engine {
  const engine = Engine.create(document, { quietFills: true });
  const numbers = Array.from({ length: instrumentCount }, (_, number) => number);
  const price = (number: number): string => startPrice(number).toFixed(4);
  engine.apply({
    k: "frame",
    t: 0,
    index: { USDT: "1", ...Object.fromEntries(numbers.map((number) => [`C${number}`, price(number)])) },
    mark: Object.fromEntries(numbers.map((number) => [instrumentId(number), price(number)])),
    depth: Object.fromEntries(numbers.map((number) => [instrumentId(number), "1000000"])),
  });
  for (let account = 0; account < accounts; account += 1) {
    engine.apply({ k: "cash", t: 0, account: `a${account}`, asset: "USDT", amount: "100000" });
    engine.apply({ k: "cash", t: 0, account: `a${account}`, asset: "C0", amount: "1000" });
  }
  for (let account = 0; account < accounts; account += 2)
    for (let at = 0; at < positionsEach; at += 1) {
      const number = (account / 2 + at * 3) % instrumentCount;
      const qty = (Math.round((10_000 / startPrice(number)) * 1000) / 1000).toFixed(3);
      engine.apply({
        k: "trade",
        t: 0,
        instrument: instrumentId(number),
        buyer: `a${account}`,
        seller: `a${account + 1}`,
        qty,
        price: price(number),
      });
    }
  for (let account = 0; account < accounts; account += 1)
    for (let at = 0; at < ordersEach; at += 1) {
      const number = (Math.floor(account / 2) + (at % positionsEach) * 3) % instrumentCount;
      engine.apply({
        k: "order",
        t: 0,
        account: `a${account}`,
        id: `o${at}`,
        instrument: instrumentId(number),
        side: at < positionsEach ? "buy" : "sell",
        qty: "0.1",
        price: price(number),
      });
    }
  return engine;
}

interface Asked {
  /** The account of a check. */
  readonly account: (n: number) => number;
  readonly before?: (n: number) => void;
  /** With a stop and an API key. */
  readonly full: boolean;
}

function bench(name: string, engine: Engine, { account: accountOf, before, full }: Asked): void {
  const gate = new Gate(engine, { reservationsPerAccountMax: 100_000 });
  const histogram = createHistogram();
  let accepted = 0;
  for (let n = 0; n < checks; n += 1) {
    const account = accountOf(n);
    const number = (Math.floor(account / 2) + (n % positionsEach) * 3) % instrumentCount;
    const order = {
      id: `n${n}`,
      instrument: instrumentId(number),
      side: n % 2 === 0 ? ("buy" as const) : ("sell" as const),
      qty: "0.01",
      price: startPrice(number).toFixed(4),
      ...(full ? { stop: (startPrice(number) * (n % 2 === 0 ? 0.95 : 1.05)).toFixed(4), key: "bot" } : {}),
    };
    before?.(n);
    const request = { request: `r${n}`, account: `a${account}`, order };
    const started = process.hrtime.bigint();
    // Every check a second after the one before: nothing stays reserved, as when approvals are confirmed at once.
    const answer = gate.check(request, n * 2000);
    const took = Number(process.hrtime.bigint() - started);
    if (n >= checks / 4) histogram.record(took);
    if (answer.decision === "accept") accepted += 1;
  }
  const micro = (ns: number): string => (ns / 1000).toFixed(1);
  console.log(
    `${name}: ${Math.round(1e9 / histogram.mean)} checks/s, p50 ${micro(histogram.percentile(50))} us, p99 ${micro(histogram.percentile(99))} us, accepted ${accepted} of ${checks}`,
  );
}

for (const full of [false, true]) {
  const engine = exchange(full ? withEveryLimit(benchRules()) : benchRules());
  const resting = engine.machine.book.orders(engine.machine.book.findAccount("a0")).length;
  const limits = full ? "every limit at every level, stop and API key" : "no limits but margin";
  console.log(`${limits}: accounts ${accounts}, positions ${positionsEach}, resting orders ${resting}`);
  const before = (n: number): void => void engine.apply({ k: "time", t: n });
  bench("another account each time, log moving", engine, { account: (n) => n % accounts, before, full });
  bench("another account each time, log standing still", engine, { account: (n) => n % accounts, full });
  bench("one account, log standing still", engine, { account: () => 4, full });
  benchBatches(engine, "a4", full);
}
