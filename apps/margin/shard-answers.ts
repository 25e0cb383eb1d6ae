import { type Bus, BusRefused } from "#libs/adapters/nats/index.ts";
import {
  AccountRequest,
  type AccountReply,
  type ExchangeReply,
  ReconcileRequest,
  type ShardState,
  type ShardStatus,
  StatusRequest,
} from "#libs/contracts/live/margin.ts";
import { epochGroup, type RpcVerb } from "#libs/contracts/live/subjects.ts";
import { hasShape } from "#libs/contracts/shape.ts";
import type { Gate } from "#libs/engine/gate/index.ts";
import type { Engine } from "#libs/engine/index.ts";
import { poolsOf } from "#libs/engine/pools.ts";
import { Screen } from "#libs/engine/screen.ts";
import type { Reconciler } from "./reconciler.ts";

/** What the leader knows of its shard; `live` is null before its state has been replayed. */
export interface ShardView {
  readonly shard: string;
  readonly epoch: number;
  readonly state: ShardState;
  readonly why: string | null;
  readonly appliedSeq: number;
  readonly committedSeq: number;
  readonly live: { readonly engine: Engine; readonly gate: Gate; readonly reconciler: Reconciler } | null;
}

/** Answers questions about the shard, in any state. A deposed leader has left the group and answers nobody. */
export function answerAboutShard(
  bus: Bus,
  shard: string,
  epoch: number,
  view: () => ShardView | null,
): { stop(): void } {
  const offer = (verb: RpcVerb, answer: (asked: unknown, of: ShardView) => unknown): { stop(): void } =>
    bus.respond(
      bus.names.subjects.rpc(shard, verb),
      (data) => {
        const of = view();
        if (of === null) throw new BusRefused(503, "recovering");
        return answer(parsed(data), of);
      },
      { queue: epochGroup(shard, epoch) },
    );
  const offers = [
    offer("status", (asked = {}, of) => {
      assertShape(StatusRequest, asked);
      return statusOf(asked as StatusRequest, of);
    }),
    offer("account", (asked, of) => {
      assertShape(AccountRequest, asked);
      return accountOf((asked as { account: string }).account, of);
    }),
    offer("exchange", (_, of) => exchangeOf(of)),
    offer("reconcile", async (asked = {}, of) => {
      assertShape(ReconcileRequest, asked);
      return live(of).reconciler.ask(asked as ReconcileRequest);
    }),
  ];
  return {
    stop() {
      for (const one of offers) one.stop();
    },
  };
}

function parsed(data: Uint8Array): unknown {
  if (data.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch {
    throw new BusRefused(400, "unreadable");
  }
}

function assertShape(schema: Parameters<typeof hasShape>[0], value: unknown): void {
  if (!hasShape(schema, value)) throw new BusRefused(400, "unreadable");
}

function live(of: ShardView): NonNullable<ShardView["live"]> {
  if (of.live === null) throw new BusRefused(503, "recovering");
  return of.live;
}

function accountOf(account: string, of: ShardView): AccountReply {
  return { appliedSeq: of.appliedSeq, account: live(of).engine.account(account) };
}

function exchangeOf(of: ShardView): ExchangeReply {
  return { appliedSeq: of.appliedSeq, exchange: live(of).engine.exchange() };
}

function statusOf(asked: StatusRequest, of: ShardView): ShardStatus {
  const { shard, state, why, epoch, appliedSeq, committedSeq } = of;
  const place = { shard, state, why, epoch, appliedSeq, committedSeq };
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
    ...(asked.riskiest === undefined ? {} : { riskiest: riskiestOf(engine, asked.riskiest) }),
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

/** The pools nearest to liquidation: all are screened in floats, those shown are computed exactly. */
function riskiestOf({ machine }: Engine, count: number): NonNullable<ShardStatus["riskiest"]> {
  const screen = new Screen(machine.book, machine.compiled);
  const screened: { pool: number; ratio: number }[] = [];
  for (const pool of poolsOf(machine))
    if (screen.evaluate(pool) && screen.maintenance > 0)
      screened.push({ pool, ratio: screen.equity / screen.maintenance });
  screened.sort((left, right) => left.ratio - right.ratio);
  return screened.slice(0, count).map(({ pool }) => {
    const health = machine.poolHealthOf(machine.book.poolView(pool));
    return {
      account: machine.accountName(machine.book.poolAccount(pool)),
      instrument: machine.poolInstrument(pool),
      ratio: health.mm.isZero() ? null : health.maintenanceEquity.dividedBy(health.mm).toStringDown(),
      equity: health.maintenanceEquity.toStringDown(),
      mm: health.mm.toStringUp(),
      liquidating: machine.liquidating(pool),
    };
  });
}
