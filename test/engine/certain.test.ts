import fc from "fast-check";
import { expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import { limitKeys } from "#libs/domain/rule-set/limit-types.ts";
import type { InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Certain } from "#libs/engine/gate/certain.ts";
import { limitsKnown } from "#libs/engine/gate/certain-limits.ts";
import { judge } from "#libs/engine/gate/checks.ts";
import { ordersWith, Reservations } from "#libs/engine/gate/overlay.ts";
import { Standing } from "#libs/engine/gate/standing.ts";
import { exactOrder, type OrderAsked } from "#libs/engine/gate/wanted.ts";
import { Machine } from "#libs/engine/machine.ts";
import { exactly } from "#test/support/band-corners.ts";
import {
  Chance,
  generatedAccount,
  generatedDocument,
  generatedMarket,
  quietMachine,
  payFunding,
} from "#test/support/generated-books.ts";
import { propertyOptions } from "#test/support/property.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
/** What the gate looks at beside health: leverage, open interest, bands, limits, each there or not by chance. */
function withGateRules(chance: Chance, document: RuleDocument): RuleDocument {
  const some = <T>(share: number, keys: () => T): T | object => (chance.is(share) ? keys() : {});
  const instruments = document.instruments.map((one): InstrumentDocument => {
    const lot = Number(one.lot);
    const contracts = (most: number): string => (lot * chance.whole(1, most)).toFixed(3);
    return {
      ...one,
      ...some(0.7, () => ({ maxLeverage: String(chance.whole(2, 100)) })),
      ...some(0.3, () => ({ tick: "0.5" })),
      ...some(0.3, () => ({ priceBand: chance.between(0.01, 0.5).toFixed(3) })),
      ...some(0.3, () => ({ minNotional: chance.scale(0.01, 100).toFixed(2) })),
      ...some(0.3, () => ({ oiScaling: { lower: "1", upper: chance.scale(10, 1e7).toFixed(2) } })),
      ...some(0.3, () => ({ limits: { maxPosition: contracts(1e6), maxOrderQty: contracts(1e6) } })),
      ...some(0.2, () => ({ limits: { maxLong: contracts(1e6), maxOpenInterest: contracts(1e6) } })),
      ...some(0.1, () => ({ limits: { maxOpenInterestShare: chance.between(0.01, 1).toFixed(2) } })),
    };
  });
  const assets = document.assets.map((one) => ({
    ...one,
    ...some(0.2, () => ({ initialSlices: [{ upTo: "50000", weight: "0.9" }, { weight: "0.4" }] })),
    ...some(0.2, () => ({ platformStart: chance.scale(1e3, 1e8).toFixed(0) })),
    ...some(0.05, () => ({ concentration: "0.6" })),
  }));
  // Cash of it puts an account anywhere around a bound.
  assets[0] = { id: "USDT", quantum: "0.000000000000000001" };
  return {
    ...document,
    assets,
    instruments,
    ...some(0.4, () => ({ profitWeight: { weight: "0.8", k: chance.pick(["0", "0.001"]) } })),
    ...some(0.4, () => ({ limits: { maxLeverage: String(chance.whole(3, 50)), maxOpenPositions: 3 } })),
    ...some(0.2, () => ({ limits: { maxNotionalUsd: chance.scale(1e3, 1e8).toFixed(2) } })),
  };
}

interface Case {
  readonly machine: Machine;
  readonly certain: Certain;
  readonly chance: Chance;
}

function caseOf(seed: number): Case {
  const chance = new Chance(seed);
  const document = withGateRules(chance, generatedDocument(chance));
  const { rules, problems } = compileRules(document, 1);
  if (problems.length > 0) throw new Error(`not valid: ${JSON.stringify(problems[0])}`);
  const machine = new Machine(generatedMarket(chance, rules), document, rules, quietMachine);
  return { machine, certain: new Certain(machine), chance };
}

function someOrder({ machine, chance }: Case, id: string): OrderAsked {
  const { book } = machine;
  const instrument = chance.whole(0, book.instrumentCount - 1);
  const rules = book.instrumentRules(instrument);
  const mark = (book.market.markPrice(instrument) as Rational).toNumber();
  const qty = rules.lot.times(Rational.ofInteger(Math.round(chance.scale(1, 1e4)))).toStringDown();
  const side = chance.is(0.5) ? "buy" : "sell";
  const price = (Math.max(1, Math.round(mark * chance.between(0.9, 1.1) * 2)) / 2).toFixed(1);
  return {
    id,
    instrument: rules.id,
    side,
    qty,
    ...(chance.is(0.2) ? {} : { price }),
    ...(chance.is(0.1) ? { reduceOnly: true } : {}),
  };
}

/** An account with positions, resting and approved orders, and what decides about one more. */
function someAccount(one: Case) {
  const { machine, chance, certain } = one;
  const { book } = machine;
  const account = (generatedAccount(chance, book)[0] as number) >> 1;
  const name = book.accountId(account);
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row))
    if (chance.is(0.2)) book.setLeverage(row, Rational.ofInteger(chance.whole(1, 20)));
  for (let at = chance.whole(0, 4); at > 0; at -= 1) {
    const order = exactOrder({ machine, account }, someOrder(one, `rests-${at}`));
    if (order === null) continue;
    const instrument = book.instrumentIndex(order.instrument.id);
    const lots = order.qty.floorIn(order.instrument.lot);
    const { id, side, price, reduceOnly } = order;
    book.addOrder({ account, id, instrument, side, lots, price, reduceOnly, seq: at });
  }
  payFunding(chance, book);
  const reservations = new Reservations();
  for (let at = chance.whole(0, 3); at > 0; at -= 1) {
    const { id, qty, price, reduceOnly, ...terms } = someOrder(one, `held-${at}`);
    const order = chance.is(0.1) ? "rests-1" : id;
    // What amends an order is of its instrument and side.
    const old = reservations.views(name).find((view) => view.order === order);
    const { instrument, side } = old ?? terms;
    const amends = old !== undefined || chance.is(0.1);
    const rest = { price: price ?? null, reduceOnly: reduceOnly ?? false, amends, expiresAt: 1 };
    reservations.add(name, { request: id, order, instrument, side, qty, ...rest });
  }
  const held = reservations.of(name);
  const standing = (): Standing =>
    new Standing(machine, name, account, (view) => ordersWith(machine, account, view, held));
  const asked = someOrder(one, chance.is(0.2) ? chance.pick(["rests-1", "held-1"]) : "new");
  return {
    account,
    standing,
    order: () => exactOrder(standing(), asked) as NonNullable<ReturnType<typeof exactOrder>>,
    /** What the screen says, and the codes that `judge` finds. */
    both() {
      const order = exactOrder(standing(), asked) as NonNullable<ReturnType<typeof exactOrder>>;
      const instrument = book.instrumentIndex(asked.instrument);
      const codes = judge(standing(), { order, replaces: null }).codes();
      // The book has been changed by hand, as if by an entry.
      machine.appliedSeq += 1;
      return { yes: certain.passes({ name, account, instrument, order, held, stop: null, key: null }), codes };
    },
  };
}

