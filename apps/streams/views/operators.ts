import type {
  InstrumentData,
  OverviewData,
  PoolTile,
  Queued,
  SagaRow,
  SagasData,
  ShardRow,
  SideData,
} from "#libs/contracts/stream/operators.ts";
import { Rational } from "#libs/decimal/index.ts";
import { contractsOf } from "#libs/engine/amounts.ts";
import { adlScore, scoreText } from "#libs/domain/adl/score.ts";
import { type AdlQueues, adlQueues, noQueues } from "#libs/engine/adl-queues.ts";
import { candidateOf } from "#libs/engine/adl-ranking.ts";
import { openSagaRows } from "#libs/engine/index.ts";
import { riskiestAndBiggest } from "#libs/engine/riskiest.ts";
import { openLots } from "#libs/engine/pools.ts";
import { limits } from "../limits.ts";
import type { Samples } from "../samples.ts";
import type { LiveShard, World } from "../world.ts";
import { fundingRow, fundState, haltsState, markRow, markRows } from "./market.ts";

export function overviewState(
  world: World,
  shards: readonly LiveShard[],
  latencies: ReadonlyMap<string, Samples>,
): OverviewData {
  const measured = [...latencies].flatMap(([name, samples]) => {
    const read = samples.read();
    return read === null ? [] : [[name, read] as const];
  });
  return {
    pools: tiles(shards),
    stages: stages(shards),
    ...fundState(shards),
    marks: markRows(shards),
    ...haltsState(shards, true),
    latencies: Object.fromEntries(measured),
    shards: Object.fromEntries(shards.map((one) => [one.shard, shardRow(world, one)])),
  };
}

function tiles(shards: readonly LiveShard[]): Record<string, PoolTile> {
  const rows = shards.flatMap(({ engine }) => riskiestAndBiggest(engine.machine, limits.tiles));
  const key = ({ account, instrument }: PoolTile): string =>
    instrument === null ? account : `${account}.${instrument}`;
  return Object.fromEntries(rows.map((row) => [key(row), row]));
}

function stages(shards: readonly LiveShard[]): OverviewData["stages"] {
  const open: Record<string, number> = {};
  for (let stage = 1; stage <= stagesOfWaterfall; stage += 1) open[stage] = 0;
  for (const { engine } of shards)
    for (const { stage } of openSagaRows(engine.machine)) open[stage] = (open[stage] ?? 0) + 1;
  return Object.fromEntries(Object.entries(open).map(([stage, count]) => [stage, { open: count }]));
}

const stagesOfWaterfall = 7;

function shardRow(world: World, one: LiveShard): ShardRow {
  const { machine } = one.engine;
  return {
    logSeq: one.seq,
    entries: one.entries,
    facts: machine.factSeq,
    t: machine.t,
    quietMs: Math.round(Math.max(0, performance.now() - one.advancedAt)),
    markAgeMs: world.markAge([one]),
    ruleVersion: machine.rules.version,
    accounts: machine.book.accountCount,
    openSagas: machine.sagas.size,
    openEffects: machine.openEffects.size,
    auditFailure: machine.auditFailure,
  };
}

export function sagasState(shards: readonly LiveShard[]): Omit<SagasData, "events"> {
  const sagas: Record<string, SagaRow> = {};
  for (const { shard, engine } of shards)
    for (const { saga, ...row } of openSagaRows(engine.machine)) sagas[`${shard}.${saga}`] = { shard, ...row };
  return { sagas };
}

/** Of one instrument. Queues of several shards stand one after another, each with its own ranks: a shard deleverages its own first. */
export function instrumentState(world: World, shards: readonly LiveShard[], id: string): InstrumentData {
  const { machine } = (shards[0] as LiveShard).engine;
  const rules = machine.instrument(machine.book.instrumentIndex(id));
  const orders = shards.reduce(
    (sum, { engine }) => sum + engine.machine.book.orderCount(engine.machine.book.instrumentIndex(id)),
    0,
  );
  const queues = shards.map((shard) => queuesOf(shard, id));
  return {
    instrument: id,
    ...markRow(shards, id),
    depth: world.depths.get(id) ?? null,
    maxOpenInterest: rules.limits.maxOpenInterest?.toStringDown() ?? null,
    orders,
    funding: fundingRow(machine, id, world.events.payments),
    long: side(shards, id, "long", queues),
    short: side(shards, id, "short", queues),
  };
}

interface Held {
  readonly account: string;
  readonly lots: bigint;
}

function queuesOf({ engine: { machine } }: LiveShard, id: string): AdlQueues {
  const number = machine.book.instrumentIndex(id);
  return number < 0 ? noQueues : adlQueues(machine, new Set([number]));
}

/** `queues`: of the shards, in their order. */
function side(
  shards: readonly LiveShard[],
  id: string,
  which: "long" | "short",
  queues: readonly AdlQueues[],
): SideData {
  const held = shards
    .flatMap((shard) => holders(shard, id, which))
    .sort((left, right) => (left.lots < right.lots ? 1 : left.lots > right.lots ? -1 : 0));
  const { machine } = (shards[0] as LiveShard).engine;
  const rules = machine.instrument(machine.book.instrumentIndex(id));
  const total = held.reduce((sum, { lots }) => sum + lots, 0n);
  const share = (lots: bigint): string =>
    total === 0n ? "0" : Rational.fraction(lots, total).toStringDown(shareDecimals);
  const first = (n: number): bigint => held.slice(0, n).reduce((sum, { lots }) => sum + lots, 0n);
  return {
    holders: held.length,
    largest: share(first(1)),
    largestFive: share(first(5)),
    top: held.slice(0, limits.listed).map(({ account, lots }) => ({
      account,
      qty: contractsOf(rules, lots).toStringDown(),
      share: share(lots),
    })),
    adl: shards.flatMap((shard, at) => queued(shard, id, which, queues[at])).slice(0, limits.listed),
  };
}

const shareDecimals = 6;

function holders({ engine }: LiveShard, id: string, which: "long" | "short"): Held[] {
  const { book } = engine.machine;
  const instrument = book.instrumentIndex(id);
  if (instrument < 0 || openLots(engine.machine, instrument) === 0n) return [];
  return book.rowsOf(instrument).flatMap((row) => {
    const lots = book.qty(row);
    const account = book.rowAccount(row);
    if (book.isSystem(account) || lots > 0n !== (which === "long")) return [];
    return [{ account: book.accountId(account), lots: lots < 0n ? -lots : lots }];
  });
}

function queued({ engine }: LiveShard, id: string, which: "long" | "short", queues: AdlQueues | undefined): Queued[] {
  const { machine } = engine;
  const queue = queues?.of(machine.book.instrumentIndex(id), which) ?? null;
  if (queue === null) return [];
  return queue.first(limits.listed).flatMap((row) => {
    const standing = queue.standing(row, machine.book.rowAccount(row));
    if (standing === null) return [];
    const candidate = candidateOf(machine, row);
    const { account, mode, qty } = candidate;
    const { rank, bucket, ahead } = standing;
    const score = scoreText(adlScore(candidate));
    return [{ account, mode, rank, quintile: bucket / 20, qty: qty.abs().toStringDown(), ahead, score }];
  });
}
