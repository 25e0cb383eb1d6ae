import { expect, test } from "vitest";
import type { EntryBody } from "#libs/contracts/log.ts";
import { Engine } from "#libs/engine/index.ts";
import { SimulatedExchange } from "#libs/simulation/exchange.ts";
import { perpetual, rules } from "#test/support/exchange.ts";

/*
 * A debt of 1,729.89102 USDT against 0.07579162 BTC: `house` has 421 USDT for it, and the fund of another asset pays what the exchange
 * rate leaves over in quanta. Each such payment is made through `house` too, and leaves it a little less than was planned with.
 */
test("COL-27 LIQ-19 INV-03 what funds pay through house at the end of a liquidation is not paid out a second time", () => {
  const engine = Engine.create(
    rules({
      assets: [
        { id: "USDT", quantum: "0.000001" },
        { id: "USDC", quantum: "0.000001" },
        { id: "BTC", quantum: "0.00000001", conversionOrder: 2 },
      ],
      instruments: [perpetual({ lot: "0.001", tiers: [{ from: "0", im: "0.01", mm: "0.005" }] })],
    }),
  );
  const exchange = new SimulatedExchange(engine);
  const frame = (price: string): EntryBody => ({ k: "frame", index: { BTC: price }, mark: { X: price } });
  const steps: EntryBody[] = [
    { k: "frame", index: { USDT: "1", USDC: "1" } },
    frame("22286.095377"),
    { k: "cash", account: "c", asset: "BTC", amount: "0.07579162" },
    { k: "cash", account: "lp", asset: "USDC", amount: "17478.332624" },
    { k: "house", asset: "USDT", amount: "421" },
    { k: "fund", asset: "USDC", amount: "1" },
    {
      k: "trade",
      instrument: "X",
      buyer: "lp",
      seller: "c",
      qty: "2.948",
      price: "22237.4003",
      fees: false,
      taker: "sell",
    },
    frame("22824.30458"),
    frame("22824.30458"),
  ];
  for (const body of steps) exchange.apply({ ...body, t: 0 });
  expect(engine.account("c").state).toBe("normal");
  expect(Object.values(engine.account("house").cash).filter((amount) => amount.startsWith("-"))).toEqual([]);
  const broken = Object.entries(engine.invariants()).filter(
    ([, holds]) => holds !== true && holds !== "not applicable",
  );
  expect([broken, engine.machine.auditFailure]).toEqual([[], null]);
});
