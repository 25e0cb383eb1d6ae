import { Rational } from "#libs/decimal/index.ts";
import type { DryRunAccount, DryRunMoney, DryRunResult, DryRunStage } from "#libs/contracts/live/dry-run.ts";
import { evaluateCross, evaluateIsolated } from "#libs/domain/health/evaluate.ts";
import { notional } from "#libs/domain/positions/value.ts";
import type { Pool } from "#libs/domain/positions/views.ts";
import type { Bounded, Refusal, RefusalCode } from "#libs/domain/pre-trade/codes.ts";
import type { Problem, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { adoptRules } from "./entries/admin.ts";
import { initialMargin } from "#libs/domain/pre-trade/margin-checks.ts";
import { judge } from "./gate/checks.ts";
import { Standing } from "./gate/standing.ts";
import { exactOrder, newOrder } from "./gate/wanted.ts";
import { conversionDue } from "./conversions.ts";
import type { Machine, MachineOptions } from "./machine.ts";
import { PriceMissing } from "./market.ts";
import { positionsOf } from "./sagas/judgement.ts";
import { passOfStageTwo } from "./sagas/partial.ts";
import { restoreSnapshot } from "./snapshot.ts";

/**
 * LIM-26: what a proposed set of rules would do to the book as it stands. Two copies of it are made from one snapshot; one takes the
 * rules into use as the log's entry would, then every account is judged on both, by the same judge, gate and liquidation rules
 * that work on the live book. Nothing else happens to either copy: no entry is applied.
 */
export function dryRun(
  snapshot: Uint8Array,
  proposed: (present: RuleDocument) => RuleDocument,
  most: number,
): DryRunResult | { readonly problems: readonly Problem[] } {
  const before = restoreSnapshot(snapshot, options);
  const after = restoreSnapshot(snapshot, options);
  const problems = adoptRules(after, proposed(before.document));
  return problems.length > 0 ? { problems } : compareBooks(before, after, most);
}

/** No entry is applied, so that nothing of this is ever asked for but what the gate looks at. */
const options: MachineOptions = {
  receipts: false,
  roundsPerFrame: "one",
  quietFills: true,
  audit: "light",
  venue: "matching",
};

/** Two machines of the same entry, which differ in their rules alone. */
function compareBooks(before: Machine, after: Machine, most: number): DryRunResult {
  const totals = new Totals();
  const worst = new WorstFirst(most);
  for (const account of before.accountsInOrder()) {
    if (!isConcerned(before, account)) continue;
    try {
      const change = compareAccount(before, after, account);
      totals.add(change);
      if (change.outcome !== null) worst.add(change);
    } catch (error) {
      if (!(error instanceof PriceMissing)) throw error;
      totals.unpriced += 1;
    }
  }
  return {
    entries: before.appliedSeq,
    t: before.t,
    frame: before.frame,
    ruleVersion: before.rules.version,
    totals: totals.result(),
    accounts: worst.changes.map(shown),
  };
}

/** Whoever has neither positions, orders nor debts cannot be liquidated, and has nothing that could be added to. */
function isConcerned({ book }: Machine, account: number): boolean {
  if (book.firstRow(account) >= 0 || book.orders(account).length > 0) return true;
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row))
    if (book.cashAmount(row) < 0n) return true;
  return false;
}

/** USD, of all pools of an account together. */
interface Money {
  readonly equity: Rational;
  readonly initialEquity: Rational;
  readonly im: Rational;
  readonly mm: Rational;
}

interface PoolStep {
  /** null: the cross pool. */
  readonly instrument: string | null;
  readonly before: DryRunStage;
  readonly after: DryRunStage;
  readonly closes: Rational;
}

interface AccountChange {
  readonly account: string;
  readonly outcome: DryRunAccount["outcome"] | null;
  readonly before: Money;
  readonly after: Money;
  readonly pools: readonly PoolStep[];
  readonly warnings: DryRunAccount["warnings"];
  readonly refusals: DryRunAccount["refusals"];
  /** USD, sold for debts that are not to be converted today; null: none are. */
  readonly converts: Rational | null;
}

