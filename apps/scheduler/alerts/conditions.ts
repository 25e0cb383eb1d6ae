import type { Alarm, AlertLevel, HaltRow } from "#libs/adapters/postgres/index.ts";
import type { LimitsReply, LimitUseRow, ProgressRow } from "#libs/contracts/live/limits.ts";
import { type AlertCode, alertCodes, endingAlarms, redAlarms } from "./catalogue.ts";
import { limits } from "./limits.ts";

/** Something that a person should look at now. */
export interface Condition {
  /** The same for as long as it holds. */
  readonly id: string;
  readonly code: string;
  readonly level: AlertLevel;
  readonly title: string;
  readonly group: string;
  readonly detail: unknown;
}

export type RaisedAlarm = Alarm & { readonly at: number };

/** How far limits are used and how near breakers are, as a follower of the shard said last. */
export interface LimitsSeen {
  readonly accounts: readonly LimitUseRow[];
  readonly exchange: LimitsReply["exchange"];
}

/** All that is looked at. */
export interface Seen {
  readonly halts: ReadonlyMap<string, readonly HaltRow[]>;
  readonly alarms: readonly RaisedAlarm[];
  readonly limits: ReadonlyMap<string, LimitsSeen>;
  /** Shards that have been silent or not ready for too long, with why; and those whose limits nobody watches. */
  readonly silent: ReadonlyMap<string, string>;
  readonly unwatched: readonly string[];
}

/** Ids keep to letters, digits and a few signs, whatever they are made of. */
const idMax = 200;
const idOf = (...parts: readonly string[]): string =>
  parts
    .join(":")
    .replaceAll(/[^A-Za-z0-9_.:-]/g, "_")
    .slice(0, idMax);

/** Yellow above half of a limit, orange above three quarters; null: it is not worth a look. What may be nothing is used up. */
export function levelOf(share: string | null): AlertLevel | null {
  const used = share === null ? Number.POSITIVE_INFINITY : Number(share);
  if (used > limits.orangeAbove) return "orange";
  return used > limits.yellowAbove ? "yellow" : null;
}

export function conditionsOf(seen: Seen): Condition[] {
  return [
    ...haltConditions(seen.halts),
    ...[...seen.limits].flatMap(([shard, { exchange }]) => exchange.flatMap((row) => progressCondition(shard, row))),
    ...limitConditions(seen.limits),
    ...[...seen.silent].map(([shard, why]) => silentCondition(shard, why)),
    ...seen.unwatched.map(unwatchedCondition),
    ...alarmConditions(seen.alarms),
  ];
}

const lossLimits: ReadonlySet<string> = new Set(["dayLoss", "weekLoss", "drawdown"]);

/** In steps, so that an alert does not change with every price. */
const stepPercent = 5;
const percentOf = (share: string | null): string =>
  share === null ? "more than all" : `${Math.floor((Number(share) * 100) / stepPercent) * stepPercent} %`;

/** Every shard has the halts of instruments and of the exchange: they are one; those of accounts are told together. */
function haltConditions(halts: ReadonlyMap<string, readonly HaltRow[]>): Condition[] {
  const wide = new Map<string, HaltRow & { readonly shards: string[] }>();
  const accounts = new Map<string, string[]>();
  for (const [shard, rows] of halts)
    for (const row of rows) {
      if (row.state === "normal") continue;
      if (row.scope === "account") {
        accounts.set(row.reason, [...(accounts.get(row.reason) ?? []), row.id ?? ""]);
        continue;
      }
      const key = idOf("halted", row.scope, row.id ?? "all", row.reason);
      const known = wide.get(key);
      if (known === undefined) wide.set(key, { ...row, shards: [shard] });
      else known.shards.push(shard);
    }
  const of = ({ scope, id }: HaltRow): string => (scope === "global" ? "the exchange" : `${scope} ${id ?? ""}`);
  return [
    ...[...wide].map(([id, row]): Condition => {
      const { state, reason, manual, since, until, shards } = row;
      const title = `${of(row)} is ${state}: ${reason}${manual ? ", by an operator" : ""}`;
      const detail = { scope: row.scope, id: row.id, state, reason, manual, since, until, shards };
      return { id, code: "halted", level: "red", title, group: of(row), detail };
    }),
    ...[...accounts].map(([reason, names]): Condition => {
      const title = `${names.length === 1 ? `account ${names[0] ?? ""} is` : `${names.length} accounts are`} halted: ${reason}`;
      const detail = { reason, count: names.length, accounts: names.slice(0, accountsShown) };
      return {
        id: idOf("accounts_halted", reason),
        code: "accounts_halted",
        level: "red",
        title,
        group: "accounts",
        detail,
      };
    }),
  ];
}

