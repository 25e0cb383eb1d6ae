import {
  endedSagas,
  endOfSaga,
  lastTermsOf,
  readFactsOfSaga,
  readSaga,
  runningSagas,
  type SagaEnd,
  type SagaOfShard,
  type SagaPlace,
  type SagaSum,
  sumsOfSagas,
} from "#libs/adapters/postgres/index.ts";
import type { SagaMoney, SagaOutcome } from "#libs/contracts/api/replies.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { InstrumentDocument } from "#libs/domain/rule-set/documents.ts";
import type { Asked } from "../http/door.ts";
import { pageSize } from "../http/door.ts";
import type { Handlers } from "../http/app.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { knownShard } from "./operators.ts";

/** `products` and `quotients` of a sum are in units of 1e-36. */
const sumDecimals = 36;

const refusedQuery = (path: string, message: string): ApiRefused =>
  new ApiRefused("unreadable", { problems: [{ path, code: "not_permitted", message }] });

const cursorOf = ({ t, shard, key }: SagaPlace): string => `${t}.${shard}.${key}`;

/** Where the page begins; the key of what has ended is the number of a fact. */
function placeOf(query: Asked["query"], open: boolean): SagaPlace | null {
  if (query["before"] === undefined) return null;
  const [t = "", shard = "", key = ""] = query["before"].split(".");
  if (!open && !/^\d{1,15}$/.test(key)) throw refusedQuery("$.query.before", "is not of a list of ended liquidations");
  return { t: Number(t), shard, key };
}

type Terms = (instrument: string | null) => Promise<Pick<InstrumentDocument, "kind" | "settle" | "multiplier">>;

/** The terms of contracts, which never change while they are listed: by the rules in force, else by the last that listed them. */
function termsOf({ db, rules }: Parts, shard: string): Terms {
  return async (instrument) => {
    const listed = (await rules.now()).document.instruments.find(({ id }) => id === instrument);
    const found = listed ?? (await lastTermsOf(db, shard, instrument ?? ""));
    if (found === null) throw new Error(`no rules have ever listed ${instrument ?? "it"}`);
    return found as InstrumentDocument;
  };
}

const nothing: Omit<SagaMoney, "asset"> = {
  closedNotional: "0",
  deleveragedNotional: "0",
  realised: "0",
  takerFee: "0",
  liquidationFee: "0",
  fundPaid: "0",
  lossShared: "0",
  debtParked: "0",
};

/** What the facts of one name come to in a liquidation's money, and in which asset. */
async function moneyOf(sum: SagaSum, terms: Terms): Promise<readonly [asset: string, Partial<SagaMoney>]> {
  if (sum.fact === "insurance.paid") return [sum.asset ?? "", { fundPaid: sum.amount }];
  if (sum.fact === "loss.shared") return [sum.asset ?? "", { lossShared: sum.amount }];
  if (sum.fact === "debt.parked") return [sum.asset ?? "", { debtParked: sum.amount }];
  const { kind, settle, multiplier = "1" } = await terms(sum.instrument);
  if (sum.fact === "liquidation.fees") return [settle, { takerFee: sum.taker, liquidationFee: sum.liquidation }];
  if (sum.fact === "adl.filled") return [settle, { deleveragedNotional: sum.notional }];
  const traded = Rational.ofUnits(BigInt(kind === "linear" ? sum.products : sum.quotients), sumDecimals);
  return [settle, { closedNotional: traded.times(Rational.parse(multiplier)).toStringDown(), realised: sum.realised }];
}

async function moneyByAsset(sums: readonly SagaSum[], terms: Terms): Promise<readonly SagaMoney[]> {
  const found = new Map<string, SagaMoney>();
  for (const sum of sums) {
    const [asset, more] = await moneyOf(sum, terms);
    const before = found.get(asset) ?? { asset, ...nothing };
    const added = Object.entries(more).map(([field, amount]) => {
      const had = Rational.parse(before[field as keyof SagaMoney]);
      return [field, had.plus(Rational.parse(amount)).toStringDown()] as const;
    });
    found.set(asset, { ...before, ...Object.fromEntries(added) });
  }
  return [...found.values()].sort((left, right) => (left.asset < right.asset ? -1 : 1));
}

