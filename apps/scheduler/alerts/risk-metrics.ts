import type { LimitsReply } from "#libs/contracts/live/limits.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { Seen } from "./conditions.ts";

/** Series that earlier looks have set: what is not seen any more goes to zero. */
export interface KnownSeries {
  readonly halts: Set<string>;
  readonly limits: Set<string>;
}

/** How near breakers are, what is halted, and how far limits are used, for the dashboards. Shares become floats only here. */
export function measureRisk(metrics: Metrics, { halts, limits }: Seen, known: KnownSeries): void {
  for (const { exchange } of limits.values())
    for (const { what, of, value, bound } of exchange) {
      metrics.breakerValue.with(what, of).set(Number(value));
      metrics.breakerBound.with(what, of).set(Number(bound));
    }
  const counts = new Map<string, number>();
  for (const rows of halts.values())
    for (const { scope, state } of rows) counts.set(`${scope} ${state}`, (counts.get(`${scope} ${state}`) ?? 0) + 1);
  for (const key of new Set([...known.halts, ...counts.keys()])) {
    const [scope = "", state = ""] = key.split(" ");
    metrics.haltsInForce.with(scope, state).set(counts.get(key) ?? 0);
    known.halts.add(key);
  }
  const used = new Map<string, { most: number; accounts: number }>();
  for (const { accounts } of limits.values())
    for (const { limit, share } of accounts) {
      const one = used.get(limit) ?? { most: 0, accounts: 0 };
      used.set(limit, { most: Math.max(one.most, share === null ? 1 : Number(share)), accounts: one.accounts + 1 });
    }
  for (const limit of new Set([...known.limits, ...used.keys()])) {
    const one = used.get(limit) ?? { most: 0, accounts: 0 };
    metrics.limitUse.with(limit).set(one.most);
    metrics.limitAccounts.with(limit).set(one.accounts);
    known.limits.add(limit);
  }
}

/** Of all accounts of a shard, page by page as they were measured last. */
export function measureSums(metrics: Metrics, shard: string, pages: readonly LimitsReply["sums"][]): void {
  const total = (of: keyof LimitsReply["sums"]): number => pages.reduce((sum, one) => sum + Number(one[of]), 0);
  for (const of of ["equity", "im", "notional", "dayProfit"] as const)
    metrics.accountsSum.with(shard, of).set(total(of));
}