const accountsShown = 20;

const nears: Readonly<Record<ProgressRow["what"], readonly [code: AlertCode, said: string]>> = {
  fund_drawdown: ["fund_drawdown_near", "the fund's drawdown"],
  liquidation_rate: ["liquidation_rate_near", "the rate of liquidations"],
  price_move: ["price_move_near", "the price move"],
  open_interest: ["open_interest_near", "open interest"],
};

function progressCondition(shard: string, { what, of, value, bound, share }: ProgressRow): Condition[] {
  const level = levelOf(share);
  if (level === null) return [];
  const [code, said] = nears[what];
  const whose = of === "" ? `shard ${shard}` : of;
  const title = `${said} of ${whose} is at ${percentOf(share)} of its limit`;
  const group = what === "fund_drawdown" ? "fund" : what === "liquidation_rate" ? "the exchange" : `instrument ${of}`;
  return [{ id: idOf(code, shard, of), code, level, title, group, detail: { shard, of, value, bound, share } }];
}

/** The fullest of all shards. */
function limitConditions(seen: ReadonlyMap<string, LimitsSeen>): Condition[] {
  const rows = [...seen].flatMap(([shard, { accounts }]) => accounts.map((row) => ({ ...row, shard })));
  const used = (share: string | null): number => (share === null ? Number.POSITIVE_INFINITY : Number(share));
  rows.sort((left, right) => (used(left.share) === used(right.share) ? 0 : used(right.share) - used(left.share)));
  return rows
    .slice(0, limits.limitsMost)
    .flatMap(({ shard, account, limit, instrument, value, bound, share, level: by }) => {
      const level = levelOf(share);
      if (level === null) return [];
      const code = lossLimits.has(limit) ? "loss_limit_used" : "limit_used";
      const title = `${account} has used ${percentOf(share)} of ${limit}${instrument === null ? "" : ` of ${instrument}`} (${by})`;
      const detail = { shard, account, limit, instrument, value, bound, share, by };
      return [{ id: idOf(code, shard, account), code, level, title, group: `account ${account}`, detail }];
    });
}

function silentCondition(shard: string, why: string): Condition {
  const title = `shard ${shard} is not ready: ${why}`;
  const id = idOf("shard_not_ready", shard);
  return { id, code: "shard_not_ready", level: "red", title, group: `shard ${shard}`, detail: { shard, why } };
}

function unwatchedCondition(shard: string): Condition {
  const title = `no follower of shard ${shard} says how far limits are used`;
  const id = idOf("limits_unwatched", shard);
  return { id, code: "limits_unwatched", level: "orange", title, group: `shard ${shard}`, detail: { shard } };
}

/** Alarms, oldest first: of those that end, the latest word counts; under the alarm's own id, so that nobody sees it twice. */
function alarmConditions(alarms: readonly RaisedAlarm[]): Condition[] {
  const standing = new Map<string, RaisedAlarm>();
  for (const alarm of alarms) {
    const base = alarm.code.replace(/_over$/, "");
    const ends = endingAlarms.has(base);
    const key = ends ? `${base} ${alarm.shard ?? ""}` : alarm.id;
    if (ends && alarm.code !== base) standing.delete(key);
    else standing.set(key, alarm);
  }
  return [...standing.values()].map(({ id, code, shard, text, detail = null, at }) => {
    const level: AlertLevel = redAlarms.has(code) ? "red" : "orange";
    const group = shard === null ? "deployment" : `shard ${shard}`;
    return { id: idOf(id), code, level, title: text, group, detail: { shard, at, alarm: detail } };
  });
}

/** Alarms that have no end of their own: somebody who has seen one ends it. */
export const endsWhenSeen = (code: string): boolean => !endingAlarms.has(code) && eventCodes.has(code);
const eventCodes: ReadonlySet<string> = new Set<AlertCode>([
  "comparison_blind",
  "effect_stuck",
  "provider_refused",
  "provider_timeout",
  "fill_slippage",
]);

/** What a code means, for messages; alarms of later versions are told by their own text. */
export const meaningOf = (code: string): string | null =>
  Object.hasOwn(alertCodes, code) ? alertCodes[code as AlertCode] : null;
