import { type Bus, BusRefused } from "#libs/adapters/nats/index.ts";
import {
  readAccountRequest,
  type Reading,
  readNothing,
  readReconcileRequest,
  readStatusRequest,
} from "#libs/contracts/live/door.ts";
import type {
  AccountReply,
  ExchangeReply,
  ShardState,
  ShardStatus,
  StatusRequest,
} from "#libs/contracts/live/margin.ts";
import { epochGroup, type RpcVerb } from "#libs/contracts/live/subjects.ts";
import type { Gate } from "#libs/engine/gate/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import type { Reconciler } from "./reconciler.ts";

/** What the leader knows of its shard; `live` is null before its state has been replayed. */
export interface ShardView {
  readonly shard: string;
  readonly epoch: number;
  readonly state: ShardState;
  readonly why: string | null;
  readonly appliedSeq: number;
  readonly committedSeq: number;
  readonly openOrders: ShardStatus["openOrders"];
  readonly live: { readonly engine: Engine; readonly gate: Gate; readonly reconciler: Reconciler } | null;
}

/** Answers questions about the shard, in any state. A deposed leader has left the group and answers nobody. */
export function answerAboutShard(
  bus: Bus,
  shard: string,
  epoch: number,
  view: () => ShardView | null,
): { stop(): void } {
  const offer = <T>(
    verb: RpcVerb,
    read: (data: Uint8Array) => Reading<T>,
    answer: (asked: T, of: ShardView) => unknown,
  ): { stop(): void } =>
    bus.respond(
      bus.names.subjects.rpc(shard, verb),
      (data) => {
        const of = view();
        if (of === null) throw new BusRefused(503, "recovering");
        const asked = read(data);
        if (!asked.ok) throw unreadable(asked.problems);
        return answer(asked.value, of);
      },
      { queue: epochGroup(shard, epoch) },
    );
  const offers = [
    offer("status", readStatusRequest, statusOf),
    offer("account", readAccountRequest, ({ account }, of) => accountOf(account, of)),
    offer("exchange", readNothing, (_, of) => exchangeOf(of)),
    offer("reconcile", readReconcileRequest, async (asked, of) => live(of).reconciler.ask(asked)),
  ];
  return {
    stop() {
      for (const one of offers) one.stop();
    },
  };
}

const unreadable = (problems: readonly unknown[]): BusRefused =>
  new BusRefused(400, "unreadable", { error: { code: 400, text: "unreadable" }, problems });

function live(of: ShardView): NonNullable<ShardView["live"]> {
  if (of.live === null) throw new BusRefused(503, "recovering");
  return of.live;
}

function accountOf(account: string, of: ShardView): AccountReply {
  return { appliedSeq: of.appliedSeq, account: live(of).engine.account(account) };
}

function exchangeOf(of: ShardView): ExchangeReply {
  const { engine } = live(of);
  return { appliedSeq: of.appliedSeq, exchange: engine.exchange(), index: indicesOf(engine) };
}

function indicesOf({ machine: { book, rules } }: Engine): ExchangeReply["index"] {
  const known = [...rules.assets.keys()].flatMap((id) => {
    const price = book.market.indexPrice(book.assetIndex(id));
    return price === null ? [] : [[id, price.toStringDown()] as const];
  });
  return Object.fromEntries(known);
}

function statusOf(asked: StatusRequest, of: ShardView): ShardStatus {
  const { shard, state, why, epoch, appliedSeq, committedSeq, openOrders } = of;
  const place = { shard, state, why, epoch, appliedSeq, committedSeq, openOrders };
  if (of.live === null) return { ...place, ...nothing };
  const { engine, gate } = of.live;
  const { machine } = engine;
  return {
    ...place,
    factSeq: machine.factSeq,
    sources: Object.fromEntries(machine.sourceSeqs),
    t: machine.t,
    frame: machine.frame,
    ruleVersion: machine.rules.version,
    openSagas: machine.sagas.size,
    openEffects: machine.openEffects.size,
    reservations: gate.size.reservations,
    auditFailure: machine.auditFailure,
    counters: engine.counters,
    ...(asked.hash === true ? { stateHash: engine.stateHash() } : {}),
    ...(asked.invariants === true ? { invariants: { ...engine.invariants() } } : {}),
    ...(asked.riskiest === undefined ? {} : { riskiest: engine.riskiest(asked.riskiest) }),
  };
}

const nothing = {
  factSeq: 0,
  sources: {},
  t: 0,
  frame: 0,
  ruleVersion: 0,
  openSagas: 0,
  openEffects: 0,
  reservations: 0,
  auditFailure: null,
  counters: {},
} as const;
