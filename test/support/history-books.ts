import { Rational } from "#libs/decimal/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import { holdingOf, indexOf, markOf, worth } from "./history-health.ts";
import { type Check, demand, type Done, type Reading } from "./history-run.ts";

const { zero } = Rational;
const sum = (values: Iterable<bigint>): bigint => [...values].reduce((total, one) => total + one, 0n);

/** Kinds of transaction that may touch a fund: what closes, tops up, pays, converts or is paid in from outside. */
const fundKinds = new Set(["deposit", "withdrawal", "fill", "liquidation_fee", "conversion", "bad_debt", "fee"]);

/**
 * I-01 … I-05, I-24 and INV-01 … INV-03 from the columns alone: totals are summed anew, deposits are those the facts speak of, and
 * every change of a balance is a posting of a transaction that sums to zero.
 */
export function checkBooks(engine: Engine): Check {
  const deposits = new Map<string, Rational>();
  return () => (done) => {
    countDeposits(deposits, done);
    for (let asset = 0; asset < engine.machine.book.assetCount; asset += 1) {
      conserved(engine, asset, done.after, deposits);
      totalsAgree(engine, asset, done.after);
    }
    for (let number = 0; number < engine.machine.book.instrumentCount; number += 1)
      longIsShort(engine, number, done.after);
    transactionsBalance(engine, done);
    changesArePosted(engine, done);
    for (const fund of ["insurance", "house", "rounding"])
      for (const [key, held] of done.after.cash)
        demand(!key.startsWith(`${fund} `) || held >= 0n, () => `INV-03 ${key} holds ${held}`);
  };
}

function countDeposits(deposits: Map<string, Rational>, { facts }: Done): void {
  for (const fact of facts) {
    const sign =
      fact.fact === "cash.withdrawn"
        ? -1
        : ["cash.deposited", "fund.changed", "house.changed"].includes(fact.fact)
          ? 1
          : 0;
    if (sign === 0) continue;
    const asset = String(fact["asset"]);
    const amount = Rational.parse(String(fact["amount"])).times(Rational.ofInteger(sign));
    deposits.set(asset, (deposits.get(asset) ?? zero).plus(amount));
  }
}

/** INV-01, and I-04: at the common mark everybody's worth adds up to what was paid in. */
function conserved(
  engine: Engine,
  asset: number,
  { cash, rows, fractions }: Reading,
  deposits: ReadonlyMap<string, Rational>,
): void {
  const { id, quantum } = engine.machine.book.assetRules(asset);
  const whole = sum([...cash].map(([key, amount]) => (key.endsWith(` ${id}`) ? amount : 0n)));
  let booked = quantum.times(Rational.ofInteger(whole)).plus(fractions.get(id) ?? zero);
  let worthAtMark = booked;
  for (const { row } of rows.values()) {
    const held = holdingOf(engine, row);
    if (held.settle !== asset) continue;
    booked = booked.plus(held.margin).plus(held.accrued).minus(held.cost);
    const value = held.qty.isZero() ? zero : worth(held.instrument, held.qty, markOf(engine, held.number));
    worthAtMark = worthAtMark.plus(held.margin).plus(held.accrued).plus(value.minus(held.cost));
  }
  const paidIn = deposits.get(id) ?? zero;
  demand(booked.equals(paidIn), () => `INV-01 ${id}: ${booked.toString()} is held, ${paidIn.toString()} was paid in`);
  demand(
    worthAtMark.equals(paidIn),
    () => `I-04 ${id}: worth ${worthAtMark.toString()} at mark, ${paidIn.toString()} was paid in`,
  );
}

