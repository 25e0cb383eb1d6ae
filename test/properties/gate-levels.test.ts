import fc from "fast-check";
import { expect, test } from "vitest";
import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { LimitsDocument, OverrideDocument } from "#libs/domain/rule-set/limit-documents.ts";
import { judge } from "#libs/engine/gate/checks.ts";
import { Standing } from "#libs/engine/gate/standing.ts";
import { exactOrder, newOrder } from "#libs/engine/gate/wanted.ts";
import { Gate } from "#libs/engine/index.ts";
import { hold, limitedExchange } from "#test/support/limited-exchange.ts";
import { propertyOptions } from "#test/support/property.ts";

const when = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });
const usd = fc.constantFrom("500", "1500", "4000", "20000");
const share = fc.constantFrom("0.005", "0.02", "0.2", "2");
const contracts = fc.constantFrom("3", "8", "20");
const without = (document: object): object =>
  Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));

/** One or two limits of any kind. */
const limits = fc
  .oneof(
    fc.record({ maxPosition: contracts, maxOrderQty: when(contracts) }),
    fc.record({ maxLong: contracts, maxShort: when(contracts) }),
    fc.record({ maxGrossUsd: usd, maxNetUsd: when(usd) }),
    fc.record({ maxDeltaUsd: usd, maxOpenPositions: when(fc.constantFrom(1, 2)) }),
    fc.record({ maxExposure: share, maxPositionShare: when(share) }),
    fc.record({ maxSectorShare: share, maxVenueUsd: when(usd) }),
    fc.record({ maxRiskShare: share, maxRiskSumShare: when(share) }),
    fc.record({ maxCounterpartyUsd: usd, maxNotionalUsd: when(usd) }),
    fc.record({ maxLeverage: fc.constantFrom("0.01", "0.1", "3"), maxInstrumentLeverage: when(share) }),
    fc.record({ dayLoss: fc.constantFrom("0.001", "0.01"), drawdown: when(fc.constantFrom("0.001", "0.01")) }),
    fc.record({ ordersPerDay: fc.constantFrom(0, 1, 3), maxCorrelation: when(fc.constantFrom("0", "0.9")) }),
  )
  .map((one) => without(one) as LimitsDocument);

const level = fc
  .record({
    limits: when(limits),
    instruments: when(fc.record({ X: fc.record({ maxPosition: contracts }) })),
    restricted: when(fc.constantFrom(["Y"], ["X", "Z"])),
  })
  .map(without);

const override = fc
  .record({
    level: fc.constantFrom("exchange" as const, "account" as const, "entity" as const, "key" as const),
    limit: fc.constantFrom("maxPosition" as const, "maxGrossUsd" as const),
    value: fc.constantFrom(null, "5"),
  })
  .map(({ level: at, limit, value }): OverrideDocument => {
    const of = { account: "alice", entity: "desk", key: "bot", exchange: undefined }[at];
    const whose = at === "key" ? { account: "alice" } : {};
    return { level: at, limit, value, until: 1_000_000, reason: "any", ...whose, ...(of === undefined ? {} : { of }) };
  });

const documents = fc
  .record({
    limits: when(limits),
    tiers: fc.record({ vip: level }),
    entities: fc
      .tuple(level, fc.constantFrom(["alice"], ["alice", "bob"]))
      .map(([one, accounts]) => ({ desk: { ...one, accounts } })),
    accounts: fc
      .record({ own: level, key: level, tier: when(fc.constant("vip")), venue: when(fc.constant("away")) })
      .map(({ own, key, ...more }) => ({ alice: { ...own, ...without(more), keys: { bot: key } } })),
    overrides: fc.array(override, { maxLength: 1 }),
    profile: when(fc.constantFrom("exchange" as const, "desk" as const)),
    shadow: fc.constantFrom([], ["exposure", "gross_limit", "position_limit"]),
    locates: fc.constant({ alice: { Z: "4" } }),
  })
  .map((one) => without(one) as Partial<RuleDocument>);

const order = fc.record({
  account: fc.constantFrom("alice", "alice", "bob"),
  instrument: fc.constantFrom("X", "Y", "Z"),
  side: fc.constantFrom("buy" as const, "sell" as const),
  qty: fc.integer({ min: 1, max: 12 }).map(String),
  price: when(fc.constantFrom("99", "100", "101")),
  stop: when(fc.constantFrom("80", "95", "105", "130")),
  key: when(fc.constantFrom("bot", "hand")),
});

test("INV-10 LIM-01 whatever levels say, the gate decides as the exact check does", () => {
  let [accepted, refused] = [0, 0];
  const held = fc.constantFrom("-", "alice 6 X", "alice -6 X, alice 3 Z", "bob 9 X, alice 2 Y");
  fc.assert(
    fc.property(documents, held, fc.array(order, { minLength: 4, maxLength: 12 }), (document, holding, orders) => {
      const place = { sector: "one", counterparty: "broker", venue: "here" };
      const exchange = limitedExchange(document, { X: place, Y: place, Z: { shorting: "locate" } });
      exchange.apply({ k: "session", session: "day", start: 0 });
      hold(exchange, holding);
      exchange.prices({ BTC: "98" }, { X: "98", Y: "98" });
      const { engine } = exchange;
      const { machine } = engine;
      orders.forEach(({ account, ...asked }, at) => {
        const terms = without({ ...asked, id: `o${at}` }) as OrderTerms;
        const number = machine.book.findAccount(account);
        const standing = new Standing(machine, account, number, (view) => view.orders);
        const exact = exactOrder(standing, terms);
        if (exact === null) throw new Error("every instrument is listed");
        const refusal = judge(standing, newOrder(exact, terms));
        // A gate of its own each time: nothing is approved yet, and the velocity of a profile is far away.
        const { codes, shadow = [] } = new Gate(engine).check({ request: "r", account, order: terms }, 0);
        expect([codes, shadow]).toEqual([refusal.codes(), refusal.shadow()]);
        if (codes.length === 0) accepted += 1;
        else refused += 1;
        const { id, instrument, side, qty } = terms;
        const more = without({ price: terms.price, stop: terms.stop, key: terms.key });
        exchange.apply({ k: "order", account, id, instrument, side, qty, ...more });
      });
    }),
    propertyOptions({ numRuns: 150 }),
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(100);
});
