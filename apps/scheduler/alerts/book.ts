import type { AlertLevel, KeptAlert } from "#libs/adapters/postgres/index.ts";
import { type Condition, endsWhenSeen } from "./conditions.ts";
import { limits } from "./limits.ts";

/** What changes by one look: alerts to keep (`forget`: to be seen anew), and those of them that the channels are told of. */
export interface Step {
  readonly keep: readonly (KeptAlert & { readonly forget: boolean })[];
  readonly tell: readonly KeptAlert[];
}

const rank: Readonly<Record<AlertLevel, number>> = { yellow: 0, orange: 1, red: 2 };

/**
 * Alerts as they go on from look to look. One condition is one alert: it begins once, is told once for each level that it reaches, and
 * ends once it has not been met for a while; begun again soon after it was told, it is not told again. A red one that nobody has
 * acknowledged is repeated.
 */
export class AlertBook {
  /** Alert → since when its condition is not met any more, ms. */
  readonly #missing = new Map<string, number>();

  /** `now`: UTC ms. `kept`: as they stand in the database, whoever has changed them. */
  step(kept: readonly KeptAlert[], conditions: readonly Condition[], now: number): Step {
    const known = new Map(kept.map((one) => [one.id, one]));
    const met = new Set<string>();
    const keep: (KeptAlert & { readonly forget: boolean })[] = [];
    const tell: KeptAlert[] = [];
    for (const condition of conditions) {
      if (met.has(condition.id)) continue;
      met.add(condition.id);
      const before = known.get(condition.id);
      // Somebody has seen what has no end of its own.
      if (before !== undefined && before.ack !== null && endsWhenSeen(condition.code)) {
        if (before.until === null) keep.push({ ...before, until: now, forget: false });
        continue;
      }
      this.#missing.delete(condition.id);
      const { alert, forget, told } = goesOn(before, condition, now);
      if (alert === null) continue;
      keep.push({ ...alert, forget });
      if (told) tell.push(alert);
    }
    for (const one of kept) if (one.until === null && !met.has(one.id)) this.#lacks(one, now, keep, tell);
    for (const id of this.#missing.keys()) if (!known.has(id)) this.#missing.delete(id);
    return { keep, tell };
  }

  #lacks(one: KeptAlert, now: number, keep: (KeptAlert & { readonly forget: boolean })[], tell: KeptAlert[]): void {
    const since = this.#missing.get(one.id) ?? now;
    this.#missing.set(one.id, since);
    if (now - since < limits.endsAfterMs) return;
    this.#missing.delete(one.id);
    const ended: KeptAlert = { ...one, until: now };
    keep.push({ ...ended, forget: false });
    if (one.told !== null) tell.push(ended);
  }
}

/** An alert whose condition is met; null: nothing changes. */
function goesOn(
  before: KeptAlert | undefined,
  condition: Condition,
  now: number,
): { readonly alert: KeptAlert | null; readonly forget: boolean; readonly told: boolean } {
  if (before === undefined) {
    const told = { level: condition.level, at: now };
    return { alert: { ...condition, since: now, until: null, count: 1, ack: null, told }, forget: false, told: true };
  }
  const anew = before.until !== null;
  const rises = rank[condition.level] > rank[before.level];
  const repeats =
    condition.level === "red" && before.ack === null && before.told !== null && now - before.told.at >= limits.repeatMs;
  const changes = condition.level !== before.level || condition.title !== before.title;
  if (!anew && !changes && !repeats) return { alert: null, forget: false, told: false };
  const forget = anew || rises;
  const worth =
    before.told === null || rank[condition.level] > rank[before.told.level] || now - before.told.at >= limits.quietMs;
  const told = repeats || (forget && worth);
  const alert: KeptAlert = {
    ...condition,
    since: anew ? now : before.since,
    until: null,
    count: before.count + (anew ? 1 : 0),
    ack: forget ? null : before.ack,
    told: told ? { level: condition.level, at: now } : before.told,
  };
  return { alert, forget, told };
}
