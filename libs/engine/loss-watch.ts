import { Rational } from "#libs/decimal/index.ts";
import { heldHalt } from "#libs/domain/breakers/halts.ts";
import { type Binding, effective } from "#libs/domain/limits/effective.ts";
import { inUse } from "#libs/domain/limits/in-use.ts";
import { lossReached } from "#libs/domain/pre-trade/limit-checks.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { fullWorth, lossOf, usdQuantum } from "./entries/session.ts";
import type { Machine } from "./machine.ts";

/** So many accounts are looked at after a frame; the next frame goes on with those that follow. */
const accountsPerFrame = 100;

const dayMs = 86_400_000;

/** What accounts have lost, USD, and what that is measured from; `since` tells one beginning from another. */
export interface Loss {
  readonly lost: Rational;
  readonly from: Rational;
  readonly since: string;
}

type LossKey = Extract<LimitKey, "dayLoss" | "weekLoss" | "drawdown">;
const lossKeys: readonly LossKey[] = ["dayLoss", "weekLoss", "drawdown"];
const reasons = { dayLoss: "day_loss", weekLoss: "week_loss", drawdown: "drawdown" } as const;

function ownLoss(machine: Machine, account: number, key: LossKey): Loss | null {
  if (account < 0) return null;
  if (key !== "drawdown") {
    const own = lossOf(machine, account, key === "dayLoss" ? "day" : "week");
    return own === null ? null : { lost: own.baseline.minus(own.worth), from: own.baseline, since: String(own.start) };
  }
  const quanta = machine.activity.peaks.get(account);
  const worth = quanta === undefined ? null : fullWorth(machine, account);
  if (quanta === undefined || worth === null) return null;
  const peak = usdQuantum.times(Rational.ofInteger(quanta));
  return { lost: peak.minus(worth), from: peak, since: String(quanta) };
}

/** LIM-19, LIM-23: of several accounts together; those of which it is not known count for nothing. */
export function lossOfAll(machine: Machine, accounts: readonly number[], key: LossKey): Loss {
  let [lost, from] = [Rational.zero, Rational.zero];
  const since: string[] = [];
  for (const account of accounts) {
    const own = ownLoss(machine, account, key);
    if (own === null) continue;
    lost = lost.plus(own.lost);
    from = from.plus(own.from);
    since.push(own.since);
  }
  return { lost, from, since: since.join(" ") };
}

/**
 * LIM-24: after a frame the next accounts are measured: peaks move up, and whoever has reached a limit of loss is halted. In turns,
 * so that a frame costs no more in a large book; until it is an account's turn, its orders meet the same limits.
 */
export function watchLosses(machine: Machine): void {
  const { activity, book, rules } = machine;
  if (!lossKeys.some((key) => inUse(rules.hierarchy, key))) return;
  const { accountCount } = book;
  for (let left = Math.min(accountsPerFrame, accountCount); left > 0; left -= 1) {
    if (activity.next >= accountCount) activity.next = 0;
    const account = activity.next;
    activity.next += 1;
    if (!book.isSystem(account)) watch(machine, account);
  }
}

function watch(machine: Machine, account: number): void {
  const { activity, book, rules, t } = machine;
  if (inUse(rules.hierarchy, "drawdown")) {
    const worth = fullWorth(machine, account)?.ceilIn(usdQuantum);
    if (worth !== undefined && worth > (activity.peaks.get(account) ?? -1n)) activity.peaks.set(account, worth);
  }
  const name = book.accountId(account);
  const entity = machine.entityOfAccount.get(name) ?? null;
  const owned = entity === null ? [] : (rules.entities.get(entity)?.accounts ?? []);
  for (const key of lossKeys) {
    const bindings = effective(rules.hierarchy, key, { account: name, key: null, entity }, null, t);
    if (bindings.account !== null) judge(machine, key, "account", name, [account], bindings.account);
    // An owner is measured once, with its first account.
    if (bindings.owner !== null && entity !== null && owned[0] === name)
      judge(
        machine,
        key,
        "entity",
        entity,
        owned.map((one) => book.findAccount(one)),
        bindings.owner,
      );
  }
}

function judge(
  machine: Machine,
  key: LossKey,
  scope: "account" | "entity",
  id: string,
  accounts: readonly number[],
  share: Binding,
): void {
  const { activity, t } = machine;
  const loss = lossOfAll(machine, accounts, key);
  const reason = reasons[key];
  const mark = `${scope}:${id}:${reason}`;
  if (activity.halted.get(mark) === loss.since || lossReached(reason, loss.lost, share, loss.from) === null) return;
  activity.halted.set(mark, loss.since);
  const start = machine.sessions.of("day").start;
  const until = key === "dayLoss" && start !== null ? start + dayMs : null;
  if (until !== null && t >= until) return;
  const call = { scope, id, state: "reduce_only", reason } as const;
  machine.halts = heldHalt(machine.halts, call, t, until);
  machine.fact("halt.set", { ...call, manual: false });
}
