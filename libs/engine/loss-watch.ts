import { Rational } from "#libs/decimal/index.ts";
import { heldHalt } from "#libs/domain/breakers/halts.ts";
import { type Binding, effective } from "#libs/domain/limits/effective.ts";
import { inUse } from "#libs/domain/limits/in-use.ts";
import { lossReached } from "#libs/domain/pre-trade/limit-checks.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { fullWorth, lossOf, usdQuantum } from "./entries/session.ts";
import { nearestFloat } from "./floats.ts";
import type { Machine } from "./machine.ts";
import { roughWorth } from "./rough-worth.ts";

/** So many accounts are looked at after a frame; the next frame goes on with those that follow. */
const accountsPerFrame = 1000;

const usdFloat = 1e-8;
const room = 2 ** -30;
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
  const { book, rules, t } = machine;
  if (inUse(rules.hierarchy, "drawdown")) raisePeak(machine, account);
  const name = book.accountId(account);
  const entity = machine.entityOfAccount.get(name) ?? null;
  const owned = entity === null ? [] : (rules.entities.get(entity)?.accounts ?? []).map((one) => book.findAccount(one));
  for (const key of lossKeys) {
    const bindings = effective(rules.hierarchy, key, { account: name, key: null, entity }, null, t);
    if (bindings.account !== null) judge(machine, key, "account", name, [account], bindings.account);
    // An owner is measured once, with the first of its accounts that the book knows.
    if (bindings.owner !== null && entity !== null && owned.find((one) => one >= 0) === account)
      judge(machine, key, "entity", entity, owned, bindings.owner);
  }
}

function raisePeak(machine: Machine, account: number): void {
  const { peaks } = machine.activity;
  const before = peaks.get(account);
  // Clearly below it there is nothing to raise.
  if (before !== undefined && roughWorth(machine, account).most < Number(before) * usdFloat * (1 - room)) return;
  const worth = fullWorth(machine, account)?.ceilIn(usdQuantum);
  if (worth !== undefined && worth > (before ?? -1n)) peaks.set(account, worth);
}

/** What the losses of an account are measured from, in baseline quanta. */
function lossFrom({ activity, sessions }: Machine, account: number, key: LossKey): bigint | null {
  if (account < 0) return null;
  if (key === "drawdown") return activity.peaks.get(account) ?? null;
  return sessions.of(key === "dayLoss" ? "day" : "week").baseline(account);
}

/** Whether floats prove that the accounts have not lost their share: nearly always, so that nothing exact is computed. */
function certainlyBelow(machine: Machine, accounts: readonly number[], key: LossKey, share: Binding): boolean {
  let [worth, from] = [0, 0];
  for (const account of accounts) {
    const own = lossFrom(machine, account, key);
    if (own === null) continue;
    worth += roughWorth(machine, account).least;
    from += Number(own) * usdFloat;
  }
  const magnitude = Math.abs(from) + Math.abs(worth);
  return from - worth + room * magnitude < from * nearestFloat(share.value) - room * magnitude;
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
  if (certainlyBelow(machine, accounts, key, share)) return;
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
