import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { LimitsDocument } from "#libs/domain/rule-set/limit-documents.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { fullWorth, usdQuantum } from "#libs/engine/entries/session.ts";
import { Certain } from "#libs/engine/gate/certain.ts";
import { judge } from "#libs/engine/gate/checks.ts";
import { Standing } from "#libs/engine/gate/standing.ts";
import { exactOrder, newOrder, type OrderAsked } from "#libs/engine/gate/wanted.ts";
import { Machine } from "#libs/engine/machine.ts";
import {
  Chance,
  generatedAccount,
  generatedDocument,
  generatedMarket,
  quietMachine,
} from "#test/support/generated-books.ts";
import { propertyOptions } from "#test/support/property.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
/** The code of each limit that the screen looks at, and whether its figure is a share of initial equity. */
const limits: readonly (readonly [key: LimitKey, code: string, share?: "of equity"])[] = [
  ["maxPosition", "position_limit"],
  ["maxLong", "position_limit"],
  ["maxShort", "position_limit"],
  ["maxOrderQty", "order_size"],
  ["maxOpenInterest", "open_interest_limit"],
  ["maxNotionalUsd", "notional_limit"],
  ["maxGrossUsd", "gross_limit"],
  ["maxNetUsd", "net_limit"],
  ["maxDeltaUsd", "delta_limit"],
  ["maxCounterpartyUsd", "counterparty_limit"],
  ["maxVenueUsd", "venue_limit"],
  ["maxExposure", "exposure", "of equity"],
  ["maxPositionShare", "position_share", "of equity"],
  ["maxSectorShare", "sector_share", "of equity"],
  ["maxRiskShare", "risk_per_trade", "of equity"],
  ["maxRiskSumShare", "risk_sum", "of equity"],
  ["maxInstrumentLeverage", "leverage", "of equity"],
  ["maxLeverage", "leverage", "of equity"],
  ["ordersPerDay", "orders_per_day"],
];
const counts: ReadonlySet<LimitKey> = new Set<LimitKey>(["ordersPerDay"]);

interface Case {
  readonly machine: Machine;
  readonly certain: Certain;
  readonly chance: Chance;
  readonly document: RuleDocument;
  readonly asked: OrderAsked;
  readonly account: number;
}

/** A rich account with positions and resting orders that asks for one more; nothing limits it yet. */
function caseOf(seed: number): Case {
  const chance = new Chance(seed);
  const made = generatedDocument(chance);
  const place = () => ({
    sector: chance.pick(["one", "two"]),
    counterparty: "broker",
    venue: chance.pick(["here", "there"]),
  });
  const instruments = made.instruments.map((one) => ({ ...one, ...place() }));
  const assets = made.assets.map((one) => (one.id === "USDT" ? { id: "USDT", quantum: "0.000001" } : one));
  const document = { ...made, assets, instruments };
  const { rules } = compileRules(document, 1);
  const machine = new Machine(generatedMarket(chance, rules), document, rules, quietMachine);
  const { book } = machine;
  const account = (generatedAccount(chance, book)[0] as number) >> 1;
  book.addCash(account, book.assetIndex("USDT"), 10n ** 15n);
  const someOrder = (id: string): OrderAsked => {
    const instrument = chance.whole(0, book.instrumentCount - 1);
    const { lot, id: name } = book.instrumentRules(instrument);
    const mark = (book.market.markPrice(instrument) as Rational).toNumber();
    const side = chance.is(0.5) ? "buy" : "sell";
    const price = (mark * chance.between(0.95, 1.05)).toFixed(2);
    const stop = (Number(price) * (side === "buy" ? 0.9 : 1.1)).toFixed(2);
    const qty = lot.times(Rational.ofInteger(Math.round(chance.scale(10, 1e4)))).toStringDown();
    return { id, instrument: name, side, qty, price, ...(chance.is(0.95) ? { stop } : {}) };
  };
  for (let at = chance.whole(0, 4); at > 0; at -= 1) {
    const order = exactOrder({ machine, account }, someOrder(`rests-${at}`));
    if (order === null) continue;
    const { id, side, qty, price, reduceOnly, instrument } = order;
    book.addOrder({
      account,
      id,
      instrument: book.instrumentIndex(instrument.id),
      side,
      lots: qty.floorIn(instrument.lot),
      price,
      reduceOnly,
      seq: at,
    });
  }
  return { machine, certain: new Certain(machine), chance, document, account, asked: someOrder("new") };
}

