import Type, { type TSchema } from "typebox";
import { WhatIfRequest } from "../live/pre-trade.ts";
import { Id, maybe, oneOf, record } from "../primitives.ts";
import {
  ApprovalBody,
  commandBodies,
  commandStates,
  CommandView,
  DryRunBody,
  operations,
  RefusalBody,
} from "./commands.ts";
import { Alert } from "../stream/alerts.ts";
import * as replies from "./replies.ts";

/** What of the table of rights (libs/access) a route needs; `none`: no login. `read_own`: of the owner's accounts alone, or `read`. */
export type RouteRight = "none" | "public" | "read_own" | "read" | "command" | "approve" | "keys";

export interface Route {
  readonly id: string;
  readonly method: "GET" | "POST";
  /** With parameters as `:name`. */
  readonly path: string;
  readonly right: RouteRight;
  readonly summary: string;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly reply: TSchema;
  /** Commands: they need an idempotency key, and come through the log. */
  readonly command?: true;
}

/** From a query everything comes as text. */
const Digits = Type.String({ pattern: "^\\d{1,15}$", title: "number" });
const Size = Type.String({ pattern: "^([1-9]\\d{0,2}|1000)$", title: "number" });
/** Of the waterfall: where it is, or the last that it entered. */
const Stage = Type.String({ pattern: "^[1-7]$", title: "number" });
/** Where a page of liquidations begins: as the one before it said. */
const SagaCursor = Type.String({ pattern: "^\\d{1,15}\\.[A-Za-z0-9_-]{1,64}\\.[A-Za-z0-9_-]{1,96}$", title: "cursor" });
const page = { before: maybe(Digits), limit: maybe(Size) };

const { order, index, mark } = WhatIfRequest.properties;
const What = record({ order, index, mark });

