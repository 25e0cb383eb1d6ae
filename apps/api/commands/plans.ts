import { operatorState, type Queryable, readRuleVersion, readSaga } from "#libs/adapters/postgres/index.ts";
import type { Payload } from "#libs/contracts/api/commands.ts";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import { shardOf } from "#libs/contracts/live/shards.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { severity } from "#libs/domain/breakers/states.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { HaltState } from "#libs/domain/rule-set/types.ts";
import { ownersOf } from "#libs/access/index.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { knownShard } from "../reading/operators.ts";
import { type Asking, isRuleOperation } from "./operations.ts";
import { ruleChange } from "./rule-changes.ts";

/** What a command comes to, by what stands at this moment. */
export interface Plan {
  readonly entries: readonly { readonly shard: string; readonly body: EntryBody }[];
  /** Why it needs a second person; null: it does not. */
  readonly secondPerson: string | null;
  /** Money that it moves; null: none. */
  readonly moved: Moved | null;
}

/** Money that a command moves, whichever way. */
export interface Moved {
  readonly asset: string;
  readonly units: Rational;
  /** At the index. */
  readonly usd: Rational;
}

const movesMoney = "it moves money";
const everywhere = (parts: Parts, body: EntryBody): Plan["entries"] =>
  parts.settings.shards.map((shard) => ({ shard, body }));

/** Which shards a halt of this scope concerns. */
async function shardsOfScope(parts: Parts, scope: string, id: string): Promise<readonly string[]> {
  const { settings, rules } = parts;
  if (scope === "account") return [shardOf(await rules.ownerOf(id), settings.shards)];
  return scope === "entity" ? [shardOf(id, settings.shards)] : settings.shards;
}

/** All shards that a command's entries may go to, so that their order can be locked before it is looked at what stands. */
export async function shardsOf(parts: Parts, { operation, payload }: Asking): Promise<readonly string[]> {
  if (operation !== "halt") return parts.settings.shards;
  const { scope, id = "" } = payload as Payload<"halt">;
  return shardsOfScope(parts, scope, id);
}

async function haltPlan(parts: Parts, db: Queryable, payload: Payload<"halt">, reason: string): Promise<Plan> {
  const { scope, id, state } = payload;
  if ((scope === "global") !== (id === undefined))
    throw new ApiRefused("invalid_command", {
      problems: [{ path: "$.id", code: "not_permitted", message: "every scope but the global one has an id" }],
    });
  const shards = await shardsOfScope(parts, scope, id ?? "");
  let looser = state === "normal";
  for (const shard of shards) {
    const before = await operatorState(db, sources.operator, shard, { scope, id: id ?? "" });
    if (severity(state) < severity(before as HaltState)) looser = true;
  }
  const body = { k: "halt", scope, ...(id === undefined ? {} : { id }), state, reason } as const;
  return {
    entries: shards.map((shard) => ({ shard, body })),
    secondPerson: looser ? "it loosens a halt" : null,
    moved: null,
  };
}

async function rulesPlan(parts: Parts, db: Queryable, asking: Asking): Promise<Plan> {
  const { operation, payload, reason } = asking;
  if (!isRuleOperation(operation)) throw new Error(`${operation} changes no rules`);
  const entries: { shard: string; body: EntryBody }[] = [];
  let secondPerson: string | null = null;
  for (const shard of parts.settings.shards) {
    const found = await readRuleVersion(db, shard, null);
    if (found === null) throw new ApiRefused("shard_unavailable", { reason: `shard ${shard} has not run yet` });
    const present = { version: found.version, document: found.document as RuleDocument };
    const change = await ruleChange(parts, db, { operation, payload, reason }, present);
    ({ secondPerson } = change);
    entries.push({ shard, body: { k: "rules", document: change.document, base: found.version } });
  }
  return { entries, secondPerson, moved: null };
}

async function worth({ prices }: Parts, asset: string, amount: string): Promise<Moved> {
  const index = await prices.index(asset);
  if (index === null) throw new ApiRefused("price_unknown");
  const units = Rational.parse(amount).abs();
  return { asset, units, usd: units.times(index) };
}

