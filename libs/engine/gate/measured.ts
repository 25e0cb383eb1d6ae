import type { Binding, Scope } from "#libs/domain/limits/effective.ts";
import type { Finding, Refusal } from "#libs/domain/pre-trade/codes.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { Portfolio } from "./portfolio.ts";
import { bindingsOf, type Wanted } from "./wanted.ts";

/** What a limit is held against, as each of its scopes sees it. */
export class Measured {
  readonly wanted: Wanted;
  readonly refusal: Refusal;
  readonly #portfolios: Partial<Record<Scope, Portfolio>> = {};

  constructor(wanted: Wanted, refusal: Refusal) {
    this.wanted = wanted;
    this.refusal = refusal;
  }

  portfolio(scope: Scope): Portfolio {
    return (this.#portfolios[scope] ??= new Portfolio(this.wanted, scope));
  }

  /** Calls `check` with every figure that binds, and with the accounts that it binds. */
  each(key: LimitKey, check: (most: Binding, portfolio: Portfolio) => Finding | null): void {
    const { owner, account } = bindingsOf(this.wanted, key);
    if (owner !== null) this.refusal.take(check(owner, this.portfolio("owner")));
    if (account !== null) this.refusal.take(check(account, this.portfolio("account")));
  }
}