/** I-24: the running totals are those of a summation over everything. */
function totalsAgree(engine: Engine, asset: number, { cash, rows }: Reading): void {
  const { book } = engine.machine;
  const { id } = book.assetRules(asset);
  const own = [...cash].filter(([key]) => key.endsWith(` ${id}`));
  const settled = [...rows.values()].filter(({ row }) => book.settleIndex(book.rowInstrument(row)) === asset);
  const isSystem = (key: string): boolean => book.isSystem(book.findAccount(key.slice(0, key.indexOf(" "))));
  const totals: readonly (readonly [string, bigint, bigint])[] = [
    ["cash", book.totalCash(asset), sum(own.map(([, amount]) => amount))],
    [
      "platform cash",
      book.platformCash(asset),
      sum(own.map(([key, amount]) => (amount > 0n && !isSystem(key) ? amount : 0n))),
    ],
    ["margin", book.totalMargin(asset), sum(settled.map(({ margin }) => margin))],
    ["cost", book.netCost(asset), sum(settled.map(({ cost }) => cost))],
  ];
  for (const [what, kept, found] of totals)
    demand(kept === found, () => `I-24 ${what} of ${id} is kept as ${kept} and is ${found}`);
}

/** INV-02, I-03, and the running totals of an instrument. */
function longIsShort(engine: Engine, number: number, { rows }: Reading): void {
  const { book } = engine.machine;
  const { id } = book.instrumentRules(number);
  const own = [...rows.values()].filter((one) => one.instrument === id);
  const net = sum(own.map(({ qty }) => qty));
  const long = sum(own.map(({ qty }) => (qty > 0n ? qty : 0n)));
  demand(net === 0n, () => `INV-02 ${id} is off by ${net} lots`);
  demand(
    book.netLots(number) === net && book.longLots(number) === long,
    () => `I-24 open interest of ${id} is kept as ${book.longLots(number)} and is ${long}`,
  );
  const accrued = Rational.sum(own.map(({ row }) => holdingOf(engine, row).accrued));
  demand(accrued.isZero() || book.unbookedFunding(number).equals(accrued), () => `I-24 unbooked funding of ${id}`);
  demand(book.unbookedFunding(number).equals(accrued), () => `I-24 unbooked funding of ${id}`);
}

/** I-01, I-02, I-05. */
function transactionsBalance(engine: Engine, { transactions }: Done): void {
  const { book } = engine.machine;
  const rounding = book.findAccount("rounding");
  const insurance = book.findAccount("insurance");
  for (const { kind, postings } of transactions) {
    for (const asset of new Set(postings.map((one) => one.asset))) {
      const own = postings.filter((one) => one.asset === asset);
      const { id, quantum } = book.assetRules(asset);
      const left = Rational.sum(own.map((one) => one.amount));
      demand(left.isZero(), () => `I-01 ${kind} leaves ${left.toString()} ${id}`);
      const rounded = Rational.sum(own.filter((one) => one.account === rounding).map((one) => one.amount));
      // FUND-07: what `clearing` accrues is rounded once for each half that is waited for.
      const roundings = own.length + engine.machine.pendingHalves.size;
      const most = quantum.times(Rational.ofInteger(roundings));
      // LIQ-26: what a pool's own roundings took may come back to it, and what those of an expiry took to `clearing`.
      // EXP-04: behind a matching engine a step of an expiry may take back a quantum that those before it brought.
      const step = kind === "fill" && engine.machine.closedInstruments.size > 0 && rounded.plus(quantum).sign >= 0;
      const back = (kind === "bad_debt" || kind === "rounding" || step) && rounded.sign < 0;
      demand(
        back || (rounded.sign >= 0 && rounded.below(most)),
        () => `I-02 ${kind} rounds ${rounded.toString()} ${id} with ${own.length} legs`,
      );
      demand(
        kind !== "fill" || rounded.isMultipleOf(quantum),
        () => `NUM-05 a fill rounds ${rounded.toString()} ${id}`,
      );
    }
    for (const one of postings) {
      if (one.account === insurance) demand(fundKinds.has(kind), () => `I-05 the fund moves by ${kind}`);
      const { quantum } = book.assetRules(one.asset);
      const free = one.account === rounding || one.leg === "accrued";
      demand(free || one.amount.isMultipleOf(quantum), () => `NUM-05 ${kind} posts ${one.amount.toString()}`);
    }
  }
}

