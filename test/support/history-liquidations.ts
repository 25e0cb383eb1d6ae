import { Rational } from "#libs/decimal/index.ts";
import type { Entry, Fact } from "#libs/contracts/log.ts";
import type { Engine } from "#libs/engine/index.ts";
import { holdingOf, indexOf, markOf, plainHealth, rowsOfPool, stageOf, worth } from "./history-health.ts";
import { type Check, demand, type Done, type Reading } from "./history-run.ts";

const { zero } = Rational;
const text = (fact: Fact, field: string): string => String(fact[field]);
const number = (fact: Fact, field: string): Rational => exact(text(fact, field));

/** Amounts of facts may have more digits than a border lets in. */
export function exact(written: string): Rational {
  const [whole = "0", fraction = ""] = written.split(".");
  return Rational.ofUnits(BigInt(whole + fraction), fraction.length);
}

function isOutcome(entry: Entry): entry is Extract<Entry, { effect: string }> {
  return entry.k === "blocked" || entry.k === "closed" || entry.k === "resumed";
}

/** The pool of the saga that waits for this outcome. */
function poolOfOutcome(engine: Engine, entry: Entry): number | null {
  if (!isOutcome(entry)) return null;
  for (const saga of engine.machine.sagas.values()) if (saga.effect === entry.effect) return saga.pool;
  return null;
}

function poolOfFact(engine: Engine, fact: Fact): number | null {
  const { book } = engine.machine;
  const account = book.findAccount(text(fact, "account"));
  if (typeof fact["instrument"] !== "string") return book.crossPool(account);
  const row = book.findRow(account, book.instrumentIndex(fact["instrument"]));
  return row < 0 ? null : book.isolatedPool(row);
}

/** I-13, I-14: only a pool at or below the threshold is begun with, only such a pool is touched, and every partial close raises its ratio. */
export function checkTriggers(engine: Engine): Check {
  return (entry) => {
    const pool = poolOfOutcome(engine, entry);
    const before = pool === null ? null : plainHealth(engine, pool);
    const due = before === null ? 0 : stageOf(engine, before);
    const bound = boundOf(engine, entry);
    return ({ facts, transactions, before: was, after }) => {
      for (const fact of facts) {
        if (fact.fact !== "liquidation.started") continue;
        const started = poolOfFact(engine, fact);
        if (started !== null)
          demand(stageOf(engine, plainHealth(engine, started)) > 0, () => `I-13 ${text(fact, "account")} is not due`);
      }
      if (pool === null || before === null) return;
      const steps = facts.filter((one) => one.fact === "liquidation.step" || one.fact === "adl.filled");
      if (entry.k === "blocked" && due === 0) {
        demand(steps.length === 0, () => "I-13 a pool above the threshold is liquidated");
        const mine = engine.machine.accountName(engine.machine.book.poolAccount(pool));
        const named = facts
          .filter((one) => one.fact !== "order.cancelled" && one.fact !== "warning")
          .every((one) => one["account"] === mine);
        // A debt that it went with may come due for conversion once it is free.
        const converted = facts.some((one) => one.fact === "conversion.booked");
        if (named && !converted) demand(sameMoney(was, after), () => "I-13 a release that costs something");
      }
      const partial = steps.length > 0 && steps.every((one) => one["stage"] === 2);
      if (
        entry.k !== "closed" ||
        !partial ||
        !bound ||
        facts.some((one) => one.fact === "conversion.booked" || one.fact === "insurance.paid") ||
        // What was closed in full before this is charged for at the end.
        transactions.some(({ kind }) => kind === "liquidation_fee")
      )
        return;
      const now = plainHealth(engine, pool);
      const flat = rowsOfPool(engine, pool).length === 0;
      const raised = flat || now.maintenance.times(before.mm).above(before.maintenance.times(now.mm));
      demand(raised, () => `I-14 a partial close takes the ratio from ${ratio(before)} to ${ratio(now)}`);
    };
  };
}

/** Whether an answer is to an order of this frame, and no fill of it worse than its limit: of any other nothing is promised. */
function boundOf(engine: Engine, entry: Entry): boolean {
  const { openEffects, sagas, frame } = engine.machine;
  const order = entry.k === "closed" ? openEffects.get(entry.effect) : undefined;
  if (entry.k !== "closed" || order?.effect !== "close") return false;
  const current = [...sagas.values()].some((one) => one.effect === order.id && one.frame === frame);
  const limit = order.limit === null ? null : exact(order.limit);
  const sells = order.side === "sell";
  const within = (price: Rational): boolean => limit === null || (sells ? price.atLeast(limit) : price.atMost(limit));
  return current && entry.fills.every((one) => within(exact(one.price)));
}

const ratio = ({ maintenance, mm }: { maintenance: Rational; mm: Rational }): string =>
  mm.isZero() ? "none" : maintenance.dividedBy(mm).toStringDown();

