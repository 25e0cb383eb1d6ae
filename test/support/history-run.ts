import type { Rational } from "#libs/decimal/index.ts";
import type { Effect, Entry, Fact } from "#libs/contracts/log.ts";
import { Engine } from "#libs/engine/index.ts";
import type { Transaction } from "#libs/engine/ledger.ts";
import { SimulatedExchange } from "#libs/simulation/exchange.ts";
import type { History } from "./histories.ts";

/** One position as the book's columns have it: lots and settle quanta. */
export interface RowReading {
  readonly account: string;
  readonly instrument: string;
  readonly row: number;
  readonly qty: bigint;
  readonly cost: bigint;
  readonly margin: bigint;
  readonly isolated: boolean;
}

/** Everything of the book that is money or contracts, read column by column. */
export interface Reading {
  /** `account asset` → quanta; zeros left out. */
  readonly cash: ReadonlyMap<string, bigint>;
  /** `account instrument`; rows that hold nothing left out. */
  readonly rows: ReadonlyMap<string, RowReading>;
  /** asset → units that `rounding` holds beyond whole quanta. */
  readonly fractions: ReadonlyMap<string, Rational>;
}

export function readBook(engine: Engine): Reading {
  const { book } = engine.machine;
  const cash = new Map<string, bigint>();
  const rows = new Map<string, RowReading>();
  const fractions = new Map<string, Rational>();
  for (let account = 0; account < book.accountCount; account += 1) {
    const name = book.accountId(account);
    for (let at = book.firstCashRow(account); at >= 0; at = book.nextCashRow(at))
      if (book.cashAmount(at) !== 0n)
        cash.set(`${name} ${book.assetRules(book.cashAsset(at)).id}`, book.cashAmount(at));
    for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) {
      const instrument = book.instrumentRules(book.rowInstrument(row)).id;
      const [qty, cost, margin] = [book.qty(row), book.cost(row), book.margin(row)];
      if (qty === 0n && cost === 0n && margin === 0n) continue;
      rows.set(`${name} ${instrument}`, {
        account: name,
        instrument,
        row,
        qty,
        cost,
        margin,
        isolated: book.isIsolated(row),
      });
    }
  }
  for (let asset = 0; asset < book.assetCount; asset += 1)
    fractions.set(book.assetRules(asset).id, book.roundingFraction(asset));
  return { cash, rows, fractions };
}

/** What one entry of the log did; the engine is as it stands after it. */
export interface Done {
  readonly entry: Entry;
  readonly facts: readonly Fact[];
  readonly effects: readonly Effect[];
  readonly transactions: readonly Transaction[];
  readonly before: Reading;
  readonly after: Reading;
}

/** Called before an entry; what it returns is called after it, and throws where something does not hold. */
export type Check = (entry: Entry) => (done: Done) => void;
/** Made once for a run, so that it may remember what it has seen. */
export type CheckMaker = (engine: Engine) => Check;

export function demand(holds: boolean, what: () => string): asserts holds {
  if (!holds) throw new Error(what());
}

export interface RunResult {
  readonly engine: Engine;
  readonly exchange: SimulatedExchange;
  /** Every entry that the engine was given, outcomes of its effects included. */
  readonly log: readonly Entry[];
  readonly facts: readonly Fact[];
}

export interface RunOptions {
  /** Called when a step and all that followed from it is over, with the facts of the history so far. */
  readonly afterStep?: (exchange: SimulatedExchange, facts: readonly Fact[]) => void;
  readonly roundsPerFrame?: "one" | "all";
}

/** Runs a history through engine and simulated venue, with every check around every single entry of the log. */
export function runHistory(history: History, makers: readonly CheckMaker[] = [], options: RunOptions = {}): RunResult {
  const engine = Engine.create(history.document, { roundsPerFrame: options.roundsPerFrame ?? "all" });
  const log: Entry[] = [];
  const facts: Fact[] = [];
  watch(engine, makers, log, facts);
  const exchange = new SimulatedExchange(engine, { liquidity: history.document.liquidity ?? "mark" });
  for (const step of history.steps) {
    if (step.k === "depth") {
      exchange.setDepth(step.instrument, step.bids, step.asks);
      // A new book is news to those who wait for one.
      exchange.apply({ k: "time", t: step.t });
    } else exchange.apply(step);
    options.afterStep?.(exchange, facts);
  }
  return { engine, exchange, log, facts };
}

/** Puts the checks around the engine's own `apply`, so that the venue's answers are seen too. */
function watch(engine: Engine, makers: readonly CheckMaker[], log: Entry[], facts: Fact[]): void {
  const plain = engine.apply.bind(engine);
  const checks = makers.map((make) => make(engine));
  let reading = readBook(engine);
  engine.apply = (entry) => {
    log.push(entry);
    try {
      const before = reading;
      const pending = checks.map((check) => check(entry));
      const applied = plain(entry);
      reading = readBook(engine);
      for (const fact of applied.facts) facts.push(fact);
      for (const check of pending) check({ entry, ...applied, before, after: reading });
      return applied;
    } catch (error) {
      throw new Error(`at entry ${log.length} ${shown(entry)}: ${(error as Error).message}`, { cause: error });
    }
  };
}

function shown(entry: Entry): string {
  return entry.k === "rules" ? "rules" : JSON.stringify(entry);
}
