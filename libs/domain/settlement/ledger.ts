import { Rational } from "#libs/decimal/index.ts";
import type { ConversionStep } from "./conversion.ts";

/** What a posting changes of an account. */
export type PostingKind = "cash" | "margin" | "funding" | "cost";

/** One leg of a double entry. `amount` is the signed change in units of the asset. */
export interface Posting {
  readonly account: string;
  readonly asset: string;
  readonly kind: PostingKind;
  readonly amount: Rational;
}

/** How each kind counts in what is conserved (invariant 1): cost of open positions is subtracted. */
export const postingSign: Readonly<Record<PostingKind, 1 | -1>> = { cash: 1, margin: 1, funding: 1, cost: -1 };

/** LIQ-21: what postings add to the exchange, per asset, in order of asset id; zero amounts are left out. */
export function imbalance(postings: readonly Posting[]): { readonly asset: string; readonly amount: Rational }[] {
  const sums = new Map<string, Rational>();
  for (const { asset, kind, amount } of postings) {
    const counted = postingSign[kind] === 1 ? amount : amount.negated();
    sums.set(asset, (sums.get(asset) ?? Rational.zero).plus(counted));
  }
  return [...sums]
    .filter(([, amount]) => !amount.isZero())
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([asset, amount]) => ({ asset, amount }));
}

/** LIQ-21: whether postings neither make nor lose anything of any asset, exactly. Deposits and withdrawals alone do. */
export function balanced(postings: readonly Posting[]): boolean {
  return imbalance(postings).length === 0;
}

/** Cash from one account to another; the amount is positive. */
export function cashTransfer(asset: string, amount: Rational, from: string, to: string): Posting[] {
  return [
    { account: from, asset, kind: "cash", amount: amount.negated() },
    { account: to, asset, kind: "cash", amount },
  ];
}

/** COL-21: the four legs of a conversion. The deficit is covered before collateral moves, so the asset bought comes first. */
export function conversionPostings(account: string, step: ConversionStep): Posting[] {
  return [
    ...cashTransfer(step.to, step.bought, step.counterparty, account),
    ...cashTransfer(step.from, step.sold, account, step.counterparty),
  ];
}

export interface RoundingPlace {
  readonly name: string;
  readonly where: string;
  readonly direction: "up" | "down";
  /** Who gains the part of a quantum. */
  readonly favour: "rounding" | "receiver" | "payer" | "counterparty" | "account";
}

/** NUM-05: every place where money that moves is rounded, always by less than one quantum. */
export const roundingPlaces: readonly RoundingPlace[] = [
  { name: "fill_value", where: "value of each leg of a fill", direction: "up", favour: "rounding" },
  { name: "cost_taken", where: "cost that leaves with a reducing fill", direction: "up", favour: "account" },
  { name: "fee", where: "trading and liquidation fees", direction: "up", favour: "receiver" },
  { name: "margin_in", where: "margin moved into an isolated pool", direction: "up", favour: "receiver" },
  { name: "margin_released", where: "margin released by a reducing fill", direction: "down", favour: "payer" },
  { name: "funding_paid", where: "accrued funding booked, payer", direction: "up", favour: "rounding" },
  { name: "funding_received", where: "accrued funding booked, receiver", direction: "down", favour: "rounding" },
  { name: "conversion_sold", where: "asset given in a conversion", direction: "up", favour: "counterparty" },
  { name: "conversion_bought", where: "asset received in a conversion", direction: "down", favour: "counterparty" },
  { name: "fund_top_up", where: "loss of a fill against the bankruptcy price", direction: "up", favour: "account" },
  { name: "fund_reach", where: "what a fund may spend, in quanta", direction: "down", favour: "payer" },
  { name: "loss_share", where: "a winner's part of a bad debt", direction: "up", favour: "counterparty" },
  { name: "loss_share_most", where: "the most a winner can pay", direction: "down", favour: "payer" },
];