const reading: readonly Omit<Route, "method">[] = [
  {
    id: "time",
    path: "/v1/time",
    right: "none",
    summary: "The server's clock, to sign requests by, and the market's.",
    reply: replies.TimeReply,
  },
  { id: "me", path: "/v1/me", right: "public", summary: "Who these credentials are.", reply: replies.MeReply },
  {
    id: "instruments",
    path: "/v1/instruments",
    right: "public",
    summary: "What is traded, under the rules in force.",
    reply: replies.InstrumentsReply,
  },
  {
    id: "accounts",
    path: "/v1/accounts",
    right: "read_own",
    summary: "Accounts that may be read, by id.",
    query: record({ after: maybe(Id), limit: maybe(Size) }),
    reply: replies.AccountsReply,
  },
  {
    id: "account",
    path: "/v1/accounts/:account",
    right: "read_own",
    summary: "An account as its shard's engine has it now.",
    reply: replies.AccountReply,
  },
  {
    id: "account-fills",
    path: "/v1/accounts/:account/fills",
    right: "read_own",
    summary: "Its newest fills.",
    query: record(page),
    reply: replies.FillsReply,
  },
  {
    id: "account-history",
    path: "/v1/accounts/:account/history",
    right: "read_own",
    summary: "What became true of it, newest first.",
    query: record({ ...page, kind: maybe(oneOf("all", "liquidations", "adl", "warnings", "orders", "cash")) }),
    reply: replies.FactsReply,
  },
  {
    id: "account-ledger",
    path: "/v1/accounts/:account/ledger",
    right: "read_own",
    summary: "Its bookings, newest first: deposits, fills, fees, funding, transfers.",
    query: record({ ...page, kind: maybe(Id) }),
    reply: replies.LedgerReply,
  },
  {
    id: "account-margin",
    path: "/v1/accounts/:account/margin",
    right: "read_own",
    summary: "Its margin over time, where it was recorded: at warnings and liquidations.",
    query: record(page),
    reply: replies.MarginHistoryReply,
  },
  {
    id: "account-receipt",
    path: "/v1/accounts/:account/receipts/:seq",
    right: "read_own",
    summary: "Why a fact happened to it, computed again from the journal.",
    reply: replies.ReceiptReply,
  },
  {
    id: "account-decision",
    path: "/v1/accounts/:account/decisions/:request",
    right: "read_own",
    summary: "Why the gate answered so, computed again from the journal.",
    reply: replies.DecisionReply,
  },
  {
    id: "exchange",
    path: "/v1/exchange",
    right: "read",
    summary: "Funds, open interest, halts, queues and liquidations of every shard.",
    reply: replies.ExchangeReply,
  },
  {
    id: "shards",
    path: "/v1/shards",
    right: "read",
    summary: "How every shard is; null: nobody answers for it.",
    reply: replies.ShardsReply,
  },
  {
    id: "halts",
    path: "/v1/halts",
    right: "read",
    summary: "Halts in force, as committed.",
    reply: replies.HaltsReply,
  },
  {
    id: "sagas",
    path: "/v1/sagas",
    right: "read",
    summary: "Liquidations that run, newest first, or (open=no) those that ended with their outcome, by their end.",
    query: record({
      open: maybe(oneOf("yes", "no")),
      account: maybe(Id),
      stage: maybe(Stage),
      outcome: maybe(oneOf(...replies.sagaOutcomes)),
      before: maybe(SagaCursor),
      limit: maybe(Size),
    }),
    reply: replies.SagasReply,
  },
  {
    id: "saga",
    path: "/v1/sagas/:shard/:saga",
    right: "read",
    summary: "One liquidation with everything that it did.",
    reply: replies.SagaReply,
  },
  {
    id: "facts",
    path: "/v1/facts",
    right: "read",
    summary: "Facts of a shard, newest first; fills are in the accounts' own.",
    query: record({
      ...page,
      shard: maybe(Id),
      fact: maybe(Type.String({ pattern: "^[a-z_.]{1,64}$", title: "id" })),
      account: maybe(Id),
    }),
    reply: replies.FactsReply,
  },
  {
    id: "rules",
    path: "/v1/rules",
    right: "read",
    summary: "Versions of the rules, newest first.",
    query: record({ limit: maybe(Size) }),
    reply: replies.RulesReply,
  },
  {
    id: "rule-diff",
    path: "/v1/rules/diff",
    right: "read",
    summary: "What changed between two versions.",
    query: record({ from: Digits, to: maybe(Digits) }),
    reply: replies.DiffReply,
  },
  {
    id: "rule-version",
    path: "/v1/rules/:version",
    right: "read",
    summary: "The rules of a version; `current`: those in force.",
    reply: replies.RuleVersionReply,
  },
  {
    id: "entity-proposals",
    path: "/v1/entities/proposals",
    right: "read",
    summary: "Accounts that may be one owner's, with the evidence.",
    query: record({ days: maybe(Digits) }),
    reply: replies.EntityProposalsReply,
  },
  {
    id: "commands",
    path: "/v1/commands",
    right: "read",
    summary: "Commands and proposals, newest first.",
    query: record({ state: maybe(oneOf(...commandStates)), before: maybe(Id), limit: maybe(Size) }),
    reply: replies.CommandsReply,
  },
  {
    id: "command",
    path: "/v1/commands/:id",
    right: "read",
    summary: "One command: its state, and what became true by it.",
    reply: CommandView,
  },
  {
    id: "command-diff",
    path: "/v1/commands/:id/diff",
    right: "read",
    summary: "What a proposal would change in the rules in force.",
    reply: replies.DiffReply,
  },
  {
    id: "audit",
    path: "/v1/audit",
    right: "read",
    summary: "The chained record of privileged acts, oldest first.",
    query: record({ after: maybe(Digits), limit: maybe(Size) }),
    reply: replies.AuditReply,
  },
  {
    id: "audit-verify",
    path: "/v1/audit/verify",
    right: "read",
    summary: "Recomputes every hash of it.",
    reply: replies.AuditVerifyReply,
  },
  {
    id: "reconciliations",
    path: "/v1/reconciliations",
    right: "read",
    summary: "The newest comparisons, and what they found.",
    query: record({ shard: maybe(Id) }),
    reply: replies.ReconciliationsReply,
  },
  {
    id: "alerts",
    path: "/v1/alerts",
    right: "read",
    summary: "What holds, and what ended and nobody has seen.",
    reply: replies.AlertsReply,
  },
  {
    id: "keys",
    path: "/v1/keys",
    right: "keys",
    summary: "API keys by id, without their secrets.",
    query: record({ after: maybe(Id), limit: maybe(Size) }),
    reply: replies.KeysReply,
  },
];

