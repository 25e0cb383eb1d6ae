import type { Fact } from "#libs/contracts/log.ts";

/** What the tally needs to know of an instrument to express contracts in USD. */
export interface TalliedInstrument {
  readonly kind: "linear" | "inverse";
  readonly multiplier: number;
}

/** Closes of one stage, on book or against providers. USD, at the mark of the moment. */
export interface StageTotals {
  closes: number;
  notionalUsd: number;
  /** What the fills cost against mark; negative: better than mark. */
  slippageUsd: number;
  worstSlippageBp: number;
  readonly accounts: Set<string>;
}

export interface AdlTotals {
  fills: number;
  notionalUsd: number;
  /** Notional that liquidations needed from deleveraging, and how often they asked. */
  neededUsd: number;
  allocations: number;
  readonly byAccount: Map<string, { fills: number; notionalUsd: number }>;
  readonly byInstrument: Map<string, { notionalUsd: number; neededUsd: number; fills: number }>;
}

export interface HaltSpan {
  readonly scope: string;
  readonly id: string | null;
  readonly state: string;
  readonly reason: string;
  readonly since: number;
  until: number | null;
}

const text = (fact: Fact, field: string): string => {
  const value = fact[field];
  return typeof value === "string" ? value : "";
};
const number = (fact: Fact, field: string): number => {
  const value = fact[field];
  return typeof value === "string" || typeof value === "number" ? Number(value) : 0;
};

/** Stages that the default crash has to show, by the names the report gives them. */
export const ladder = ["warning", "partial", "full", "provider", "fund", "adl", "release"] as const;
export type LadderStage = (typeof ladder)[number];

/**
 * Counts what a crash did, from its facts alone. Floats: these are statistics, the money is in the engine. It keeps sums and
 * one entry per account concerned, never the facts.
 */
export class CrashTally {
  readonly #instruments: ReadonlyMap<string, TalliedInstrument>;
  readonly counts = new Map<string, number>();
  readonly warnings = new Map<string, number>();
  readonly stages = new Map<number, StageTotals>();
  readonly adl: AdlTotals = {
    fills: 0,
    notionalUsd: 0,
    neededUsd: 0,
    allocations: 0,
    byAccount: new Map(),
    byInstrument: new Map(),
  };
  readonly liquidated = new Set<string>();
  readonly ended = new Map<string, number>();
  readonly fundPaid = new Map<string, number>();
  readonly lossShared = new Map<string, { amount: number; accounts: Set<string> }>();
  readonly debtParked = new Map<string, number>();
  readonly halts: HaltSpan[] = [];
  readonly haircuts = new Map<string, { t: number; initial: number; maintenance: number }[]>();
  readonly qualityChanges = new Map<string, Map<string, number>>();

  constructor(instruments: ReadonlyMap<string, TalliedInstrument>) {
    this.#instruments = instruments;
  }

  add(facts: readonly Fact[]): void {
    for (const fact of facts) this.#one(fact);
  }

  /** Which rungs of the ladder were reached. */
  reached(): ReadonlySet<LadderStage> {
    const found = new Set<LadderStage>();
    if (this.warnings.size > 0) found.add("warning");
    if (this.stages.has(2)) found.add("partial");
    if (this.stages.has(3)) found.add("full");
    if (this.stages.has(4)) found.add("provider");
    if ((this.counts.get("insurance.paid") ?? 0) > 0) found.add("fund");
    if (this.adl.fills > 0) found.add("adl");
    if ((this.ended.get("released") ?? 0) + (this.ended.get("reduced") ?? 0) > 0) found.add("release");
    return found;
  }

