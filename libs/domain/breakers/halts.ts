import type { BreakerRules, HaltState } from "#libs/domain/rule-set/types.ts";
import { severity, stateOfSeverity, strictest } from "./states.ts";

export const haltScopes = ["global", "instrument", "account", "entity"] as const;
export type HaltScope = (typeof haltScopes)[number];

/** Why a scope is not open. One record for each scope, id and reason; an operator has one for each scope and id. */
export interface HaltRecord {
  readonly scope: HaltScope;
  /** Which instrument, account or entity; empty for `global`. */
  readonly id: string;
  readonly state: HaltState;
  readonly reason: string;
  /** Set by an operator: it neither expires nor gives way to a trigger. */
  readonly manual: boolean;
  /** UTC ms at which it took this state. */
  readonly since: number;
  /** UTC ms at which it starts to re-open; null: only an operator lifts it. */
  readonly until: number | null;
}

type ExpiryRules = Pick<BreakerRules, "expiryMs" | "reopenStepMs">;

interface HaltCall {
  readonly scope: HaltScope;
  readonly id: string;
  readonly state: HaltState;
  readonly reason: string;
}

/** In order of scope, id, operators first, reason: the order in which records are kept and shown. */
function order(left: HaltRecord, right: HaltRecord): number {
  if (left.scope !== right.scope) return haltScopes.indexOf(left.scope) - haltScopes.indexOf(right.scope);
  if (left.id !== right.id) return left.id < right.id ? -1 : 1;
  if (left.manual !== right.manual) return left.manual ? -1 : 1;
  if (left.reason !== right.reason) return left.reason < right.reason ? -1 : 1;
  return 0;
}

/** BRK-16, BRK-17: what is left of a record at `t`: from `until` on it opens by one state at once and one per step. */
export function stateAt(record: HaltRecord, t: number, rules: ExpiryRules): HaltState {
  if (record.until === null || t < record.until) return record.state;
  if (rules.reopenStepMs === 0) return "normal";
  const steps = 1 + Math.floor((t - record.until) / rules.reopenStepMs);
  return stateOfSeverity(severity(record.state) - steps);
}

/**
 * BRK-16: a trigger asks for a state at `t`. A record of the same scope, id and reason is renewed when what is left of it
 * is no stricter; a milder call leaves it to its own expiry, so that a scope never opens by more than a state at a time.
 */
export function triggerHalt(
  records: readonly HaltRecord[],
  call: HaltCall,
  t: number,
  rules: ExpiryRules,
): readonly HaltRecord[] {
  if (call.state === "normal") return records;
  const same = (one: HaltRecord): boolean =>
    !one.manual && one.scope === call.scope && one.id === call.id && one.reason === call.reason;
  const existing = records.find(same);
  const left = existing === undefined ? "normal" : stateAt(existing, t, rules);
  if (severity(call.state) < severity(left)) return records;
  const since = existing !== undefined && left === call.state && existing.state === call.state ? existing.since : t;
  const record: HaltRecord = { ...call, manual: false, since, until: t + rules.expiryMs };
  return [...records.filter((one) => !same(one)), record].sort(order);
}

/** LIM-24: a scope that has lost too much is closed until a time (UTC ms), or until an operator opens it (null). */
export function heldHalt(
  records: readonly HaltRecord[],
  call: HaltCall,
  t: number,
  until: number | null,
): readonly HaltRecord[] {
  const others = records.filter(
    (one) => one.manual || one.scope !== call.scope || one.id !== call.id || one.reason !== call.reason,
  );
  return [...others, { ...call, manual: false, since: t, until }].sort(order);
}

/**
 * BRK-18: an operator sets the state of a scope, in place of what an operator set before; `normal` lifts every record
 * of that scope and id at once, those of triggers too.
 */
export function operatorHalt(records: readonly HaltRecord[], call: HaltCall, t: number): readonly HaltRecord[] {
  const others = records.filter((one) => one.scope !== call.scope || one.id !== call.id);
  if (call.state === "normal") return others;
  const triggered = records.filter((one) => one.scope === call.scope && one.id === call.id && !one.manual);
  const record: HaltRecord = { ...call, manual: true, since: t, until: null };
  return [...others, ...triggered, record].sort(order);
}

/** BRK-17: the records that still hold at `t`, each with the state that is left of it, in order. */
export function haltsAt(records: readonly HaltRecord[], t: number, rules: ExpiryRules): readonly HaltRecord[] {
  return records
    .map((one) => ({ ...one, state: stateAt(one, t, rules) }))
    .filter((one) => one.state !== "normal")
    .sort(order);
}

/** The records without those that have re-opened: what needs to be kept. */
export function withoutExpired(records: readonly HaltRecord[], t: number, rules: ExpiryRules): readonly HaltRecord[] {
  return records.filter((one) => stateAt(one, t, rules) !== "normal");
}

/** What an action touches; whatever is left out plays no part. */
export interface HaltConcern {
  readonly instrument?: string;
  readonly account?: string;
  readonly entity?: string;
}

/** BRK-07: the strictest state at `t` over the exchange and the instrument, account and entity concerned. */
export function effectiveState(
  records: readonly HaltRecord[],
  concern: HaltConcern,
  t: number,
  rules: ExpiryRules,
): HaltState {
  const concerned = records.filter((one) => one.scope === "global" || concern[one.scope] === one.id);
  return strictest(concerned.map((one) => stateAt(one, t, rules)));
}

/** The next UTC ms after `t` at which some record opens by a state; null when none will by itself. */
export function nextReopening(records: readonly HaltRecord[], t: number, rules: ExpiryRules): number | null {
  let next: number | null = null;
  for (const record of records) {
    if (record.until === null || stateAt(record, t, rules) === "normal") continue;
    const ahead =
      t < record.until
        ? record.until
        : record.until + (Math.floor((t - record.until) / rules.reopenStepMs) + 1) * rules.reopenStepMs;
    if (next === null || ahead < next) next = ahead;
  }
  return next;
}