const asking: readonly Omit<Route, "method">[] = [
  {
    id: "what-if",
    path: "/v1/accounts/:account/what-if",
    right: "read_own",
    summary: "Its margin after an order, at other prices, or both.",
    body: What,
    reply: replies.WhatIfReply,
  },
  {
    id: "dry-run",
    path: "/v1/dry-runs",
    right: "command",
    summary: "What a change of the rules would do to every account as it stands.",
    body: DryRunBody,
    reply: replies.DryRunApiReply,
  },
  {
    id: "approve",
    path: "/v1/commands/:id/approve",
    right: "approve",
    summary: "The second person's yes: the command is carried out.",
    body: ApprovalBody,
    reply: CommandView,
  },
  {
    id: "reject",
    path: "/v1/commands/:id/reject",
    right: "command",
    summary: "A second person's no, or the proposer's own withdrawal.",
    body: RefusalBody,
    reply: CommandView,
  },
  {
    id: "alert-acknowledge",
    path: "/v1/alerts/:alert/acknowledge",
    right: "command",
    summary: "Says that somebody has seen it; whoever was first stays.",
    body: record({}),
    reply: Alert,
  },
  {
    id: "key-create",
    path: "/v1/keys",
    right: "keys",
    summary: "A new API key for a trader or a viewer; its secret is told once.",
    body: replies.NewKeyBody,
    reply: replies.NewKeyReply,
  },
  {
    id: "key-revoke",
    path: "/v1/keys/:id/revoke",
    right: "keys",
    summary: "Makes a key worthless for ever.",
    body: RefusalBody,
    reply: record({ revoked: Id }),
  },
];

const summaries: Readonly<Record<(typeof operations)[number], string>> = {
  halt: "Halt a scope, change its state or release it. Anything looser than what an operator set needs a second person.",
  emergency: "Tighten margins or thresholds for a time.",
  limit: "Set a limit for a time. Only one that is certainly tighter needs no second person.",
  rules: "Propose whole rules, or a change of those in force.",
  rollback: "Propose the rules of an earlier version.",
  entity: "Propose that accounts are one owner's.",
  fund: "Propose to top a fund up or to draw it down.",
  adjust: "Propose a booking of an account's cash.",
  transfer: "Propose to move cash between two accounts.",
  settle: "Propose to stop an instrument for good and to settle it at a price.",
  deleverage: "Propose to close part of a position at its mark against the head of the deleveraging queue.",
  saga: "Park a liquidation, or propose that it goes on.",
};

const commanding: readonly Omit<Route, "method">[] = operations.map((operation) => ({
  id: `command-${operation}`,
  path: `/v1/commands/${operation}`,
  right: "command",
  summary: summaries[operation],
  body: commandBodies[operation],
  reply: CommandView,
  command: true,
}));

/** Every route of the API; the OpenAPI document, the door of each and the matrix of who may what are made from these. */
export const routes: readonly Route[] = [
  ...reading.map((route): Route => ({ method: "GET", ...route })),
  ...asking.map((route): Route => ({ method: "POST", ...route })),
  ...commanding.map((route): Route => ({ method: "POST", ...route })),
];

/** Names in paths. */
export const paramSchemas: Readonly<Record<string, TSchema>> = {
  account: Id,
  alert: Alert.properties.id,
  shard: Id,
  request: Id,
  id: Id,
  saga: Type.String({ pattern: "^[A-Za-z0-9_-]{1,96}$", title: "id" }),
  seq: Digits,
  version: Type.String({ pattern: "^(current|\\d{1,15})$", title: "number" }),
};