  #one(fact: Fact): void {
    this.counts.set(fact.fact, (this.counts.get(fact.fact) ?? 0) + 1);
    switch (fact.fact) {
      case "warning":
        bump(this.warnings, text(fact, "level"), 1);
        break;
      case "liquidation.started":
        this.liquidated.add(text(fact, "account"));
        break;
      case "liquidation.step":
        this.#step(fact);
        break;
      case "liquidation.ended":
        bump(this.ended, text(fact, "outcome"), 1);
        break;
      case "insurance.paid":
        bump(this.fundPaid, text(fact, "asset"), number(fact, "amount"));
        break;
      case "adl.allocated":
        this.#needed(fact);
        break;
      case "adl.filled":
        this.#deleveraged(fact);
        break;
      case "loss.shared":
        this.#shared(fact);
        break;
      case "debt.parked":
        bump(this.debtParked, text(fact, "asset"), number(fact, "amount"));
        break;
      case "halt.set":
      case "halt.lifted":
        this.#halt(fact);
        break;
      case "haircut.changed":
        this.#haircut(fact);
        break;
      case "price.quality": {
        const id = text(fact, "id");
        const qualities = this.qualityChanges.get(id) ?? new Map<string, number>();
        bump(qualities, text(fact, "quality"), 1);
        this.qualityChanges.set(id, qualities);
        break;
      }
      default:
    }
  }

  /** USD of contracts at a price. */
  #usd(instrument: string, qty: number, price: number): number {
    const of = this.#instruments.get(instrument);
    if (of === undefined) return 0;
    return of.kind === "linear" ? qty * of.multiplier * price : qty * of.multiplier;
  }

  #step(fact: Fact): void {
    const stage = number(fact, "stage");
    const totals = this.stages.get(stage) ?? {
      closes: 0,
      notionalUsd: 0,
      slippageUsd: 0,
      worstSlippageBp: 0,
      accounts: new Set<string>(),
    };
    this.stages.set(stage, totals);
    const [qty, price, mark] = [number(fact, "qty"), number(fact, "price"), number(fact, "mark")];
    const usd = this.#usd(text(fact, "instrument"), qty, mark);
    // A sale below mark and a purchase above it both cost.
    const share = (text(fact, "side") === "sell" ? mark - price : price - mark) / mark;
    totals.closes += 1;
    totals.notionalUsd += usd;
    totals.slippageUsd += usd * share;
    totals.worstSlippageBp = Math.max(totals.worstSlippageBp, share * 10_000);
    totals.accounts.add(text(fact, "account"));
  }

  #ofInstrument(id: string): { notionalUsd: number; neededUsd: number; fills: number } {
    const known = this.adl.byInstrument.get(id);
    if (known !== undefined) return known;
    const fresh = { notionalUsd: 0, neededUsd: 0, fills: 0 };
    this.adl.byInstrument.set(id, fresh);
    return fresh;
  }

  #needed(fact: Fact): void {
    const id = text(fact, "instrument");
    const usd = this.#usd(id, number(fact, "need"), number(fact, "price"));
    this.adl.allocations += 1;
    this.adl.neededUsd += usd;
    this.#ofInstrument(id).neededUsd += usd;
  }

  #deleveraged(fact: Fact): void {
    const id = text(fact, "instrument");
    const usd = this.#usd(id, number(fact, "qty"), number(fact, "price"));
    const account = text(fact, "account");
    const before = this.adl.byAccount.get(account) ?? { fills: 0, notionalUsd: 0 };
    this.adl.byAccount.set(account, { fills: before.fills + 1, notionalUsd: before.notionalUsd + usd });
    this.adl.fills += 1;
    this.adl.notionalUsd += usd;
    const of = this.#ofInstrument(id);
    of.fills += 1;
    of.notionalUsd += usd;
  }

  #shared(fact: Fact): void {
    const asset = text(fact, "asset");
    const before = this.lossShared.get(asset) ?? { amount: 0, accounts: new Set<string>() };
    before.amount += number(fact, "amount");
    before.accounts.add(text(fact, "account"));
    this.lossShared.set(asset, before);
  }

  /** One halt at a time per scope, id and reason: a further state of it ends the one before. */
  #halt(fact: Fact): void {
    const [scope, state, reason] = [text(fact, "scope"), text(fact, "state"), text(fact, "reason")];
    const id = text(fact, "id") === "" ? null : text(fact, "id");
    for (const open of this.halts)
      if (
        open.until === null &&
        open.scope === scope &&
        open.id === id &&
        (fact.fact === "halt.lifted" || open.reason === reason)
      )
        open.until = fact.t;
    if (fact.fact === "halt.set" && state !== "normal")
      this.halts.push({ scope, id, state, reason, since: fact.t, until: null });
  }

  #haircut(fact: Fact): void {
    const asset = text(fact, "asset");
    const path = this.haircuts.get(asset) ?? [];
    path.push({ t: fact.t, initial: number(fact, "initial"), maintenance: number(fact, "maintenance") });
    this.haircuts.set(asset, path);
  }
}

function bump(map: Map<string, number>, key: string, by: number): void {
  map.set(key, (map.get(key) ?? 0) + by);
}