/** The engine judges an index by its quality, which nobody tells it of while no frames come. */
function expectFresh({ prices: { ageMs } }: Parts): void {
  if (ageMs !== null && ageMs <= limits.settlementFrameMs) return;
  const reason = ageMs === null ? "no frame of prices has come" : `the newest frame of prices is ${ageMs} ms old`;
  throw new ApiRefused("price_stale", { reason: `${reason}; ${limits.settlementFrameMs} ms are permitted` });
}

async function transferPlan(parts: Parts, payload: Payload<"transfer">): Promise<Plan> {
  const { settings, rules } = parts;
  const { document } = await rules.now();
  const ownerOf = ownersOf(document.entities);
  const [shard, other] = [payload.from, payload.to].map((account) => shardOf(ownerOf(account), settings.shards));
  if (shard === undefined || shard !== other) throw new ApiRefused("other_shard");
  const moved = await worth(parts, payload.asset, payload.amount);
  return { entries: [{ shard, body: { k: "transfer", ...payload } }], secondPerson: movesMoney, moved };
}

/** BRK-03: a liquidation is parked while its account is paused. */
async function sagaPlan(parts: Parts, db: Queryable, payload: Payload<"saga">, reason: string): Promise<Plan> {
  const shard = knownShard(parts, payload.shard);
  const saga = await readSaga(db, shard, payload.saga);
  if (saga === null || saga.ended)
    throw new ApiRefused("not_found", { reason: "there is no such liquidation under way" });
  const state = payload.action === "park" ? "paused" : "normal";
  return haltPlan(parts, db, { scope: "account", id: saga.account, state }, reason);
}

async function planned(parts: Parts, db: Queryable, asking: Asking): Promise<Plan> {
  const { operation, reason } = asking;
  if (isRuleOperation(operation)) return rulesPlan(parts, db, asking);
  switch (operation) {
    case "halt":
      return haltPlan(parts, db, asking.payload as Payload<"halt">, reason);
    case "saga":
      return sagaPlan(parts, db, asking.payload as Payload<"saga">, reason);
    case "fund": {
      const { fund, asset, amount, shard } = asking.payload as Payload<"fund">;
      const body = { k: fund === "insurance" ? "fund" : "house", asset, amount } as const;
      const entries = [{ shard: knownShard(parts, shard), body }];
      return { entries, secondPerson: movesMoney, moved: await worth(parts, asset, amount) };
    }
    case "adjust": {
      const { account, asset, amount } = asking.payload as Payload<"adjust">;
      const shard = shardOf(await parts.rules.ownerOf(account), parts.settings.shards);
      const entries = [{ shard, body: { k: "cash", account, asset, amount } as const }];
      return { entries, secondPerson: movesMoney, moved: await worth(parts, asset, amount) };
    }
    case "deleverage": {
      const { account, instrument, qty } = asking.payload as Payload<"deleverage">;
      const shard = shardOf(await parts.rules.ownerOf(account), parts.settings.shards);
      const entries = [{ shard, body: { k: "deleverage", account, instrument, qty } as const }];
      return { entries, secondPerson: "it closes positions of others", moved: null };
    }
    case "transfer":
      return transferPlan(parts, asking.payload as Payload<"transfer">);
    case "settle": {
      const { instrument, price } = asking.payload as Payload<"settle">;
      expectFresh(parts);
      const body = { k: "expire", instrument, price } as const;
      return { entries: everywhere(parts, body), secondPerson: "it settles every position at a price", moved: null };
    }
    default:
      throw new Error("a change of the rules is planned elsewhere");
  }
}

/** What the command comes to now. Throws `ApiRefused` where it cannot be carried out as it stands: every entry passes the log's own door. */
export async function planOf(parts: Parts, db: Queryable, asking: Asking): Promise<Plan> {
  const plan = await planned(parts, db, asking);
  for (const { body } of plan.entries) {
    const numbered = { ...body, t: parts.clock.now(), source: sources.operator, sourceSeq: 1 };
    const reading = readLiveEntry(JSON.stringify(numbered));
    if (!reading.ok) throw new ApiRefused("invalid_command", { problems: reading.problems });
  }
  return plan;
}
