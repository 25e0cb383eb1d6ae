import { Rational } from "#libs/decimal/index.ts";
import type { Scope } from "#libs/domain/limits/effective.ts";
import type { Exposure } from "#libs/domain/pre-trade/exposures.ts";
import type { Standing } from "./standing.ts";
import type { Wanted } from "./wanted.ts";

/** One account, or all accounts of its owner together, as a decision sees them; each figure is computed when first asked for. */
export class Portfolio {
  readonly standings: readonly Standing[];
  readonly #wanted: Wanted;
  #before: readonly Exposure[] | null = null;
  #after: readonly Exposure[] | null = null;
  #equity: Rational | null = null;

  constructor(wanted: Wanted, scope: Scope) {
    const { standing } = wanted;
    this.#wanted = wanted;
    this.standings = scope === "account" ? [standing] : [standing, ...standing.peers()];
  }

  /** Positions and orders as they are. */
  get before(): readonly Exposure[] {
    this.#before ??= this.standings.flatMap((one) => one.exposures);
    return this.#before;
  }

  /** The same once the order counts. */
  get after(): readonly Exposure[] {
    const { standing, change } = this.#wanted;
    this.#after ??= this.standings.flatMap((one) => (one === standing ? one.exposuresWith(change) : one.exposures));
    return this.#after;
  }

  /** Initial equity, USD. */
  get equity(): Rational {
    this.#equity ??= Rational.sum(this.standings.map((one) => one.initialEquity));
    return this.#equity;
  }

  /** ORD-08: notional of positions and orders, USD, once the order counts. */
  get notional(): Rational {
    const { standing, change } = this.#wanted;
    return Rational.sum(
      this.standings.map((one) =>
        one === standing ? Rational.sum(one.after(change).notionals().values()) : one.notional,
      ),
    );
  }
}
