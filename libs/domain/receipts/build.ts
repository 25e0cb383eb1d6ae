import type { Rational } from "#libs/decimal/index.ts";
import type { PoolMode } from "#libs/domain/adl/score.ts";
import { exactScoreText, type Score, scoreText } from "#libs/domain/adl/score.ts";
import type { AvoidedBy, Receipt, ReceiptInput, ReceiptLine, ReceiptPrice, ReceiptSubject } from "./types.ts";

/** What every receipt says, whatever it is about. */
export interface ReceiptHead {
  readonly rule: string;
  readonly ruleVersion: number;
  readonly t: number;
  readonly prices: readonly ReceiptPrice[];
}

/** The smallest changes as numbers; those that do not exist are null. */
export interface SmallestChanges {
  readonly deposit?: { readonly asset: string; readonly amount: Rational } | null;
  readonly price?: { readonly id: string; readonly price: Rational } | null;
  readonly size?: { readonly instrument: string; readonly qty: Rational } | null;
}

/** What someone must bring is rounded up, what they may have is rounded down (NUM-06). */
function avoidedBy(changes: SmallestChanges): AvoidedBy | null {
  const { deposit, price, size } = changes;
  if (!deposit && !price && !size) return null;
  return {
    ...(deposit ? { deposit: { asset: deposit.asset, amount: deposit.amount.toStringUp() } } : {}),
    ...(price ? { price: { id: price.id, price: price.price.toStringDown() } } : {}),
    ...(size ? { size: { instrument: size.instrument, qty: size.qty.toStringDown() } } : {}),
  };
}

const nobody: ReceiptSubject = { account: null, mode: null, instrument: null, asset: null, reference: null };
const credit = (name: string, value: Rational): ReceiptInput => ({ name, value: value.toStringDown() });
const debit = (name: string, value: Rational): ReceiptInput => ({ name, value: value.toStringUp() });
const line = (what: string, how: string, value: string | null): ReceiptLine => ({ what, how, value });

export interface RejectionReceipt extends ReceiptHead {
  readonly account: string;
  readonly instrument: string | null;
  readonly order: string | null;
  /** Every reason that applies, in order of precedence, with its numbers. */
  readonly reasons: readonly {
    readonly code: string;
    readonly limit: Rational | null;
    readonly value: Rational | null;
    readonly headroom: Rational | null;
  }[];
  readonly changes: SmallestChanges;
}

/** LIQ-22: why an order, withdrawal or other command was refused. */
export function rejectionReceipt(of: RejectionReceipt): Receipt {
  return {
    kind: "rejection",
    rule: of.rule,
    ruleVersion: of.ruleVersion,
    t: of.t,
    subject: { ...nobody, account: of.account, instrument: of.instrument, reference: of.order },
    inputs: of.reasons.flatMap(({ code, limit, value }) => [
      { name: `${code}.limit`, value: limit?.toStringDown() ?? null },
      { name: `${code}.value`, value: value?.toStringUp() ?? null },
    ]),
    prices: of.prices,
    computation: of.reasons.map(({ code, headroom }) => line(code, "limit − value", headroom?.toStringDown() ?? null)),
    avoidedBy: avoidedBy(of.changes),
    publication: null,
  };
}

export interface LiquidationReceipt extends ReceiptHead {
  readonly account: string;
  readonly mode: PoolMode;
  /** Of an isolated pool. */
  readonly instrument: string | null;
  readonly saga: string;
  readonly stage: number;
  /** `E_M`, `MM` and `E_full`, USD. */
  readonly equity: Rational;
  readonly mm: Rational;
  readonly fullEquity: Rational;
  /** The ratio at which this stage begins. */
  readonly threshold: Rational;
  readonly closed: readonly { readonly instrument: string; readonly qty: Rational; readonly limit: Rational | null }[];
  readonly changes: SmallestChanges;
}