function compareAccount(before: Machine, after: Machine, account: number): AccountChange {
  const pools: PoolStep[] = [];
  const warnings: DryRunAccount["warnings"][number][] = [];
  for (const pool of poolsOfAccount(before, account)) {
    const stage = before.judge.judge(pool).stage;
    const verdict = after.judge.judge(pool);
    const instrument = before.poolInstrument(pool);
    if (verdict.stage !== stage) {
      const closes = verdict.stage > stage ? closedBy(after, pool, verdict.stage) : Rational.zero;
      pools.push({ instrument, before: stageNames[stage], after: stageNames[verdict.stage], closes });
    }
    // The last warning that would be given is the lowest level; those given already have been carried over to the new list.
    const level = after.rules.warnings[verdict.warnings - 1];
    if (verdict.stage === 0 && verdict.warnings > after.book.warned(pool) && level !== undefined)
      warnings.push({ instrument, level: level.toStringDown() });
  }
  const refusals = newRefusals(before, after, account);
  const converts = conversionDue(before, account) === null ? conversionDue(after, account) : null;
  return {
    account: before.accountName(account),
    outcome: outcomeOf(pools, converts !== null, warnings.length > 0, refusals.length > 0),
    before: moneyOf(before, account),
    after: moneyOf(after, account),
    pools,
    warnings,
    refusals,
    converts,
  };
}

const stageNames: Readonly<Record<0 | 2 | 3, DryRunStage>> = { 0: "none", 2: "partial", 3: "full" };

/** The cross pool, and the isolated ones by instrument id. */
function poolsOfAccount({ book }: Machine, account: number): number[] {
  const pools = [book.crossPool(account)];
  for (const { instrument } of book.crossView(account).isolated)
    pools.push(book.isolatedPool(book.findRow(account, book.instrumentIndex(instrument.id))));
  return pools;
}

function viewsOf({ book }: Machine, account: number): Pool[] {
  const cross = book.crossView(account);
  const isolated = cross.isolated.map(({ instrument }) =>
    book.isolatedView(book.findRow(account, book.instrumentIndex(instrument.id))),
  );
  return [cross, ...isolated];
}

function moneyOf(machine: Machine, account: number): Money {
  const { market, rules } = machine;
  let [equity, initialEquity, im, mm] = [Rational.zero, Rational.zero, Rational.zero, Rational.zero];
  for (const view of viewsOf(machine, account)) {
    const health = view.kind === "cross" ? evaluateCross(view, market, rules) : evaluateIsolated(view, market, rules);
    equity = equity.plus(health.maintenanceEquity);
    initialEquity = initialEquity.plus(health.initialEquity);
    im = im.plus(health.im);
    mm = mm.plus(health.mm);
  }
  return { equity, initialEquity, im, mm };
}

/** USD at mark: everything by a full liquidation, the first pass of a partial one. */
function closedBy(machine: Machine, pool: number, stage: number): Rational {
  const { market } = machine;
  const view = machine.book.poolView(pool);
  const closed =
    stage === 3
      ? positionsOf(view).map(({ instrument, qty }) => ({ instrument, contracts: qty.abs() }))
      : [...passOfStageTwo(machine, view)].map(({ position: { instrument }, contracts }) => ({
          instrument,
          contracts,
        }));
  return Rational.sum(
    closed.map(({ instrument, contracts }) =>
      notional(instrument, contracts, market.mark(instrument.id)).times(market.index(instrument.settle)),
    ),
  );
}

/** Reasons that are of an order's form, not of what the account holds: a single lot is no order that anybody has to be able to place. */
const ofTheOrder: ReadonlySet<RefusalCode> = new Set(
  "tick_size lot_size order_size min_notional price_band stop_price".split(" ") as RefusalCode[],
);

