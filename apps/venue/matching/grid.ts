import { Rational } from "#libs/decimal/index.ts";
import type { InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";
import { isSystemAccount } from "#libs/domain/rule-set/types.ts";
import { shardOf, slotOf } from "#libs/contracts/live/shards.ts";

/**
 * The book library computes in JavaScript numbers, which are exact below 2^53. Prices are whole ticks, quantities whole lots; one
 * order may have at most 2^36 lots and one book at most 2^16 orders, so that no sum of a level or a side can leave that range.
 */
export const lotsMax = 2 ** 36;
export const bookOrdersMax = 2 ** 16;
export const ticksMax = 2 ** 52;

/** An instrument with its grid: text on the outside, ticks and lots inside. */
export class Grid {
  readonly id: string;
  readonly rules: InstrumentRules;
  readonly tick: Rational;
  readonly lot: Rational;
  /** The smallest amount of the settle asset. */
  readonly quantum: Rational;

  constructor(rules: InstrumentRules, quantum: Rational) {
    if (rules.tick === null) throw new Error(`instrument ${rules.id} has no tick: a book needs one`);
    this.id = rules.id;
    this.rules = rules;
    this.tick = rules.tick;
    this.lot = rules.lot;
    this.quantum = quantum;
  }

  /** Whole ticks from 1 to 2^52; null: off the grid or beyond. */
  ticksOf(price: string): number | null {
    return wholeSteps(Rational.parse(price), this.tick, ticksMax);
  }

  /** Whole lots from 1 to 2^36; null: off the grid or beyond. */
  lotsOf(qty: string): number | null {
    return wholeSteps(Rational.parse(qty), this.lot, lotsMax);
  }

  /** Lots of both mean the same, so that positions may be told in either. */
  sameLots(other: Grid): boolean {
    const [mine, theirs] = [this.rules, other.rules];
    return (
      mine.kind === theirs.kind &&
      mine.base === theirs.base &&
      mine.settle === theirs.settle &&
      mine.multiplier.equals(theirs.multiplier) &&
      this.lot.equals(other.lot) &&
      this.quantum.equals(other.quantum)
    );
  }

  /** Ticks too. */
  sameSteps(other: Grid): boolean {
    return this.sameLots(other) && this.tick.equals(other.tick);
  }

  price(ticks: number): Rational {
    return this.tick.times(Rational.ofInteger(ticks));
  }

  priceText(ticks: number): string {
    return this.price(ticks).toStringDown();
  }

  qtyText(lots: number): string {
    return this.lot.times(Rational.ofInteger(lots)).toStringDown();
  }
}

function wholeSteps(amount: Rational, step: Rational, most: number): number | null {
  if (amount.sign <= 0 || !amount.isMultipleOf(step)) return null;
  const steps = amount.floorIn(step);
  return steps > BigInt(most) ? null : Number(steps);
}

/** Whose accounts are whose, and which shard they live on: the same answer as every other process gives. */
export class Owners {
  readonly shards: readonly string[];
  readonly #ownerOf = new Map<string, string>();

  constructor(rules: Pick<RuleSet, "entities">, shards: readonly string[]) {
    this.shards = shards;
    for (const entity of rules.entities.values())
      for (const account of entity.accounts) this.#ownerOf.set(account, entity.id);
  }

  ownerOf(account: string): string {
    return this.#ownerOf.get(account) ?? account;
  }

  slotOf(account: string): number {
    return slotOf(this.ownerOf(account));
  }

  shardOf(account: string): string {
    return shardOf(this.ownerOf(account), this.shards);
  }

  mayTrade(account: string): boolean {
    return !isSystemAccount(account);
  }
}