const outcomeOf = (end: SagaEnd, money: readonly SagaMoney[]): SagaOutcome => ({
  ...end,
  outcome: end.outcome as SagaOutcome["outcome"],
  money: [...money],
});

/** Liquidations that ended with what became of them and of the money. */
async function withOutcomes(parts: Parts, found: readonly (SagaOfShard & { readonly end: SagaEnd })[]) {
  const money = new Map<string, readonly SagaMoney[]>();
  for (const shard of new Set(found.map((saga) => saga.shard))) {
    const ids = found.filter((saga) => saga.shard === shard).map(({ id }) => id);
    const sums = await sumsOfSagas(parts.db, shard, ids);
    for (const id of ids) {
      const own = sums.filter(({ saga }) => saga === id);
      money.set(`${shard} ${id}`, await moneyByAsset(own, termsOf(parts, shard)));
    }
  }
  return found.map(({ end, ...saga }) => ({
    ...saga,
    outcome: outcomeOf(end, money.get(`${saga.shard} ${saga.id}`) ?? []),
  }));
}

async function running(parts: Parts, query: Asked["query"]) {
  if (query["outcome"] !== undefined) throw refusedQuery("$.query.outcome", "what runs has no outcome yet");
  const limit = pageSize(query);
  const { account = null } = query;
  const stage = query["stage"] === undefined ? null : Number(query["stage"]);
  const before = placeOf(query, true);
  const found = await runningSagas(parts.db, { shards: parts.settings.shards, account, stage, before, limit });
  const last = found.at(-1);
  const next =
    last === undefined || found.length < limit
      ? null
      : cursorOf({ t: last.startedAt, shard: last.shard, key: last.id });
  return { sagas: found.map((saga) => ({ ...saga, outcome: null })), before: next };
}

/** A stage is found by looking at each, so a page of one stage may be short, or empty, with more behind it. */
async function ended(parts: Parts, query: Asked["query"]) {
  const limit = Math.min(pageSize(query), limits.endedSagasMax);
  const { account = null, outcome = null, stage } = query;
  const searched = stage === undefined ? limit : limits.endedSagasSearched;
  const before = placeOf(query, false);
  const page = { shards: parts.settings.shards, account, outcome, before, limit: searched };
  const looked = await endedSagas(parts.db, page);
  const fits = looked.filter(({ end }) => stage === undefined || end.stage === Number(stage));
  const found = fits.slice(0, limit);
  const whole = looked.length < searched && fits.length <= limit;
  const last = found.length === limit ? found.at(-1) : looked.at(-1);
  return {
    sagas: await withOutcomes(parts, found),
    before:
      whole || last === undefined
        ? null
        : cursorOf({ t: last.end.endedAt, shard: last.shard, key: String(last.end.seq) }),
  };
}

/** Liquidations: those that run, those that ended with their outcome, and everything that one did. */
export function sagaHandlers(parts: Parts): Handlers {
  const { db } = parts;
  return {
    async sagas({ query }) {
      return { body: query["open"] === "no" ? await ended(parts, query) : await running(parts, query) };
    },
    async saga({ params }) {
      const shard = knownShard(parts, params["shard"]);
      const found = await readSaga(db, shard, params["saga"] as string);
      if (found === null) throw new ApiRefused("not_found");
      const { body, ...row } = found;
      const end = await endOfSaga(db, shard, row.id);
      const [saga] =
        end === null ? [{ shard, ...row, outcome: null }] : await withOutcomes(parts, [{ shard, ...row, end }]);
      return { body: { saga, body, facts: await readFactsOfSaga(db, shard, row.id) } };
    },
  };
}