/** Moves USDT so that free equity after the order, or what its leverage leaves, becomes `wanted` USD. */
function place({ machine }: Case, one: ReturnType<typeof someAccount>, wanted: number): void {
  const standing = one.standing();
  const { im, notionals } = standing.after({ order: one.order(), replaces: null });
  const { limits, instruments } = machine.rules;
  const needs = [im];
  for (const [id, notional] of notionals()) {
    const most = instruments.get(id)?.maxLeverage ?? null;
    if (most !== null) needs.push(notional.dividedBy(most));
  }
  if (limits.maxLeverage !== null) needs.push(Rational.sum(notionals().values()).dividedBy(limits.maxLeverage));
  const missing = needs.reduce((left, right) => Rational.max(left, right)).minus(standing.initialEquity);
  const price = machine.book.market.indexPrice(0) as Rational;
  const units = missing.plus(exactly(wanted)).dividedBy(price);
  machine.book.addCash(one.account, 0, units.floorIn(machine.book.assetRules(0).quantum));
}

test("ORD-07 ORD-09 the screen says yes to no order that the exact check refuses, however near it is to a bound", () => {
  let [yes, no, unsure] = [0, 0, 0];
  fc.assert(
    fc.property(seeds, (seed) => {
      const one = caseOf(seed);
      for (let count = 0; count < 6; count += 1) {
        const account = someAccount(one);
        for (const wanted of [-1, -1e-6, -1e-12, 0, 1e-12, 1e-9, 1e-6, 1e-3, 1, 1e3, 1e6]) {
          place(one, account, wanted);
          const said = account.both();
          if (said.yes) expect(said.codes).toEqual([]);
          if (said.yes) yes += 1;
          else if (said.codes.length > 0) no += 1;
          else unsure += 1;
        }
      }
    }),
    propertyOptions({ numRuns: 60 }),
  );
  // It has met refusals, and could not always tell.
  expect(Math.min(yes, no, unsure)).toBeGreaterThan(0);
});