function sameMoney(before: Reading, after: Reading): boolean {
  const flat = ({ cash, rows }: Reading): string =>
    [...cash, ...[...rows].map(([key, { qty, cost, margin }]) => [key, `${qty} ${cost} ${margin}`] as const)]
      .map(([key, amount]) => `${key} ${amount}`)
      .sort()
      .join();
  return flat(before) === flat(after);
}

/** Which states of a saga may be entered from which: 4 from 3 or on sight of `E_full < 0`, 5 from 4, 6 from 5, 7 from 6 (I-08). */
const leadsTo: Readonly<Record<string, string>> = {
  "fund-backed": "providers",
  deleveraging: "fund-backed",
  "bad-debt": "deleveraging",
};

/** I-08, I-27: the waterfall runs in its order, each step once, and what it waits for is answered. */
export function checkWaterfall(engine: Engine): Check {
  const states = new Map<string, string>();
  const steps = new Set<string>();
  /** How often one step of the history has taken up a pool. */
  const begun = new Map<string, number>();
  return (entry) => {
    const pool = poolOfOutcome(engine, entry);
    if (!isOutcome(entry)) begun.clear();
    const noFill = entry.k === "closed" && entry.fills.length === 0;
    const budget = pool !== null && noFill ? lotsTheFundCouldTopUp(engine, pool) : null;
    return ({ facts }) => {
      for (const fact of facts) {
        const saga = text(fact, "saga");
        if (fact.fact === "liquidation.started") {
          const name = `${text(fact, "account")} ${text(fact, "instrument")}`;
          begun.set(name, (begun.get(name) ?? 0) + 1);
          demand((begun.get(name) ?? 0) <= 10, () => `I-27 ${name} is taken up again and again`);
        }
        if (fact.fact === "liquidation.stage") {
          const state = text(fact, "state");
          const from = leadsTo[state];
          demand(
            from === undefined || states.get(saga) === from,
            () => `I-08 ${saga} is ${state} after ${states.get(saga) ?? "nothing"}`,
          );
          states.set(saga, state);
        }
        if (fact.fact === "adl.allocated") {
          demand(
            states.get(saga) === "deleveraging",
            () => `I-08 ${saga} deleverages while ${states.get(saga) ?? "nothing"}`,
          );
          const lots = budget?.get(text(fact, "instrument"));
          demand(
            lots === undefined || !lots,
            () => `I-08 ${saga} deleverages ${text(fact, "instrument")} though the fund could top up a lot`,
          );
        }
        if (fact.fact !== "liquidation.step" && fact.fact !== "adl.filled") continue;
        const key = `${saga} ${text(fact, "step")}`;
        demand(!steps.has(key), () => `I-27 step ${key} twice`);
        steps.add(key);
      }
    };
  };
}

/** Instrument → whether the fund's balance, cap and no brake would pay for one more lot at mark; only where lots fill at mark. */
function lotsTheFundCouldTopUp(engine: Engine, pool: number): Map<string, boolean> {
  const { book, sagas, rules, ledger } = engine.machine;
  const found = new Map<string, boolean>();
  const saga = [...sagas.values()].find((one) => one.pool === pool);
  // A matching engine may have nothing to fill them with.
  if (engine.machine.options.venue === "matching") return found;
  if (saga === undefined || rules.liquidity !== "mark" || rules.fund.brake !== null) return found;
  for (const row of rowsOfPool(engine, pool)) {
    const held = holdingOf(engine, row);
    const reference = saga.bankruptcy.get(held.number) ?? null;
    if (reference === null || reference.sign <= 0) continue;
    const { quantum } = book.assetRules(held.settle);
    const cap = rules.fund.eventCap?.minus(saga.spentUsd).dividedBy(indexOf(engine, held.settle)) ?? null;
    const balance = ledger.balance(book.findAccount("insurance"), held.settle);
    const room = cap === null ? balance : Rational.min(cap, balance);
    const lot = held.instrument.lot.times(Rational.ofInteger(held.qty.sign));
    const loss = worth(held.instrument, lot, reference).minus(worth(held.instrument, lot, markOf(engine, held.number)));
    found.set(held.instrument.id, loss.plus(quantum.times(Rational.ofInteger(3))).atMost(room));
  }
  return found;
}

