import { magnitude } from "./amounts.ts";
import { exact, price, ratio, words } from "./format.ts";
import { stageNames } from "./liquidation-stages.ts";
import type { Tone } from "./tone.ts";

/** A fact as it comes: its fields depend on its name (docs/facts.md). */
export type FactLike = Readonly<Record<string, unknown>> & {
  readonly seq: number;
  readonly t: number;
  readonly fact: string;
};

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const amount = (value: unknown): string => (typeof value === "string" ? exact(value) : "–");
const where = (fact: FactLike): string => text(fact["instrument"]) || "the cross pool";

type Say = (fact: FactLike) => string;

const sentences: Readonly<Record<string, Say>> = {
  warning: (fact) => `Warned at ${text(fact["level"])}: the ratio is ${ratio(text(fact["ratio"]) || null)}`,
  "liquidation.started": (fact) =>
    `Liquidation of ${where(fact)} begins at a ratio of ${ratio(text(fact["ratio"]) || null)}`,
  "liquidation.stage": (fact) =>
    `Stage ${String(fact["stage"])}, ${stageNames[Number(fact["stage"])] ?? ""} (${words(text(fact["state"]))})`,
  "liquidation.step": (fact) =>
    `${words(text(fact["side"]))} ${amount(fact["qty"])} ${text(fact["instrument"])} at ${price(text(fact["price"]) || null)}`,
  "liquidation.fees": (fact) => `Fees: taker ${amount(fact["taker"])}, liquidation ${amount(fact["liquidation"])}`,
  "liquidation.ended": (fact) => `Ended: ${words(text(fact["outcome"]))}`,
  "account.blocked": () => "Orders are blocked and cancelled",
  "account.unblocked": () => "Orders are free again",
  "insurance.paid": (fact) =>
    `The fund pays ${amount(fact["amount"])} ${text(fact["asset"])}, ${amount(fact["balance"])} left`,
  "adl.allocated": (fact) =>
    `Deleveraging of ${amount(fact["need"])} at ${price(text(fact["price"]) || null)}: ${amount(fact["taken"])} taken from ${String(fact["counterparties"])}`,
  "adl.filled": (fact) =>
    `${text(fact["account"])} is deleveraged by ${amount(fact["qty"])} ${text(fact["instrument"])} at ${price(text(fact["price"]) || null)}`,
  "loss.shared": (fact) => `${text(fact["account"])} shares a loss of ${amount(fact["amount"])} ${text(fact["asset"])}`,
  "debt.parked": (fact) => `${amount(fact["amount"])} ${text(fact["asset"])} are parked as debt`,
  "debt.repaid": (fact) => `${amount(fact["amount"])} ${text(fact["asset"])} of debt are repaid`,
  "conversion.booked": (fact) =>
    `${amount(fact["sold"])} ${text(fact["from"])} become ${amount(fact["bought"])} ${text(fact["to"])}, for ${text(fact["counterparty"])}`,
  fill: (fact) =>
    `${text(fact["side"])} ${amount(fact["qty"])} ${text(fact["instrument"])} at ${price(text(fact["price"]) || null)}`,
  "order.rejected": (fact) => `Order ${text(fact["id"])} is refused: ${codes(fact)}`,
  "order.cancelled": (fact) => `Order ${text(fact["id"])} is cancelled: ${words(text(fact["reason"]))}`,
  "order.booked": (fact) =>
    `Order ${text(fact["id"])} rests: ${text(fact["side"])} ${amount(fact["qty"])} ${text(fact["instrument"])}`,
  "cash.deposited": (fact) => `Deposit of ${amount(fact["amount"])} ${text(fact["asset"])}`,
  "cash.withdrawn": (fact) => `Withdrawal of ${amount(fact["amount"])} ${text(fact["asset"])}`,
  "fund.changed": (fact) => moneyChanged(fact, "The insurance fund"),
  "house.changed": (fact) => moneyChanged(fact, "The house"),
  "fund.rejected": (fact) => `The insurance fund stays as it is: ${codes(fact)}`,
  "house.rejected": (fact) => `The house stays as it is: ${codes(fact)}`,
  "cash.rejected": (fact) => `${amount(fact["amount"])} ${text(fact["asset"])} are refused: ${codes(fact)}`,
  "transfer.booked": (fact) =>
    `${amount(fact["amount"])} ${text(fact["asset"])} go from ${text(fact["from"])} to ${text(fact["to"])}`,
  "transfer.rejected": (fact) => `The transfer is refused: ${codes(fact)}`,
  "deleverage.rejected": (fact) => `Deleveraging ${text(fact["account"])} is refused: ${codes(fact)}`,
  "instrument.expired": (fact) =>
    `${text(fact["instrument"])} has stopped for good at ${price(text(fact["price"]) || null)}`,
  "rules.changed": (fact) => `Version ${String(fact["version"])} of the rules is in force`,
  "rules.rejected": () => "The rules are refused",
  "entry.refused": (fact) =>
    `The engine refuses it: ${words(text(fact["code"]))}${text(fact["what"]) === "" ? "" : `, ${text(fact["what"])}`}`,
  "halt.set": (fact) => `${scope(fact)}: ${words(text(fact["state"]))}, ${words(text(fact["reason"]))}`,
  "halt.lifted": (fact) => `${scope(fact)}: the halt is lifted, ${words(text(fact["reason"]))}`,
  "halt.emptied": (fact) =>
    `${scope(fact)}: ${String(fact["orders"])} orders are off the books after ${String(fact["afterMs"])} ms`,
};

const moneyChanged = (fact: FactLike, whose: string): string =>
  `${whose} ${text(fact["amount"]).startsWith("-") ? "gives" : "gets"} ${exact(magnitude(text(fact["amount"]) || "0"))} ${text(fact["asset"])}, ${amount(fact["balance"])} then`;
const scope = (fact: FactLike): string =>
  text(fact["scope"]) === "global" ? "Whole exchange" : `${words(text(fact["scope"]))} ${text(fact["id"])}`;
const codes = (fact: FactLike): string =>
  Array.isArray(fact["codes"]) ? fact["codes"].map((code) => words(String(code))).join(", ") : "";

/** A fact in one sentence for people; one that nobody has a sentence for is named. */
export const sentenceOf = (fact: FactLike): string => sentences[fact.fact]?.(fact) ?? words(fact.fact);

const tones: Readonly<Record<string, Tone>> = {
  warning: "watch",
  "liquidation.started": "bad",
  "liquidation.step": "warn",
  "liquidation.ended": "good",
  "insurance.paid": "warn",
  "adl.filled": "bad",
  "adl.allocated": "bad",
  "loss.shared": "bad",
  "debt.parked": "bad",
  "order.rejected": "watch",
  "fund.rejected": "bad",
  "house.rejected": "bad",
  "cash.rejected": "watch",
  "transfer.rejected": "watch",
  "deleverage.rejected": "watch",
  "instrument.expired": "warn",
  "halt.set": "bad",
  "halt.lifted": "good",
};
export const toneOf = (fact: FactLike): Tone => tones[fact.fact] ?? "plain";

/** Facts that `plimsoll explain` and the API have a receipt for (docs/facts.md, R). */
const withReceipt = new Set([
  "order.rejected",
  "cash.rejected",
  "transfer.rejected",
  "margin.rejected",
  "liquidation.started",
  "adl.filled",
  "loss.shared",
]);
export const hasReceipt = (fact: FactLike): boolean => withReceipt.has(fact.fact);