test("with a thousandth of room the screen says yes to about half of what passes, under rules with everything in them", () => {
  let [passed, yes] = [0, 0];
  for (let seed = 1; seed <= 60; seed += 1) {
    const one = caseOf(seed);
    for (let count = 0; count < 5; count += 1) {
      const account = someAccount(one);
      const { im } = account.standing().after({ order: account.order(), replaces: null });
      place(one, account, im.toNumber() / 1000 + 1);
      const said = account.both();
      if (said.codes.length > 0 || account.order().reduceOnly) continue;
      passed += 1;
      if (said.yes) yes += 1;
    }
  }
  expect(passed).toBeGreaterThan(60);
  expect(yes / passed).toBeGreaterThan(0.4);
});

test("orders of one account in a row, some of them approved, are judged as if each were the first", () => {
  let [yes, no] = [0, 0];
  fc.assert(
    fc.property(seeds, (seed) => {
      const one = caseOf(seed);
      const { machine, certain, chance } = one;
      const account = someAccount(one);
      place(one, account, chance.scale(1, 1e6));
      machine.appliedSeq += 1;
      const held = new Reservations();
      const name = machine.book.accountId(account.account);
      for (let count = 0; count < 20; count += 1) {
        const asked = someOrder(one, chance.is(0.1) ? "again" : `new-${count}`);
        const standing = new Standing(machine, name, account.account, (view) =>
          ordersWith(machine, account.account, view, held.of(name)),
        );
        const order = exactOrder(standing, asked) as NonNullable<ReturnType<typeof exactOrder>>;
        const instrument = machine.book.instrumentIndex(asked.instrument);
        const question = {
          name,
          account: account.account,
          instrument,
          order,
          held: held.of(name),
          stop: null,
          key: null,
        };
        const said = certain.passes(question);
        expect(said).toBe(new Certain(machine).passes(question));
        if (said) expect(judge(standing, { order, replaces: null }).codes()).toEqual([]);
        if (said) yes += 1;
        else no += 1;
        // Not each that passes is approved: a batch may be taken back as a whole.
        if (said && chance.is(0.8)) {
          const { id, side, reduceOnly, qty, price } = order;
          const texts = { qty: qty.toStringDown(), price: price?.toStringDown() ?? null };
          const view = { request: "r", order: id, side, reduceOnly, ...texts, amends: false, expiresAt: 0 };
          held.add(name, { ...view, instrument: order.instrument.id }, order);
        }
        const gone = chance.is(0.1) ? held.of(name)[0] : undefined;
        if (gone !== undefined) held.drop(gone);
      }
    }),
    propertyOptions({ numRuns: 60 }),
  );
  expect(Math.min(yes, no)).toBeGreaterThan(100);
});

test("with a limit that the screen does not know nothing is certain", () => {
  expect(limitsKnown(limitKeys)).toBe(true);
  expect(limitsKnown(["maxPosition", "maxSomethingNew"])).toBe(false);
});

test("nothing is certain while a breaker is in force, prices are not good, or the audit has failed", () => {
  const one = caseOf(11);
  const { machine } = one;
  let account = someAccount(one);
  for (let tries = 0; tries < 200 && !account.both().yes; tries += 1) {
    account = someAccount(one);
    place(one, account, 1e6);
  }
  expect(account.both().yes).toBe(true);
  machine.auditFailure = "found";
  expect(account.both().yes).toBe(false);
  machine.auditFailure = null;
  const instrument = machine.book.instrumentIndex(account.order().instrument.id);
  machine.book.market.setInstrumentQuality(instrument, "stale", 1);
  expect(account.both().yes).toBe(false);
  machine.book.market.setInstrumentQuality(instrument, "good", 2);
  machine.halts = [{ scope: "global", id: "", state: "reduce_only", reason: "x", manual: true, since: 0, until: null }];
  expect(account.both().yes).toBe(false);
  machine.halts = [];
  machine.closedInstruments.set(instrument, Rational.one);
  expect(account.both().yes).toBe(false);
});
