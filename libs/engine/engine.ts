import type { AccountAnswer, AllocationAnswer, ExchangeAnswer, ReduceAnswer } from "#libs/contracts/answers.ts";
import type { Effect, Entry, Fact } from "#libs/contracts/log.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { Problem, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { AdlPolicy } from "#libs/domain/rule-set/types.ts";
import { answerAccount } from "./account-answer.ts";
import { answerAllocation, answerExchange, answerFund, answerReduce } from "./asking.ts";
import {
  checkConservation,
  checkFunds,
  checkJudged,
  checkPositions,
  type InvariantReport,
  recheck,
  report,
  scanAll,
} from "./audit.ts";
import { Book } from "./book.ts";
import { expireHalts, judgeVitals } from "./breaker-windows.ts";
import { convertDebts } from "./conversions.ts";
import { applyExpire, applyHalt, applyRefused, applyRules, applySettle, endEmergencies } from "./entries/admin.ts";
import { applyCash, applyFundTopUp, applyTransfer } from "./entries/cash.ts";
import { applyAttest } from "./entries/attest.ts";
import { applyWithdrawn, bookCancel, bookOrder } from "./entries/booked-order.ts";
import { applyDeleverage } from "./entries/deleverage.ts";
import { applyHalf } from "./entries/fill.ts";
import { applyFrame } from "./entries/frame.ts";
import { applyMargin, applyMode } from "./entries/modes.ts";
import { applyCancel, applyOrder } from "./entries/order.ts";
import { applySession, sessionLoss } from "./entries/session.ts";
import { applyPosition, applyTrade } from "./entries/trade.ts";
import { assertUsable } from "./entries/usable.ts";
import { applyFunding } from "./funding.ts";
import type { Transaction } from "./ledger.ts";
import { lookAtHealth } from "./look.ts";
import { applyCancelled } from "./mass-cancel.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import { riskiest, type RiskyPool } from "./riskiest.ts";
import { applyOutcome } from "./sagas/drive.ts";
import { restoreSnapshot, stateHash, takeSnapshot } from "./snapshot.ts";

export class RulesRefused extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(`rules refused: ${problems.map((one) => `${one.path} ${one.message}`).join("; ")}`);
    this.name = "RulesRefused";
    this.problems = problems;
  }
}

export interface Applied {
  readonly facts: readonly Fact[];
  readonly effects: readonly Effect[];
  readonly transactions: readonly Transaction[];
}

const defaults: MachineOptions = {
  receipts: false,
  roundsPerFrame: "one",
  quietFills: false,
  audit: "light",
  venue: "simulated",
};

/** Entries after which health is not looked at: they change nothing that a ratio is made of, or wait for the next look. */
const unlooked: ReadonlySet<string> = new Set(
  "order cancel mode halt fund house position attest session refused withdrawn cancelled".split(" "),
);
/** Entries of the matching engine: a saga that waits for a look is not judged again for them, the clock does that soon enough. */
const reviveNobody: ReadonlySet<string> = new Set(["blocked", "closed", "resumed", "fill"]);
/** Of these the latest counts: a producer's number may be skipped. */
const skippable: ReadonlySet<string> = new Set(["frame", "time"]);

/** A change of price quality moves no ratio: it counts at the next look. */
function saysQualityAlone(entry: Entry): boolean {
  return entry.k === "frame" && entry.index === undefined && entry.mark === undefined && entry.haircut === undefined;
}

/** An exact scan of every pool after so many entries; in a large book after as many as keep it below 20 pools an entry. */
const scanEveryMin = 1000;
const scannedPerEntryMax = 20;

/**
 * The deterministic machine of one shard: `apply(entry) → facts, effects`. The same log gives the same facts, effects and
 * state hash on any machine. It has no clock, no randomness and does no I/O.
 */
export class Engine {
  readonly machine: Machine;
  #audits = 0;

