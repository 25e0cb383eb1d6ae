import type { Rational } from "#libs/decimal/index.ts";
import type { Effect, Fact, PriceInput } from "#libs/contracts/log.ts";
import type { HaltRecord } from "#libs/domain/breakers/halts.ts";
import { evaluatePool, type PoolHealth } from "#libs/domain/health/evaluate.ts";
import { type FundState, newFundState, recordResult } from "#libs/domain/settlement/fund.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import type { MarketView, Pool } from "#libs/domain/positions/views.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { nextEnd } from "#libs/domain/rule-set/emergencies.ts";
import type { InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";
import { forgetUnused, newActivity } from "./activity.ts";
import type { Book, BookOrder } from "./book.ts";
import { poolsOf } from "./pools.ts";
import { type BreakerWindows, judgeFundDrawdown, newBreakerWindows } from "./breaker-windows.ts";
import { CompiledRules } from "./compiled-rules.ts";
import { Judge } from "./judge.ts";
import { Ledger } from "./ledger.ts";
import type { PendingHalf } from "./clearing.ts";
import { PendingPools } from "./pending-pools.ts";
import type { MovedElsewhere } from "./moved-elsewhere.ts";
import type { AnsweredClose } from "./sagas/answered.ts";
import type { Saga } from "./sagas/saga.ts";
import { Sessions } from "./sessions.ts";
import { Slots } from "./slots.ts";
import { Touched } from "./touched.ts";
import { TriggerIndex } from "./trigger-index.ts";
import type { WinnersOfFrame } from "./winners.ts";
import { type CandidatesOfFrame, noRankings, type Rankings } from "./adl-ranking.ts";
import { insuranceAccount } from "./system-accounts.ts";

export interface MachineOptions {
  /** Build the receipt of every rejection, liquidation, ADL fill and haircut change. */
  readonly receipts: boolean;
  /** Partial-close rounds: one per frame as in production, or as many as it takes, as in scenario files. */
  readonly roundsPerFrame: "one" | "all";
  /** `full`: an exact scan of every pool after every frame; `light`: every 1,000 entries. */
  readonly audit: "light" | "full";
  /** Emit the fact of every fill; a replay of a million of them may not want to. */
  readonly quietFills: boolean;
  /**
   * Who stands behind the effects. `simulated`: scenario files, where `market` takes the other side of closing fills. `matching`: a
   * matching engine, whose word orders and fills are; halves of trades and closing fills are booked against `clearing`.
   */
  readonly venue: "simulated" | "matching";
}

/** A parked debt: what nobody could be made to pay. Withdrawals of the asset wait until it is gone. */
export type ParkedDebts = Map<number, bigint>;

/**
 * Everything that one shard knows, and the hands that handlers share. Authoritative: book, rules, sagas, halts, fund results,
 * windows, sequences, parked debts. Derived: trigger index, judge, pending pools' order.
 */
export class Machine {
  readonly book: Book;
  readonly ledger: Ledger;
  readonly index: TriggerIndex;
  readonly judge: Judge;
  readonly compiled: CompiledRules;
  readonly pending: PendingPools;
  readonly options: MachineOptions;
  readonly market: MarketView;

  rules: RuleSet;
  document: RuleDocument;
  /** UTC ms at which the next of the emergencies in force ends; null: none is. Derived. */
  emergencyEnds: number | null = null;
  /** UTC ms of the log: `max(previous, entry's)`. */
  t = 0;
  appliedSeq = 0;
  factSeq = 0;
  /** Counts frames: what "the same frame" means. */
  frame = 0;
  /** Last sequence seen of each producer. */
  readonly sourceSeqs = new Map<string, number>();
  readonly sagas = new Map<number, Saga>();
  nextSagaSlot = 0;
  readonly openEffects = new Map<string, Effect>();
  halts: readonly HaltRecord[] = [];
  /** By asset number. */
  readonly fundStates = new Map<number, FundState>();
  readonly parked: ParkedDebts = new Map();
  /** Debts that wait for somebody to convert them, as last reported: `account asset` → quanta. */
  readonly waitingDebts = new Map<string, bigint>();
  readonly closedInstruments = new Map<number, Rational>();
  /** By the matching engine's id of the trade: first halves whose other half has not come. */
  readonly pendingHalves = new Map<string, PendingHalf>();
  /** Of expired instruments: lots that `clearing` has taken over from positions that settled, signed. */
  readonly expirySettled = new Map<number, bigint>();
  /** By effect: closing orders answered not long ago, in case the matching engine has more to say. */
  readonly answeredCloses = new Map<string, AnsweredClose>();
  /** Positions that changed hands without the matching engine, until it says that it has read of it. */
  readonly movedElsewhere: MovedElsewhere = new Map();
  /** What limits are measured by. */
  readonly activity = newActivity();
  /** What losses of a day and of a week are measured from. */
  readonly sessions = new Sessions();
  readonly breakerWindows: BreakerWindows = newBreakerWindows();
  /** Not null once the self-audit has found a mismatch: the engine goes cancel-only by itself. */
  auditFailure: string | null = null;
  /** Last good price by asset or instrument id. */
  readonly lastGood = new Map<string, Rational>();
  /** Since when (UTC ms) a pool has been due for liquidation without price quality permitting it. */
  readonly dueSince = new Map<number, number>();
  /** How often anything but the frame itself has changed a pool since it began; null: unknown, so all may have. Derived. */
  changedPools: Map<number, number> | null = null;
  winners: WinnersOfFrame = { frame: -1, byInstrument: new Map() };
  /** ADL candidates by row, as last computed within the frame; derived. */
  candidates: CandidatesOfFrame = { frame: -1, byRow: new Map() };
  /** account → entity; derived from the rules. */
  entityOfAccount: ReadonlyMap<string, string> = new Map();
  /** ADL rankings of the present frame. */
  rankings: Rankings = noRankings(-1);
  /** Set by `position` entries: invariants 1 and 2 cannot be judged any more. */
  positionsSetUp = false;

  facts: Fact[] = [];
  effects: Effect[] = [];
  readonly touched = new Touched();
  /** Slots of the accounts' owners; derived. */
  readonly slots: Slots;
  /** Pools popped by the entry being applied, and how many in all. */
  readonly popped: number[] = [];
  poppedCount = 0;
  judgedCount = 0;
  readonly receipts = new Map<number, Receipt>();
  readonly priceInputs = new Map<string, { readonly t: number; readonly input: PriceInput }>();
  /** Pools judged by the entry being applied, and the stage each was found due for. */
  readonly judgedPools: { readonly pool: number; readonly stage: number }[] = [];
  /** Whether the entry being applied moved a price by more than 2 %. */
  movedFar = false;

  constructor(book: Book, document: RuleDocument, rules: RuleSet, options: MachineOptions) {
    this.book = book;
    this.document = document;
    this.rules = rules;
    this.options = options;
    this.ledger = new Ledger(book);
    this.compiled = new CompiledRules(book);
    this.index = new TriggerIndex(book, this.compiled);
    this.judge = new Judge(book, this.compiled);
    this.pending = new PendingPools(book);
    this.slots = new Slots(book);
    this.market = book.marketView();
  }

  /** A factor has moved: every pool whose safe band it left is to be judged. */
  factorMoved(factor: number): void {
    const { popped } = this;
    popped.length = 0;
    this.index.factorChanged(factor, this.book.market.factors[factor] as number, popped);
    for (const pool of popped) this.pending.add(pool);
    this.poppedCount += popped.length;
  }

  /** Counts the changes of a pool within the frame: what was computed of it at the same count still holds. Null: nothing does. */
  changesInFrame(pool: number): number | null {
    return this.changedPools === null ? null : (this.changedPools.get(pool) ?? 0);
  }

  liquidating(pool: number): boolean {
    return this.book.saga(pool) >= 0;
  }

  poolHealthOf(pool: Pool): PoolHealth {
    return evaluatePool(pool, this.market, this.rules);
  }

  /** Fund income (positive) or payout, in units of the asset, after it has been booked. */
  recordFundResult(asset: number, amount: Rational): void {
    const before = this.fundStates.get(asset) ?? newFundState;
    const balance = this.ledger.balance(insuranceAccount, asset);
    this.fundStates.set(asset, recordResult(before, this.t, amount, balance, this.rules.fund.brake));
    judgeFundDrawdown(this, asset);
  }

  /** Every account that is not a system account, in order of id. */
  accountsInOrder(): number[] {
    const accounts: number[] = [];
    for (let account = 0; account < this.book.accountCount; account += 1)
      if (!this.book.isSystem(account)) accounts.push(account);
    return accounts.sort((left, right) => (this.accountName(left) < this.accountName(right) ? -1 : 1));
  }

  /** Takes a compiled set of rules into use; everything derived from the old one is made anew. */
  useRules(document: RuleDocument, rules: RuleSet): void {
    this.book.setRules(rules);
    if (this.rules !== rules) this.#carryWarnings(this.rules.warnings, rules.warnings);
    this.document = document;
    this.rules = rules;
    this.emergencyEnds = nextEnd(document, this.t);
    const entities = new Map<string, string>();
    for (const entity of rules.entities.values())
      for (const account of entity.accounts) entities.set(account, entity.id);
    this.entityOfAccount = entities;
    forgetUnused(this.activity, rules.hierarchy);
    this.slots.forget();
    this.changedPools = null;
    this.compiled.rebuild();
    this.rebuildIndex();
  }

  /** Warnings given under another list: the levels of the new one down to the lowest that was given count as given. */
  #carryWarnings(before: readonly Rational[], after: readonly Rational[]): void {
    if (before.length === after.length && before.every((level, at) => level.equals(after[at] as Rational))) return;
    for (const pool of poolsOf(this)) {
      const lowest = before[this.book.warned(pool) - 1];
      if (lowest !== undefined) this.book.setWarned(pool, after.filter((level) => level.atLeast(lowest)).length);
    }
  }

  /** Arms every pool anew; those that cannot be armed are judged at the next look. */
  rebuildIndex(): void {
    const popped: number[] = [];
    this.index.rebuild(popped);
    for (const pool of popped) this.pending.add(pool);
  }

  /** A pool that has ceased to exist is neither armed nor due. */
  forgetPool(pool: number): void {
    this.index.disarm(pool);
    this.dueSince.delete(pool);
  }

  /** Records a fact and returns its number. */
  fact(name: string, fields: Readonly<Record<string, unknown>>): number {
    this.factSeq += 1;
    this.facts.push({ seq: this.factSeq, t: this.t, fact: name, ...fields });
    return this.factSeq;
  }

  effect(effect: Effect): void {
    this.openEffects.set(effect.id, effect);
    this.effects.push(effect);
  }

  /** An effect has been answered, or needs no answer any more. */
  effectDone(id: string): void {
    if (this.openEffects.delete(id)) this.touched.answer(id);
  }

  /** Asks for an order to be taken off the matching engine's book. */
  withdraw(order: BookOrder, reason: string): void {
    this.effect({
      id: `${this.appliedSeq}-w${this.touched.nextWithdrawal()}`,
      effect: "withdraw",
      account: this.accountName(order.account),
      instrument: this.instrument(order.instrument).id,
      order: order.id,
      reason,
    });
  }

  /** A pool whose health an entry changed: its bands no longer hold, it is judged at the next look. */
  touch(pool: number): void {
    this.changedPools?.set(pool, (this.changedPools.get(pool) ?? 0) + 1);
    this.pending.add(pool);
  }

  touchAccount(account: number): void {
    if (!this.book.isSystem(account)) this.touch(this.book.crossPool(account));
  }

  instrument(number: number): InstrumentRules {
    return this.book.instrumentRules(number);
  }

  accountName(account: number): string {
    return this.book.accountId(account);
  }

  /** `null` for a cross pool, the instrument's id for an isolated one. */
  poolInstrument(pool: number): string | null {
    const row = this.book.poolRow(pool);
    return row < 0 ? null : this.instrument(this.book.rowInstrument(row)).id;
  }
}
