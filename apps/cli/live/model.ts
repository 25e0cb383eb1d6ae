import type { Fact, FrameEntry } from "#libs/contracts/log.ts";
import type { ExchangeAnswer } from "#libs/contracts/answers.ts";
import type { ShardStatus } from "#libs/contracts/live/margin.ts";
import type { VenueStatus } from "#libs/contracts/live/venue.ts";

/** What one stage of the waterfall has done so far. USD at mark; figures for people, so floats will do. */
export interface StageTally {
  steps: number;
  usd: number;
}

export interface RecentEvent {
  readonly t: number;
  readonly text: string;
  readonly tone: "plain" | "warn" | "bad" | "good";
}

const recentMax = 6;
export const stageNames: Readonly<Record<number, string>> = {
  1: "lock",
  2: "partial",
  3: "full",
  4: "providers",
  5: "fund-backed",
  6: "ADL",
  7: "bad debt",
};

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => Number(text(value));

/** Everything the terminal view and the summary show, built from facts, frames and answers as they come. */
export class LiveModel {
  readonly marks = new Map<string, { price: string; from: number; low: number }>();
  readonly qualities = new Map<string, string>();
  readonly stages = new Map<number, StageTally>();
  /** Open liquidations: saga → stage. */
  readonly sagas = new Map<string, number>();
  readonly outcomes = new Map<string, number>();
  readonly recent: RecentEvent[] = [];
  readonly states = new Map<string, ShardStatus>();
  readonly exchanges = new Map<string, ExchangeAnswer>();
  venue: VenueStatus | null = null;
  liquidations = 0;
  warnings = 0;
  adlFills = 0;
  adlUsd = 0;
  fundPaidUsd = 0;
  fills = 0;
  factCount = 0;
  parked = 0;
  attested = 0;
  differing = 0;
  auditFailures = 0;
  halts = 0;
  /** By shard, the last fact seen and whether one was missed. */
  readonly lastFact = new Map<string, number>();
  missedFacts = 0;
  /** Market clock. */
  t = 0;
  readonly #slots = new Set<number>();

  tookFrame(frame: FrameEntry & { readonly t: number }): void {
    this.t = Math.max(this.t, frame.t);
    for (const [id, price] of Object.entries(frame.mark ?? {})) {
      const known = this.marks.get(id);
      const value = Number(price);
      this.marks.set(id, { price, from: known?.from ?? value, low: Math.min(known?.low ?? value, value) });
    }
    for (const [id, quality] of Object.entries(frame.quality ?? {})) this.qualities.set(id, quality);
  }

  tookFacts(shard: string, from: number, facts: readonly Fact[]): void {
    const last = this.lastFact.get(shard);
    if (last !== undefined && from > last + 1) this.missedFacts += from - last - 1;
    for (const fact of facts) {
      if (fact.seq <= (this.lastFact.get(shard) ?? 0)) continue;
      this.lastFact.set(shard, fact.seq);
      this.factCount += 1;
      this.t = Math.max(this.t, fact.t);
      this.#took(fact);
    }
  }

  #took(fact: Fact): void {
    const account = text(fact["account"]);
    switch (fact.fact) {
      case "fill":
        this.fills += 1;
        return;
      case "warning":
        this.warnings += 1;
        return;
      case "liquidation.started":
        this.liquidations += 1;
        this.sagas.set(text(fact["saga"]), 1);
        return this.#say(
          fact,
          `${account} is to be liquidated at a ratio of ${text(fact["ratio"]).slice(0, 6)}`,
          "warn",
        );
      case "liquidation.stage":
        this.sagas.set(text(fact["saga"]), Number(fact["stage"]));
        return;
      case "liquidation.step":
        return this.#tookStep(fact);
      case "adl.filled":
        return this.#tookAdl(fact, account);
      case "insurance.paid":
        return this.#tookPayment(fact, account);
      case "liquidation.ended": {
        const outcome = text(fact["outcome"]);
        this.sagas.delete(text(fact["saga"]));
        this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
        return;
      }
      case "debt.parked":
        this.parked += 1;
        return this.#say(fact, `a debt of ${text(fact["amount"])} ${text(fact["asset"])} is parked`, "bad");
      case "positions.attested":
        this.attested += 1;
        return this.#attestedSlots(fact);
      case "positions.differ":
        this.differing += 1;
        this.#attestedSlots(fact);
        return this.#say(fact, "positions differ from the matching engine's", "bad");
      case "audit.failed":
        this.auditFailures += 1;
        return this.#say(fact, `the self-audit failed: ${text(fact["failure"])}`, "bad");
      default:
        if (fact.fact.startsWith("halt.")) this.#tookHalt(fact);
    }
  }

  /** From now on: which slots the matching engine has said its positions of. */
  beginAttestation(): void {
    this.#slots.clear();
  }

  /** How many slots have been compared since `beginAttestation`. */
  get attestedSlots(): number {
    return this.#slots.size;
  }

  #attestedSlots(fact: Fact): void {
    for (let slot = Number(fact["from"]); slot < Number(fact["to"]); slot += 1) this.#slots.add(slot);
  }

  #tookStep(fact: Fact): void {
    const stage = Number(fact["stage"]);
    const tally = this.stages.get(stage) ?? { steps: 0, usd: 0 };
    this.stages.set(stage, tally);
    tally.steps += 1;
    tally.usd += this.#usd(text(fact["instrument"]), number(fact["qty"]), number(fact["mark"]));
  }

  #tookAdl(fact: Fact, account: string): void {
    this.adlFills += 1;
    const usd = this.#usd(text(fact["instrument"]), number(fact["qty"]), number(fact["price"]));
    this.adlUsd += usd;
    const tally = this.stages.get(6) ?? { steps: 0, usd: 0 };
    this.stages.set(6, { steps: tally.steps + 1, usd: tally.usd + usd });
    this.#say(fact, `${account} is deleveraged against ${text(fact["against"])}`, "bad");
  }

  #tookPayment(fact: Fact, account: string): void {
    this.fundPaidUsd += number(fact["amount"]);
    this.#say(fact, `the fund pays ${text(fact["amount"])} ${text(fact["asset"])} for ${account}`, "warn");
  }

  #tookHalt(fact: Fact): void {
    this.halts += 1;
    const scope = [text(fact["scope"]), text(fact["id"])].filter((one) => one !== "").join(" ");
    const state = text(fact["state"]);
    this.#say(fact, `${scope || "exchange"}: ${state || fact.fact} (${text(fact["reason"])})`, "warn");
  }

  /** Linear contracts of the demonstration have one coin a contract; an inverse one is worth its count in dollars. */
  #usd(instrument: string, qty: number, price: number): number {
    return /INV|USD-INVERSE/.test(instrument) ? qty : qty * price;
  }

  #say(fact: Fact, said: string, tone: RecentEvent["tone"]): void {
    this.recent.push({ t: fact.t, text: said, tone });
    if (this.recent.length > recentMax) this.recent.shift();
  }
}