  private constructor(machine: Machine) {
    this.machine = machine;
  }

  /** An empty shard under these rules; throws `RulesRefused` with every problem of the document. */
  static create(document: RuleDocument, options: Partial<MachineOptions> = {}): Engine {
    const { rules, problems } = compileRules(document, 1, 0);
    if (problems.length > 0) throw new RulesRefused(problems);
    const machine = new Machine(new Book(rules), document, rules, { ...defaults, ...options });
    machine.useRules(document, rules);
    return new Engine(machine);
  }

  /** The shard as it stood when the snapshot was taken; throws `SnapshotRefused`. */
  static restore(bytes: Uint8Array, options: Partial<MachineOptions> = {}): Engine {
    return new Engine(restoreSnapshot(bytes, { ...defaults, ...options }));
  }

  /** Applies one entry. Entries must have passed the door; a duplicate of a producer's entry changes nothing (INV-09). */
  apply(entry: Entry): Applied {
    const { machine } = this;
    machine.facts = [];
    machine.effects = [];
    machine.ledger.transactions = [];
    machine.touched.begin();
    if (this.#isDuplicate(entry)) return this.#taken();
    assertUsable(machine, entry);
    if (entry.source !== undefined && entry.sourceSeq !== undefined)
      machine.sourceSeqs.set(entry.source, entry.sourceSeq);
    machine.appliedSeq += 1;
    machine.t = Math.max(machine.t, entry.t);
    machine.movedFar = false;
    machine.judgedPools.length = 0;
    expireHalts(machine);
    if (machine.emergencyEnds !== null && machine.t >= machine.emergencyEnds) endEmergencies(machine);
    this.#dispatch(entry);
    if (!unlooked.has(entry.k) && !saysQualityAlone(entry)) lookAtHealth(machine, !reviveNobody.has(entry.k));
    this.#audit(entry);
    return this.#taken();
  }

  account(id: string, alone = false): AccountAnswer {
    return answerAccount(this.machine, id, { alone });
  }

  exchange(): ExchangeAnswer {
    return answerExchange(this.machine);
  }

  /** What the insurance fund holds, by asset. */
  fund(): ExchangeAnswer["fund"] {
    return answerFund(this.machine);
  }

  allocation(instrument: string, side: "long" | "short", qty: string, policy?: AdlPolicy): AllocationAnswer {
    return answerAllocation(this.machine, instrument, side, qty, policy);
  }

  reduce(account: string): ReduceAnswer {
    return answerReduce(this.machine, account);
  }

  /** What an account has lost, USD, since its day and its week of trading began. */
  sessionLoss(account: string): ReturnType<typeof sessionLoss> {
    return sessionLoss(this.machine, account);
  }

  /** The `n` pools nearest to liquidation, worst first. Looks at every pool once. */
  riskiest(n: number): readonly RiskyPool[] {
    return riskiest(this.machine, n);
  }

  stateHash(): string {
    return stateHash(this.machine);
  }

  snapshot(): Uint8Array {
    return takeSnapshot(this.machine);
  }

  /** Every invariant, by a full exact scan. */
  invariants(): InvariantReport {
    return report(this.machine);
  }

  /** Effects handed out and not answered yet: a restart hands them out again. */
  openEffects(): readonly Effect[] {
    return [...this.machine.openEffects.values()];
  }

  receiptOf(fact: number): Receipt | undefined {
    return this.machine.receipts.get(fact);
  }

  get counters(): Readonly<Record<string, number>> {
    const { machine } = this;
    return {
      entries: machine.appliedSeq,
      frames: machine.frame,
      popped: machine.poppedCount,
      judged: machine.judgedCount,
      exactFallbacks: machine.judge.exactFallbacks,
      facts: machine.factSeq,
      audits: this.#audits,
      openSagas: machine.sagas.size,
    };
  }

  /** INV-09: a producer's entries are numbered without gaps: one seen before is dropped, one too early stops the shard. */
  #isDuplicate(entry: Entry): boolean {
    if (entry.source === undefined || entry.sourceSeq === undefined) return false;
    const last = this.machine.sourceSeqs.get(entry.source) ?? 0;
    if (entry.sourceSeq > last + 1 && !skippable.has(entry.k))
      throw new SequenceGap(entry.source, last, entry.sourceSeq);
    return entry.sourceSeq <= last;
  }