/** LIQ-22: why a pool is being liquidated at this stage, and what this step closes. */
export function liquidationReceipt(of: LiquidationReceipt): Receipt {
  const ratio = of.mm.isZero() ? null : of.equity.dividedBy(of.mm).toStringDown();
  return {
    kind: "liquidation",
    rule: of.rule,
    ruleVersion: of.ruleVersion,
    t: of.t,
    subject: { ...nobody, account: of.account, mode: of.mode, instrument: of.instrument, reference: of.saga },
    inputs: [credit("equity", of.equity), debit("mm", of.mm), credit("fullEquity", of.fullEquity)],
    prices: of.prices,
    computation: [
      line("ratio", "E_M / MM", ratio),
      line("threshold", `stage ${of.stage} begins at or below`, of.threshold.toStringDown()),
      ...of.closed.map(({ instrument, qty, limit }) =>
        line(`close ${instrument}`, limit === null ? "no limit" : `limit ${limit.toStringDown()}`, qty.toStringDown()),
      ),
    ],
    avoidedBy: avoidedBy(of.changes),
    publication: null,
  };
}

export interface AdlReceipt extends ReceiptHead {
  readonly account: string;
  readonly mode: PoolMode;
  readonly instrument: string;
  /** Null: by an operator. */
  readonly saga: string | null;
  readonly score: Score;
  readonly rank: number;
  readonly policy: string;
  readonly need: Rational;
  readonly qty: Rational;
  /** p_bk. */
  readonly price: Rational;
  /** SHA-256 of the published text. */
  readonly publication: string;
  readonly changes: SmallestChanges;
}

/** LIQ-22: why a position was reduced against a bankrupt one, and where everything it was decided from is published. */
export function adlReceipt(of: AdlReceipt): Receipt {
  return {
    kind: "adl",
    rule: of.rule,
    ruleVersion: of.ruleVersion,
    t: of.t,
    subject: { ...nobody, account: of.account, mode: of.mode, instrument: of.instrument, reference: of.saga },
    inputs: [debit("need", of.need), { name: "price", value: of.price.toStringDown() }],
    prices: of.prices,
    computation: [
      line("score", exactScoreText(of.score), scoreText(of.score)),
      line("rank", "1 goes first", String(of.rank)),
      line("qty", of.policy, of.qty.toStringDown()),
    ],
    avoidedBy: avoidedBy(of.changes),
    publication: of.publication,
  };
}

export interface SharingReceipt extends ReceiptHead {
  readonly account: string;
  readonly mode: PoolMode;
  readonly instrument: string;
  readonly asset: string;
  readonly saga: string;
  readonly missing: Rational;
  readonly profit: Rational;
  readonly totalProfit: Rational;
  readonly fullEquity: Rational;
  readonly amount: Rational;
}

/** LIQ-22: why a winner pays part of a bad debt. Nothing it could have deposited would have avoided it. */
export function sharingReceipt(of: SharingReceipt): Receipt {
  return {
    kind: "sharing",
    rule: of.rule,
    ruleVersion: of.ruleVersion,
    t: of.t,
    subject: { account: of.account, mode: of.mode, instrument: of.instrument, asset: of.asset, reference: of.saga },
    inputs: [
      debit("missing", of.missing),
      credit("profit", of.profit),
      credit("totalProfit", of.totalProfit),
      credit("fullEquity", of.fullEquity),
    ],
    prices: of.prices,
    computation: [
      line("amount", "missing · profit / totalProfit, at most min(profit, E_full)", of.amount.toStringUp()),
    ],
    avoidedBy: null,
    publication: null,
  };
}

export interface HaircutReceipt extends ReceiptHead {
  readonly asset: string;
  readonly before: { readonly initial: Rational; readonly maintenance: Rational };
  readonly after: { readonly initial: Rational; readonly maintenance: Rational };
  readonly target: Rational | null;
}

/** LIQ-22: how a haircut moved, and where it is going. */
export function haircutReceipt(of: HaircutReceipt): Receipt {
  return {
    kind: "haircut",
    rule: of.rule,
    ruleVersion: of.ruleVersion,
    t: of.t,
    subject: { ...nobody, asset: of.asset },
    inputs: [
      debit("before.initial", of.before.initial),
      debit("before.maintenance", of.before.maintenance),
      { name: "target", value: of.target?.toStringUp() ?? null },
    ],
    prices: of.prices,
    computation: [
      line("initial", "rises at once, falls by at most its step per hour", of.after.initial.toStringUp()),
      line("maintenance", "moves by at most its step per hour", of.after.maintenance.toStringUp()),
    ],
    avoidedBy: null,
    publication: null,
  };
}