/** I-07: what a bad debt takes is what funds and winners pay and what is parked; I-12: only holders of the instrument share a loss. */
export function checkDebts(engine: Engine): Check {
  return () => (done) => {
    const { facts, transactions, before, after } = done;
    const { book } = engine.machine;
    const [debt, fund] = [book.findAccount("bad_debt"), book.findAccount("insurance")];
    let [restUsd, slackUsd] = [zero, zero];
    for (let asset = 0; asset < book.assetCount; asset += 1) {
      const { id, quantum } = book.assetRules(asset);
      const legs = (account: number, kinds: readonly string[], sign: number): Rational =>
        Rational.sum(
          transactions
            .filter(({ kind }) => kinds.includes(kind))
            .flatMap(({ postings }) => postings)
            .filter(
              (one) => one.account === account && one.asset === asset && one.amount.sign === sign && one.leg === "cash",
            )
            .map((one) => one.amount),
        );
      const told = (name: string): Rational =>
        Rational.sum(
          facts.filter((one) => one.fact === name && one["asset"] === id).map((one) => number(one, "amount")),
        );
      const owed = legs(debt, ["bad_debt", "fill"], -1).negated();
      const paid = legs(debt, ["bad_debt", "fill"], 1);
      const parked = told("debt.parked").minus(told("debt.repaid"));
      const rest = owed.minus(paid).minus(parked);
      const price = indexOf(engine, asset);
      restUsd = restUsd.plus(rest.times(price));
      // What funds give in kind is worth what it stands for, up to a quantum of it each time.
      if (paid.sign > 0) slackUsd = slackUsd.plus(quantum.times(price).times(Rational.ofInteger(facts.length)));
      const spent = legs(fund, ["fill", "bad_debt"], -1).negated();
      const said = told("insurance.paid").plus(told("debt.repaid"));
      demand(spent.equals(said), () => `I-05 the fund of ${id} gives ${spent.toString()} and says ${said.toString()}`);
      demand(told("loss.shared").isMultipleOf(quantum), () => `I-07 a share of ${id} that is no whole quanta`);
    }
    demand(
      restUsd.sign <= 0 && restUsd.plus(slackUsd).sign >= 0,
      () => `I-07 D exceeds paid and parked by ${restUsd.toString()} USD`,
    );
    for (const fact of facts) {
      if (fact.fact !== "loss.shared") continue;
      const key = `${text(fact, "account")} ${text(fact, "instrument")}`;
      demand(
        (before.rows.get(key)?.qty ?? after.rows.get(key)?.qty ?? 0n) !== 0n,
        () => `I-12 ${key} holds nothing and shares a loss`,
      );
    }
    explained(engine, done);
  };
}

/** I-12, I-15: nobody's money or contracts change but of those whom the entry or its facts name. */
function explained(engine: Engine, { entry, facts, before, after }: Done): void {
  const { book } = engine.machine;
  const named = new Set<unknown>();
  for (const source of [entry, ...facts])
    for (const field of ["account", "from", "to", "buyer", "seller", "against", "counterparty"] as const)
      named.add((source as Readonly<Record<string, unknown>>)[field]);
  const settling = entry.k === "settle" || entry.k === "expire" ? entry.instrument : null;
  const mayChange = (account: string): boolean =>
    named.has(account) ||
    book.isSystem(book.findAccount(account)) ||
    (settling !== null && before.rows.has(`${account} ${settling}`));
  for (const key of new Set([...before.cash.keys(), ...after.cash.keys()]))
    demand(
      before.cash.get(key) === after.cash.get(key) || mayChange(key.slice(0, key.indexOf(" "))),
      () => `I-15 ${key} changes unnamed`,
    );
  for (const key of new Set([...before.rows.keys(), ...after.rows.keys()])) {
    const [old, now] = [before.rows.get(key), after.rows.get(key)];
    const same = old?.qty === now?.qty && old?.cost === now?.cost && old?.margin === now?.margin;
    demand(same || mayChange(key.slice(0, key.indexOf(" "))), () => `I-15 ${key} changes unnamed`);
  }
}

/** I-15: fees of a liquidation are at most their rate on what stage 3 closed on book. */
export function checkClosingFees(engine: Engine): Check {
  const closed = new Map<string, Rational>();
  return () =>
    ({ facts }) => {
      for (const fact of facts) {
        const key = `${text(fact, "saga")} ${text(fact, "instrument")}`;
        const { book } = engine.machine;
        // On the book: the simulated one's `market`, or `clearing` for the other half at a matching engine.
        const onBook = fact["counterparty"] === "market" || fact["counterparty"] === "clearing";
        if (fact.fact === "liquidation.step" && fact["stage"] === 3 && onBook) {
          const rules = book.instrumentRules(book.instrumentIndex(text(fact, "instrument")));
          const size = worth(rules, number(fact, "qty"), number(fact, "price")).abs();
          closed.set(key, (closed.get(key) ?? zero).plus(size));
        }
        if (fact.fact !== "liquidation.fees") continue;
        const instrument = book.instrumentIndex(text(fact, "instrument"));
        const { takerFee, liquidationFee } = book.instrumentRules(instrument);
        const { quantum } = book.assetRules(book.settleIndex(instrument));
        const size = closed.get(key) ?? zero;
        for (const [name, rate] of [
          ["taker", takerFee],
          ["liquidation", liquidationFee],
        ] as const)
          demand(
            number(fact, name).atMost(size.times(rate).ceilTo(quantum)),
            () => `I-15 ${key} pays ${name} ${text(fact, name)} on ${size.toString()}`,
          );
      }
    };
}
