import { Rational } from "#libs/decimal/index.ts";
import { byText, detectionLimits, type Reason } from "./evidence.ts";

/** Two accounts, the first by id first, with what speaks for one owner. */
export interface Pair {
  readonly accounts: readonly [string, string];
  readonly reasons: readonly Reason[];
}

/** Pairs of accounts by what they share. Holds a bounded number: whoever adds begins with what says most. */
export class Pairs {
  readonly #reasons = new Map<string, Map<string, Reason[]>>();
  #count = 0;
  /** Pairs that found no room. */
  dropped = 0;

  add(one: string, other: string, reason: Reason): void {
    const [first, second] = one < other ? [one, other] : [other, one];
    const row = this.#reasons.get(first) ?? new Map<string, Reason[]>();
    const known = row.get(second);
    if (known !== undefined) {
      known.push(reason);
      return;
    }
    if (this.#count === detectionLimits.pairs) {
      this.dropped += 1;
      return;
    }
    this.#count += 1;
    this.#reasons.set(first, row.set(second, [reason]));
  }

  *list(): Generator<Pair> {
    for (const [first, row] of this.#reasons)
      for (const [second, reasons] of row) yield { accounts: [first, second], reasons: strongest(reasons) };
  }
}

/** The reasons that count, the strongest first: those beyond the bound could only add to a score that they have made already. */
function strongest(reasons: readonly Reason[]): readonly Reason[] {
  const text = (one: Reason): string => `${one.kind} ${one.kind === "opposite_trading" ? "" : one.hash}`;
  return reasons
    .toSorted((left, right) => right.weight.compare(left.weight) || byText(text(left), text(right)))
    .slice(0, detectionLimits.evidencePerPair);
}

/** LIM-41: `1 − Π (1 − weight)`: reasons add up without ever making certain, and none takes anything away. */
export function scoreOf(reasons: readonly Reason[]): Rational {
  const doubt = reasons.reduce((left, { weight }) => left.times(Rational.one.minus(weight)), Rational.one);
  return Rational.one.minus(doubt);
}
