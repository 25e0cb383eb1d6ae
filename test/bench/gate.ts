import { createHistogram } from "node:perf_hooks";
import { Engine, Gate } from "#libs/engine/index.ts";
import { benchBatches } from "./gate-batch.ts";
import { benchRules, instrumentCount, instrumentId, startPrice } from "./book.ts";

/** Usage: node --import tsx test/bench/gate.ts [checks]; checks of accounts with five positions and ten resting orders. */
const checks = Number(process.argv[2] ?? 20_000);
const accounts = 200;
const positionsEach = 5;
const ordersEach = 10;

function exchange(): Engine {
  const engine = Engine.create(benchRules(), { quietFills: true });
  const numbers = Array.from({ length: instrumentCount }, (_, number) => number);
  const price = (number: number): string => startPrice(number).toFixed(4);
  engine.apply({
    k: "frame",
    t: 0,
    index: { USDT: "1", ...Object.fromEntries(numbers.map((number) => [`C${number}`, price(number)])) },
    mark: Object.fromEntries(numbers.map((number) => [instrumentId(number), price(number)])),
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

function bench(name: string, engine: Engine, orders: (n: number) => number, before: (n: number) => void): void {
  const gate = new Gate(engine, { reservationsPerAccountMax: 100_000 });
  const histogram = createHistogram();
  let accepted = 0;
  for (let n = 0; n < checks; n += 1) {
    const account = orders(n);
    const number = (Math.floor(account / 2) + (n % positionsEach) * 3) % instrumentCount;
    const order = {
      id: `n${n}`,
      instrument: instrumentId(number),
      side: n % 2 === 0 ? ("buy" as const) : ("sell" as const),
      qty: "0.01",
      price: startPrice(number).toFixed(4),
    };
    before(n);
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

const engine = exchange();
const [bookOrders] = [engine.machine.book.orders(engine.machine.book.findAccount("a0")).length];
console.log(`accounts ${accounts}, positions ${positionsEach}, resting orders ${bookOrders}`);
bench(
  "another account each time, log moving",
  engine,
  (n) => n % accounts,
  (n) => void engine.apply({ k: "time", t: n }),
);
bench(
  "one account, log standing still",
  engine,
  () => 4,
  () => {},
);
benchBatches(engine, "a4");