/**
 * What would be refused and is not today: that margin is no longer enough for what is held, then the gate's own answer to one more
 * lot, at market, of each position and each side with opening orders.
 */
function newRefusals(before: Machine, after: Machine, account: number): DryRunAccount["refusals"] {
  const name = before.accountName(account);
  const [one, other] = [before, after].map(
    (machine) => new Standing(machine, name, account, (view) => view.orders),
  ) as [Standing, Standing];
  const found: DryRunAccount["refusals"][number][] = [];
  const uncovered = initialMargin(other.im, other.initialEquity);
  if (uncovered?.numbers && initialMargin(one.im, one.initialEquity) === null) {
    const { code, numbers } = uncovered;
    found.push({ instrument: null, side: null, codes: [code], numbers: { [code]: numbers } });
  }
  for (const { instrument, held, buys, sells } of one.exposures) {
    for (const side of ["buy", "sell"] as const) {
      const adds = side === "buy" ? held.sign > 0 || buys.sign > 0 : held.sign < 0 || sells.sign > 0;
      if (!adds) continue;
      const next = oneMoreLot(other, instrument.id, side);
      const codes = next === null ? [] : newCodes(oneMoreLot(one, instrument.id, side), next);
      if (next === null || codes.length === 0) continue;
      found.push({ instrument: instrument.id, side, codes, numbers: only(next.numbers, codes) });
    }
  }
  return found;
}

/** Reasons that are new, and those of today whose bound would be lower: whoever stands at a limit that is lowered is beyond it then. */
function newCodes(present: Refusal | null, next: Refusal): RefusalCode[] {
  const known = new Set(present?.codes());
  const lower = (code: RefusalCode): boolean => {
    const [one, other] = [present?.numbers[code], next.numbers[code]];
    if (one?.headroom === undefined || other?.headroom === undefined || code === "initial_margin") return false;
    return Rational.parse(other.bound).below(Rational.parse(one.bound));
  };
  return next.codes().filter((code) => !ofTheOrder.has(code) && (!known.has(code) || lower(code)));
}

function oneMoreLot(standing: Standing, instrument: string, side: "buy" | "sell"): Refusal | null {
  const { book } = standing.machine;
  const qty = book.instrumentRules(book.instrumentIndex(instrument)).lot.toStringDown();
  const order = exactOrder(standing, { id: "", instrument, side, qty });
  return order === null ? null : judge(standing, newOrder(order, {}));
}

function only(numbers: Readonly<Record<string, Bounded>>, codes: readonly string[]): Record<string, Bounded> {
  return Object.fromEntries(Object.entries(numbers).filter(([code]) => codes.includes(code)));
}

function outcomeOf(
  pools: readonly PoolStep[],
  converts: boolean,
  warned: boolean,
  refused: boolean,
): AccountChange["outcome"] {
  const worse = pools.filter((one) => one.before === "none" || one.after === "full");
  if (worse.some((one) => one.after === "full")) return "liquidated_in_full";
  if (worse.some((one) => one.after === "partial")) return "liquidated_in_part";
  if (converts) return "converted";
  if (refused) return "refused";
  if (warned) return "warned";
  return pools.length > 0 ? "released" : null;
}

/** From the worst; also the order of the list. */
const outcomes: readonly DryRunAccount["outcome"][] = [
  "liquidated_in_full",
  "liquidated_in_part",
  "converted",
  "refused",
  "warned",
  "released",
];

/** Worst outcome first, then the lowest E_M / MM under the proposed rules, those without requirement last, then id. */
function compareChanges(left: AccountChange, right: AccountChange): number {
  const rank = ({ outcome }: AccountChange): number => (outcome === null ? outcomes.length : outcomes.indexOf(outcome));
  if (rank(left) !== rank(right)) return rank(left) - rank(right);
  const [one, other] = [left.after, right.after];
  if (one.mm.isZero() !== other.mm.isZero()) return one.mm.isZero() ? 1 : -1;
  const byRatio = one.equity.times(other.mm).compare(other.equity.times(one.mm));
  return byRatio === 0 ? (left.account < right.account ? -1 : 1) : byRatio;
}