  #dispatch(entry: Entry): void {
    const { machine } = this;
    switch (entry.k) {
      case "frame":
        return applyFrame(machine, entry);
      case "cash":
        return applyCash(machine, entry);
      case "fund":
      case "house":
        return applyFundTopUp(machine, entry);
      case "transfer":
        return applyTransfer(machine, entry);
      case "mode":
        return applyMode(machine, entry);
      case "order":
        return machine.options.venue === "matching" ? bookOrder(machine, entry) : applyOrder(machine, entry);
      case "cancel":
        return machine.options.venue === "matching" ? bookCancel(machine, entry) : applyCancel(machine, entry);
      case "fill":
        return applyHalf(machine, entry);
      case "attest":
        return applyAttest(machine, entry);
      case "session":
        return applySession(machine, entry);
      case "refused":
        return applyRefused(machine, entry);
      case "trade":
        return applyTrade(machine, entry);
      case "position":
        return applyPosition(machine, entry);
      case "margin":
        return applyMargin(machine, entry);
      case "funding":
        return applyFunding(machine, entry);
      case "settle":
        return applySettle(machine, entry);
      case "convert":
        return convertDebts(machine, machine.book.internAccount(entry.account));
      case "rules":
        return applyRules(machine, entry);
      case "halt":
        return applyHalt(machine, entry);
      case "deleverage":
        return applyDeleverage(machine, entry);
      case "expire":
        return applyExpire(machine, entry);
      case "time":
        return judgeVitals(machine, entry);
      case "withdrawn":
        return applyWithdrawn(machine, entry);
      case "cancelled":
        return applyCancelled(machine, entry);
      case "blocked":
      case "closed":
      case "resumed":
        return applyOutcome(machine, entry);
    }
  }

  /**
   * The continuous self-audit: running totals after every entry, judged pools again by exact integers, an exact scan of every pool
   * now and then. A mismatch is a defect: the shard admits cancels only from then on, and says so.
   */
  #audit(entry: Entry): void {
    const { machine } = this;
    if (machine.auditFailure !== null) return;
    const results = [checkConservation(machine), checkPositions(machine), checkFunds(machine), checkJudged(machine)];
    const due =
      machine.appliedSeq % this.#scanEvery() === 0 || (machine.options.audit === "full" && entry.k === "frame");
    if (due || machine.movedFar) {
      this.#audits += 1;
      const scan = scanAll(machine, !due);
      results.push(scan.index, scan.solvency);
    }
    const failure = results.find((one) => typeof one === "string" && one !== "not applicable");
    if (failure === undefined) return;
    machine.auditFailure = String(failure);
    machine.fact("audit.failed", { failure });
  }

  #scanEvery(): number {
    return Math.max(scanEveryMin, Math.ceil(this.machine.book.accountCount / scannedPerEntryMax));
  }

  /** Recomputes a pool by the plain rules: what a test compares with. */
  recheck(pool: number): ReturnType<typeof recheck> {
    return recheck(this.machine, pool);
  }

  #taken(): Applied {
    const { facts, effects, ledger } = this.machine;
    return { facts, effects, transactions: ledger.transactions };
  }
}

/** A money-bearing producer skipped a number: the shard stops until the gap is filled, nothing has been applied. */
export class SequenceGap extends Error {
  constructor(source: string, last: number, got: number) {
    super(`${source} skipped from ${last} to ${got}`);
    this.name = "SequenceGap";
  }
}
