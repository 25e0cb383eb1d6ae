import type { EntryBody, Fact } from "#libs/contracts/log.ts";
import type { AssetDocument, InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Engine, type MachineOptions } from "#libs/engine/index.ts";
import { SimulatedExchange } from "#libs/simulation/exchange.ts";

/** A small exchange for tests: one linear perpetual X on BTC, settled in USDT, 10 % initial and 5 % maintenance margin. */
export const usdt: AssetDocument = { id: "USDT", quantum: "0.01" };
export const btc: AssetDocument = { id: "BTC", quantum: "0.00000001" };

export function perpetual(changes: Partial<InstrumentDocument> = {}): InstrumentDocument {
  return {
    id: "X",
    kind: "linear",
    base: "BTC",
    quote: "USDT",
    settle: "USDT",
    lot: "1",
    maxLeverage: "100",
    tiers: [{ from: "0", im: "0.1", mm: "0.05" }],
    ...changes,
  };
}

export function rules(changes: Partial<RuleDocument> = {}): RuleDocument {
  return { assets: [usdt, btc], instruments: [perpetual()], liquidity: "mark", ...changes };
}

/** An exchange with prices set (BTC and X at 100, USDT at 1), and short words for what happens on it. */
export class TestExchange {
  readonly engine: Engine;
  readonly exchange: SimulatedExchange;
  readonly facts: Fact[] = [];
  #t = 0;

  constructor(document: RuleDocument = rules(), options: Partial<MachineOptions> = {}) {
    this.engine = Engine.create(document, { roundsPerFrame: "all", ...options });
    this.exchange = new SimulatedExchange(this.engine, { liquidity: document.liquidity ?? "mark" });
    this.prices({ USDT: "1", BTC: "100" }, Object.fromEntries(document.instruments.map((one) => [one.id, "100"])));
  }

  apply(body: EntryBody, t = this.#t): Fact[] {
    this.#t = t;
    const facts = this.exchange.apply({ ...body, t });
    this.facts.push(...facts);
    return facts;
  }

  prices(index: Record<string, string>, mark: Record<string, string>, t = this.#t): Fact[] {
    this.#t = t;
    const facts = this.exchange.given({ index, mark }, t);
    this.facts.push(...facts);
    return facts;
  }

  mark(price: string, instrument = "X", t = this.#t): Fact[] {
    return this.prices({}, { [instrument]: price }, t);
  }

  cash(account: string, amount: string, asset = "USDT"): Fact[] {
    return this.apply({ k: "cash", account, asset, amount });
  }

  trade(buyer: string, seller: string, qty: string, price = "100", instrument = "X"): Fact[] {
    return this.apply({ k: "trade", instrument, buyer, seller, qty, price });
  }

  /** The facts of a kind so far. */
  of(name: string): Fact[] {
    return this.facts.filter((one) => one.fact === name);
  }

  /** The stages of the waterfall a saga went through, in order, by the names of its states. */
  stages(): unknown[] {
    return this.of("liquidation.stage").map((one) => one["state"]);
  }

  fund(asset = "USDT"): string {
    return this.engine.exchange().fund[asset] ?? "";
  }

  /** Names of the invariants that do not hold: every test ends with none. */
  broken(): string[] {
    return Object.entries(this.engine.invariants()).flatMap(([name, result]) =>
      result === true || result === "not applicable" ? [] : [`${name}: ${result}`],
    );
  }
}
