import type { SagaMoney, SagaOutcome } from "#libs/contracts/api/replies.ts";
import { add, isAmount, isZero, magnitude, multiply, quotient } from "./amounts.ts";
import type { FactLike } from "./fact-texts.ts";
import { fixed, short } from "./format.ts";
import { stageNames } from "./liquidation-stages.ts";
import type { Tone } from "./tone.ts";

export const stageText = (stage: number): string => `${stage} ${stageNames[stage] ?? ""}`;
/** The later the stage, the fewer were left to take it over. */
export const stageTone = (stage: number): Tone => (stage >= 6 ? "bad" : stage >= 4 ? "warn" : "accent");

export const outcomeTone: Readonly<Record<SagaOutcome["outcome"], Tone>> = {
  released: "good",
  reduced: "watch",
  closed: "bad",
};
/** What an outcome means, in a few words. */
export const outcomeMeaning: Readonly<Record<SagaOutcome["outcome"], string>> = {
  released: "nothing was closed",
  reduced: "a part was closed, and the pool is healthy",
  closed: "every position is closed",
};

type Sum = Exclude<keyof SagaMoney, "asset">;

/** Of each asset what some of the sums come to; what is nothing is left out. */
export function moneyText(money: readonly SagaMoney[], ...sums: readonly Sum[]): string {
  const parts = money.flatMap((row) => {
    const total = sums.map((sum) => row[sum]).reduce(add, "0");
    return isZero(total) ? [] : [`${short(total)} ${row.asset}`];
  });
  return parts.length === 0 ? "–" : parts.join(" + ");
}

/** What a contract's worth is counted by. */
export interface Terms {
  readonly kind: string;
  readonly settle: string;
  readonly multiplier: string;
}

/** By instrument, from the rules in force. */
export function termsOf(instruments: readonly object[]): Readonly<Record<string, Terms>> {
  return Object.fromEntries(
    (instruments as readonly Readonly<Record<string, unknown>>[]).flatMap(({ id, kind, settle, multiplier }) =>
      typeof id === "string" && typeof kind === "string" && typeof settle === "string"
        ? [[id, { kind, settle, multiplier: typeof multiplier === "string" ? multiplier : "1" }] as const]
        : [],
    ),
  );
}

const amountIn = (fact: FactLike, name: string): string | null => {
  const value = fact[name];
  return typeof value === "string" && isAmount(value) ? value : null;
};

/** What a step closed, in its settle asset; null: it closed nothing, or its terms are not known. */
export function closedText(fact: FactLike, terms: Readonly<Record<string, Terms>>): string | null {
  const own = terms[String(fact["instrument"])];
  if (own === undefined) return null;
  const said = fact.fact === "adl.filled" ? amountIn(fact, "notional") : null;
  if (said !== null) return `${fixed(magnitude(said), 2)} ${own.settle}`;
  const qty = amountIn(fact, "qty");
  const price = amountIn(fact, "price");
  if (fact.fact !== "liquidation.step" || qty === null || price === null) return null;
  const contracts = multiply(magnitude(qty), own.multiplier);
  const worth = own.kind === "linear" ? multiply(contracts, price) : quotient(contracts, price);
  if (worth === null) return null;
  return `${fixed(worth, own.kind === "linear" ? 2 : 8)} ${own.settle}`;
}