/** Cash, margin and cost change by what is posted, and by nothing else. */
function changesArePosted(engine: Engine, { transactions, before, after }: Done): void {
  const { book } = engine.machine;
  const posted = new Map<string, Rational>();
  for (const { postings } of transactions)
    for (const { account, asset, leg, amount } of postings) {
      if (leg === "external" || leg === "accrued") continue;
      const key = `${leg} ${book.accountId(account)} ${book.assetRules(asset).id}`;
      posted.set(key, (posted.get(key) ?? zero).plus(leg === "cost" ? zero.minus(amount) : amount));
    }
  const changed = changes(engine, before, after);
  for (const key of new Set([...posted.keys(), ...changed.keys()])) {
    const [said, done] = [posted.get(key) ?? zero, changed.get(key) ?? zero];
    demand(said.equals(done), () => `I-01 ${key} changes by ${done.toString()} and ${said.toString()} is posted`);
  }
}

/** `leg account asset` → units, by comparing two readings. */
function changes(engine: Engine, before: Reading, after: Reading): Map<string, Rational> {
  const { book } = engine.machine;
  const changed = new Map<string, Rational>();
  const add = (key: string, asset: string, quanta: bigint): void => {
    const { quantum } = book.assetRules(book.assetIndex(asset));
    changed.set(key, (changed.get(key) ?? zero).plus(quantum.times(Rational.ofInteger(quanta))));
  };
  for (const [reading, sign] of [
    [before, -1n],
    [after, 1n],
  ] as const) {
    for (const [key, amount] of reading.cash) add(`cash ${key}`, key.slice(key.indexOf(" ") + 1), sign * amount);
    for (const { account, instrument, cost, margin } of reading.rows.values()) {
      const settle = book.assetRules(book.settleIndex(book.instrumentIndex(instrument))).id;
      add(`cost ${account} ${settle}`, settle, sign * cost);
      add(`margin ${account} ${settle}`, settle, sign * margin);
    }
    for (const [asset, fraction] of reading.fractions) {
      const key = `cash rounding ${asset}`;
      const signed = sign > 0n ? fraction : zero.minus(fraction);
      changed.set(key, (changed.get(key) ?? zero).plus(signed));
    }
  }
  return changed;
}

/** I-26: a payment reaches everybody who holds the instrument, at its value at mark, and adds up to nothing. I-25: prices are positive. */
export function checkFunding(engine: Engine): Check {
  const matching = engine.machine.options.venue === "matching";
  return (entry) => {
    const accruedBefore = new Map<number, Rational>();
    const { book } = engine.machine;
    const number = entry.k === "funding" ? book.instrumentIndex(entry.instrument) : -1;
    if (number >= 0) for (const row of book.rowsOf(number)) accruedBefore.set(row, holdingOf(engine, row).accrued);
    return ({ facts, transactions, after }) => {
      for (let asset = 0; asset < book.assetCount; asset += 1)
        demand(indexOf(engine, asset).sign > 0, () => `I-25 index of ${asset}`);
      if (entry.k !== "funding" || facts.some(({ fact }) => /^(liquidation|adl|funding\.refused)/.test(fact))) return;
      let total = zero;
      for (const { row, account, instrument } of after.rows.values()) {
        if (instrument !== entry.instrument) continue;
        const held = holdingOf(engine, row);
        const due = zero.minus(
          worth(held.instrument, held.qty, markOf(engine, number)).abs().times(Rational.parse(entry.rate)),
        );
        const expected = held.qty.sign > 0 ? due : zero.minus(due);
        // FUND-07: `clearing` behind a matching engine books at once what it accrues.
        const booked = matching && account === "clearing" ? bookedAtOnce(transactions) : zero;
        const paid = held.accrued.minus(accruedBefore.get(row) ?? zero).plus(booked);
        demand(
          paid.equals(expected),
          () => `I-26 ${instrument} row ${row} accrues ${paid.toString()} instead of ${expected.toString()}`,
        );
        total = total.plus(paid);
      }
      demand(total.isZero(), () => `I-26 funding of ${entry.instrument} adds up to ${total.toString()}`);
    };
  };
}

/** What the transactions of one payment turn from accrued into cash. */
const bookedAtOnce = (transactions: Done["transactions"]): Rational =>
  Rational.sum(
    transactions
      .filter(({ kind }) => kind === "funding")
      .flatMap(({ postings }) => postings)
      .filter((one) => one.leg === "cash")
      .map((one) => one.amount),
  );
