import type { Fact } from "#libs/contracts/log.ts";
import type { Scenario, ScenarioEntry } from "#libs/contracts/scenario-entries.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import { Engine, type InvariantReport, unsettledPayments } from "#libs/engine/index.ts";
import { SimulatedExchange } from "./exchange.ts";

export interface ScenarioResult {
  /** Every invariant held. */
  readonly ok: boolean;
  readonly stateHash: string;
  readonly answers: readonly unknown[];
  readonly facts: readonly Fact[];
  readonly invariants: InvariantReport;
  /** By number of the fact. */
  readonly receipts: ReadonlyMap<number, Receipt>;
}

export interface ScenarioOptions {
  /** Build receipts: `explain` needs them, a plain replay does not. */
  readonly receipts?: boolean;
}

/** Runs a scenario that the door has let in. Deterministic: the same scenario gives the same result anywhere. */
export function runScenario(scenario: Scenario, options: ScenarioOptions = {}): ScenarioResult {
  const engine = Engine.create(scenario.rules, { roundsPerFrame: "all", receipts: options.receipts ?? false });
  const run = new ScenarioRun(engine);
  for (const entry of scenario.entries) run.take(entry);
  run.finish();
  const invariants = engine.invariants();
  return {
    ok: Object.values(invariants).every((one) => one === true || one === "not applicable"),
    stateHash: engine.stateHash(),
    answers: run.answers,
    facts: run.facts,
    invariants,
    receipts: engine.machine.receipts,
  };
}

/** Funding payments that may wait unbooked before a scenario settles them. */
const unsettledMax = 900;

class ScenarioRun {
  readonly answers: unknown[] = [];
  readonly facts: Fact[] = [];
  readonly #engine: Engine;
  readonly #exchange: SimulatedExchange;
  /** Quotes of one instant wait for each other: they make one frame. */
  #quotedAt: number | null = null;
  #everQuoted = false;
  #t = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#exchange = new SimulatedExchange(engine);
  }

  take(entry: ScenarioEntry): void {
    if (entry.k === "quote") {
      if (this.#quotedAt !== null && this.#quotedAt !== entry.t) this.#frame(this.#quotedAt);
      this.#exchange.quote(entry);
      this.#quotedAt = entry.t;
      this.#everQuoted = true;
      return;
    }
    this.finish();
    // Time has passed for the sources too: prices that have gone stale are known to be before the entry is applied.
    if (this.#everQuoted && entry.t > this.#t) this.#frame(entry.t);
    this.#t = entry.t;
    this.#apply(entry);
  }

  /** Frames the quotes that still wait. */
  finish(): void {
    if (this.#quotedAt !== null) this.#frame(this.#quotedAt);
  }

  #frame(t: number): void {
    this.#quotedAt = null;
    this.#t = t;
    this.facts.push(...this.#exchange.frame(t));
  }

  #apply(entry: Exclude<ScenarioEntry, { k: "quote" }>): void {
    const { t } = entry;
    switch (entry.k) {
      case "ask":
        this.answers.push(this.#answer(entry));
        return;
      case "index":
        this.#keep(this.#exchange.given({ index: { [entry.asset]: entry.price } }, t));
        return;
      case "mark":
        this.#keep(this.#exchange.given({ mark: { [entry.instrument]: entry.price } }, t));
        return;
      case "frame":
        this.#keep(this.#exchange.given(entry, t));
        return;
      case "quality":
        this.#keep(
          this.#exchange.apply({ k: "frame", ...this.#exchange.pricing.setQuality(entry.id, entry.quality), t }),
        );
        return;
      case "depth":
        this.#exchange.setDepth(entry.instrument, entry.bids, entry.asks);
        // A new book is news to those who wait for one; health itself has not changed.
        this.#keep(this.#exchange.apply({ k: "time", t }));
        return;
      case "time":
        this.#keep(this.#exchange.frame(t));
        this.#keep(this.#exchange.apply(entry));
        return;
      case "expire":
        this.#keep(this.#exchange.apply(entry));
        this.#settleExpired(entry.instrument, t);
        return;
      case "funding":
        this.#settleFunding(entry.instrument, t);
        this.#keep(this.#exchange.apply(entry));
        return;
      default:
        this.#keep(this.#exchange.apply(entry));
    }
  }

  /** Positions of an expired instrument settle in chunks: all of them, as the scheduler would see to. */
  #settleExpired(instrument: string, t: number): void {
    const { book } = this.#engine.machine;
    const number = book.instrumentIndex(instrument);
    for (let chunk = 0; chunk < 10_000 && book.rowsOf(number).length > 0; chunk += 1) {
      const before = book.rowsOf(number).length;
      this.#keep(this.#exchange.apply({ k: "settle", instrument, t }));
      if (book.rowsOf(number).length === before) return;
    }
  }

  /** Books accrued funding before too many payments wait, as the scheduler would after each. */
  #settleFunding(instrument: string, t: number): void {
    const { machine } = this.#engine;
    const number = machine.book.instrumentIndex(instrument);
    while (unsettledPayments(machine, number) >= unsettledMax)
      this.#keep(this.#exchange.apply({ k: "settle", instrument, t }));
  }

  #keep(facts: readonly Fact[]): void {
    for (const fact of facts) this.facts.push(fact);
  }

  #answer(entry: Extract<ScenarioEntry, { k: "ask" }>): unknown {
    switch (entry.what) {
      case "account":
        return this.#engine.account(entry.account, entry.alone ?? false);
      case "exchange":
        return this.#engine.exchange();
      case "alloc":
        return this.#engine.allocation(entry.instrument, entry.side, entry.qty, entry.policy);
      case "reduce":
        return this.#engine.reduce(entry.account);
      default:
        throw new RangeError("a question that nobody knows");
    }
  }
}