/** What the screen and the exact check say with a limit at some level. */
function bothUnder({ machine, certain, chance, document, account, asked }: Case, set: LimitsDocument) {
  const name = machine.book.accountId(account);
  const levelled: Partial<RuleDocument> = chance.pick([
    { limits: set },
    { accounts: { [name]: { limits: set } } },
    { tiers: { vip: { limits: set } }, accounts: { [name]: { tier: "vip" } } },
    { entities: { desk: { accounts: [name], limits: set } } },
  ]);
  const next = { ...document, ...levelled };
  const { rules, problems } = compileRules(next, 2);
  expect(problems).toEqual([]);
  machine.useRules(next, rules);
  const standing = new Standing(machine, name, account, (view) => view.orders);
  const order = exactOrder(standing, asked);
  if (order === null) throw new Error("every instrument is listed");
  const change = newOrder(order, asked);
  const refusal = judge(standing, change);
  const instrument = machine.book.instrumentIndex(asked.instrument);
  const stop = change.stop ?? null;
  const yes = certain.passes({ name, account, instrument, order, held: [], stop, key: null });
  const numbers = { ...refusal.numbers, ...refusal.shadowNumbers };
  // What warns refuses nothing, but must be told all the same.
  const codes: readonly string[] = [...refusal.codes(), ...refusal.shadow()];
  return { yes, codes, numbers, equity: standing.initialEquity };
}

test("LIM-01 LIM-15 LIM-16 LIM-17 LIM-20 the screen approves nothing that a limit of any level refuses, however near", () => {
  const [yes, no] = [new Map<string, number>(), new Map<string, number>()];
  const bump = (counted: Map<string, number>, key: string): void => void counted.set(key, (counted.get(key) ?? 0) + 1);
  fc.assert(
    fc.property(seeds, (seed) => {
      const one = caseOf(seed);
      if (bothUnder(one, {}).codes.length > 0) return;
      for (const [key, code, share] of limits) {
        const least = counts.has(key) ? 0 : "0.000000000000000001";
        const found = bothUnder(one, { [key]: least });
        if (found.yes) expect(found.codes).toEqual([]);
        const { value } = found.numbers[code] ?? {};
        if (value === undefined || counts.has(key)) continue;
        const measure = share === undefined ? Rational.parse(value) : Rational.parse(value).dividedBy(found.equity);
        for (const eps of ["-0.000001", "-0.000000000001", "0", "0.000000000001", "0.000000001", "0.000001", "0.01"]) {
          const figure = measure.times(Rational.one.plus(Rational.parse(eps))).toStringUp();
          const said = bothUnder(one, { [key]: figure });
          if (said.yes) expect([key, eps, said.codes]).toEqual([key, eps, []]);
          if (said.yes) bump(yes, key);
          if (said.codes.length > 0) bump(no, key);
        }
      }
    }),
    propertyOptions({ numRuns: 40 }),
  );
  // It has met refusals of every kind, and said yes under every limit.
  const measured = limits.map(([key]) => key).filter((key) => !counts.has(key));
  expect(measured.filter((key) => (yes.get(key) ?? 0) === 0 || (no.get(key) ?? 0) === 0)).toEqual([]);
});

test("LIM-19 LIM-23 the screen approves nothing that a limit of loss refuses", () => {
  let [yes, no] = [0, 0];
  fc.assert(
    fc.property(seeds, (seed) => {
      const one = caseOf(seed);
      const { machine, account } = one;
      const worth = fullWorth(machine, account);
      if (bothUnder(one, {}).codes.length > 0 || worth === null || worth.sign <= 0) return;
      const from = worth.times(Rational.parse("1.1")).ceilIn(usdQuantum);
      for (const session of ["day", "week"] as const) {
        machine.sessions.of(session).begin(0);
        machine.sessions.of(session).open(account, from);
      }
      machine.activity.peaks.set(account, from);
      const exact = usdQuantum.times(Rational.ofInteger(from));
      const lost = exact.minus(worth).dividedBy(exact);
      for (const key of ["dayLoss", "weekLoss", "drawdown"] as const)
        for (const eps of ["-0.000000001", "0", "0.000000000001", "0.000001", "0.5", "5"]) {
          const said = bothUnder(one, { [key]: lost.times(Rational.one.plus(Rational.parse(eps))).toStringUp() });
          if (said.yes) expect([key, eps, said.codes]).toEqual([key, eps, []]);
          if (said.yes) yes += 1;
          if (said.codes.length > 0) no += 1;
        }
    }),
    propertyOptions({ numRuns: 40 }),
  );
  expect(Math.min(yes, no)).toBeGreaterThan(10);
});
