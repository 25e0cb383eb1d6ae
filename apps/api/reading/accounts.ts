import { randomUUID } from "node:crypto";
import { ledgerOfAccount, listAccounts, readFacts } from "#libs/adapters/postgres/index.ts";
import type { AccountReply } from "#libs/contracts/live/margin.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { may } from "#libs/access/index.ts";
import type { Call, Handlers } from "../http/app.ts";
import { beforeOf, pageSize } from "../http/door.ts";
import { limits } from "../limits.ts";
import { type Parts, shardOfAccount } from "../parts.ts";
import { accountFills } from "./fills.ts";

/** By kind of history: the facts that it is made of; null: all. */
const kinds: Readonly<Record<string, readonly string[] | null>> = {
  all: null,
  liquidations: [
    "liquidation.started",
    "liquidation.stage",
    "liquidation.step",
    "liquidation.fees",
    "liquidation.ended",
    "insurance.paid",
    "loss.shared",
    "account.blocked",
    "account.unblocked",
  ],
  adl: ["adl.filled"],
  warnings: ["warning"],
  orders: ["order.rejected", "order.booked", "order.cancelled"],
  cash: ["cash.deposited", "cash.withdrawn", "cash.rejected", "margin.changed", "conversion.booked"],
};
const marginFacts = ["warning", "liquidation.started"];

const accountOf = ({ params }: Call): string => params["account"] as string;

/** Facts of an account before one, newest first, and where the next page begins. */
async function factsOf(parts: Parts, call: Call, names: readonly string[] | null) {
  const shard = await shardOfAccount(parts, accountOf(call));
  const limit = pageSize(call.query);
  const before = beforeOf(call.query);
  const facts = await readFacts(parts.db, shard, {
    account: accountOf(call),
    limit,
    ...(before === null ? {} : { before }),
    ...(names === null ? {} : { facts: names }),
  });
  return { facts, before: facts.length < limit ? null : (facts.at(-1)?.seq ?? null) };
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const pointOf = (fact: Fact) => ({
  seq: fact.seq,
  t: fact.t,
  instrument: text(fact["instrument"]),
  ratio: text(fact["ratio"]),
  equity: text(fact["equity"]),
  mm: text(fact["mm"]),
  fact: fact.fact,
});

async function list(parts: Parts, { principal, query }: Call) {
  const limit = pageSize(query);
  const { ownerOf, document } = await parts.rules.now();
  const own = may(principal, "read")
    ? null
    : [principal.owner ?? "", ...(document.entities?.[principal.owner ?? ""]?.accounts ?? [])];
  const found = await listAccounts(parts.db, { after: query["after"] ?? "", limit, among: own });
  const visible = found.filter(({ account }) => own === null || ownerOf(account) === principal.owner);
  const accounts = visible.map(({ account, shard }) => ({ account, owner: ownerOf(account), shard }));
  return { body: { accounts, next: found.length < limit ? null : (found.at(-1)?.account ?? null) } };
}

/** Routes about accounts that the engine or the tables answer at once. */
export function accountHandlers(parts: Parts): Handlers {
  const { bus, db, prices, rules } = parts;
  const rpc = async <T>(shard: string, verb: "account" | "what-if", body: unknown): Promise<T> =>
    bus.request<T>(bus.names.subjects.rpc(shard, verb), body, { timeoutMs: limits.rpcMs });
  return {
    accounts: async (call) => list(parts, call),
    async account(call) {
      const account = accountOf(call);
      const shard = await shardOfAccount(parts, account);
      const reply = await rpc<AccountReply>(shard, "account", { account });
      const owner = await rules.ownerOf(account);
      return { body: { shard, logSeq: reply.appliedSeq, owner, markAgeMs: prices.ageMs, account: reply.account } };
    },
    async "what-if"(call) {
      const account = accountOf(call);
      const asked = { ...(call.body as object), request: randomUUID(), account };
      return { body: await rpc<object>(await shardOfAccount(parts, account), "what-if", asked) };
    },
    "account-fills": async (call) => ({ body: await accountFills(parts, accountOf(call), call.query) }),
    async "account-history"(call) {
      return { body: await factsOf(parts, call, kinds[call.query["kind"] ?? "all"] ?? null) };
    },
    async "account-margin"(call) {
      const { facts, before } = await factsOf(parts, call, marginFacts);
      return { body: { points: facts.map(pointOf), before } };
    },
    async "account-ledger"(call) {
      const shard = await shardOfAccount(parts, accountOf(call));
      const page = { before: beforeOf(call.query), limit: pageSize(call.query) };
      const lines = await ledgerOfAccount(db, shard, accountOf(call), page);
      const wanted = lines.filter(({ kind }) => call.query["kind"] === undefined || kind === call.query["kind"]);
      const legs = wanted.map(({ entry, t, kind, asset, leg, instrument, amount }) => ({
        entry,
        t,
        kind,
        asset,
        leg,
        instrument,
        amount,
      }));
      return { body: { legs, before: lines.length < page.limit ? null : (lines.at(-1)?.entry ?? null) } };
    },
  };
}