/** The first so many changes in order. */
class WorstFirst {
  readonly changes: AccountChange[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(change: AccountChange): void {
    const { changes } = this;
    const last = changes.at(-1);
    if (changes.length === this.#most && last !== undefined && compareChanges(change, last) > 0) return;
    let [low, high] = [0, changes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareChanges(changes[middle] as AccountChange, change) < 0) low = middle + 1;
      else high = middle;
    }
    changes.splice(low, 0, change);
    if (changes.length > this.#most) changes.pop();
  }
}

const noMoney: Money = { equity: Rational.zero, initialEquity: Rational.zero, im: Rational.zero, mm: Rational.zero };

/** Of every account that was looked at, listed or not. */
class Totals {
  unpriced = 0;
  #judged = 0;
  #before = noMoney;
  #after = noMoney;
  #closes = Rational.zero;
  #converts = Rational.zero;
  #missing = Rational.zero;
  readonly #counts = new Map<string, number>();
  readonly #codes = new Map<string, number>();

  add({ outcome, before, after, pools, refusals, converts }: AccountChange): void {
    this.#judged += 1;
    this.#before = addMoney(this.#before, before);
    this.#after = addMoney(this.#after, after);
    this.#closes = Rational.sum([this.#closes, ...pools.map((one) => one.closes)]);
    this.#converts = this.#converts.plus(converts ?? Rational.zero);
    this.#missing = this.#missing.plus(missing(after)).minus(missing(before));
    if (outcome !== null) count(this.#counts, outcome);
    for (const code of new Set(refusals.flatMap((one) => one.codes))) count(this.#codes, code);
  }

  result(): DryRunResult["totals"] {
    return {
      judged: this.#judged,
      unpriced: this.unpriced,
      outcomes: Object.fromEntries(outcomes.map((one) => [one, this.#counts.get(one) ?? 0])),
      refusedBy: Object.fromEntries([...this.#codes].sort(([left], [right]) => (left < right ? -1 : 1))),
      before: shownMoney(this.#before),
      after: shownMoney(this.#after),
      closesUsd: this.#closes.toStringUp(),
      convertsUsd: this.#converts.toStringUp(),
      initialMarginMissingUsd: this.#missing.toStringUp(),
    };
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function addMoney(left: Money, right: Money): Money {
  return {
    equity: left.equity.plus(right.equity),
    initialEquity: left.initialEquity.plus(right.initialEquity),
    im: left.im.plus(right.im),
    mm: left.mm.plus(right.mm),
  };
}

/** What initial equity lacks to the initial margin, USD. */
const missing = ({ im, initialEquity }: Money): Rational => Rational.max(Rational.zero, im.minus(initialEquity));

/** Requirements are rounded up, equity down (NUM-06). */
const shownMoney = ({ equity, initialEquity, im, mm }: Money): DryRunMoney => ({
  equity: equity.toStringDown(),
  initialEquity: initialEquity.toStringDown(),
  im: im.toStringUp(),
  mm: mm.toStringUp(),
});

function shown({ account, outcome, before, after, pools, warnings, refusals, converts }: AccountChange): DryRunAccount {
  return {
    account,
    outcome: outcome as DryRunAccount["outcome"],
    before: shownMoney(before),
    after: shownMoney(after),
    pools: pools.map((one) => ({ ...one, closes: one.closes.toStringUp() })),
    warnings,
    refusals,
    closesUsd: Rational.sum(pools.map((one) => one.closes)).toStringUp(),
    convertsUsd: (converts ?? Rational.zero).toStringUp(),
    initialMarginMissingUsd: missing(after).toStringUp(),
  };
}
