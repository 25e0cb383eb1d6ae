import type { ChannelName } from "#libs/contracts/stream/channels.ts";
import type { Alerts } from "./alerts.ts";
import type { EventLog } from "./event-log.ts";
import { limits } from "./limits.ts";
import type { Samples } from "./samples.ts";
import type { Place, View } from "./topic.ts";
import { fundingState, fundState, haltsState, marksState } from "./views/market.ts";
import { instrumentState, overviewState, sagasState } from "./views/operators.ts";
import type { LiveShard, World } from "./world.ts";

/** Channels that are of no account. */
export type BoardChannel = Exclude<ChannelName, "margin" | "positions" | "orders" | "liquidations" | "adl">;

export interface BoardParts {
  readonly world: World;
  readonly alerts: Alerts;
  readonly latencies: ReadonlyMap<string, Samples>;
}

interface Board {
  /** It is looked at for changes at most so often. */
  readonly everyMs: number;
  readonly view: (parts: BoardParts, shards: readonly LiveShard[], id: string) => Omit<View, "place">;
}

const none: Readonly<Record<string, EventLog>> = {};

const boards: Readonly<Record<BoardChannel, Board>> = {
  marks: { everyMs: limits.marksMs, view: (_, shards) => ({ state: marksState(shards), logs: none }) },
  funding: {
    everyMs: limits.atLeastMs,
    view: ({ world }, shards) => ({ state: fundingState(shards, world.events.payments), logs: none }),
  },
  halts: { everyMs: limits.publicMs, view: (_, shards) => ({ state: haltsState(shards, false), logs: none }) },
  fund: { everyMs: limits.publicMs, view: (_, shards) => ({ state: fundState(shards), logs: none }) },
  overview: {
    everyMs: limits.overviewMs,
    view: ({ world, latencies }, shards) => ({ state: overviewState(world, shards, latencies), logs: none }),
  },
  sagas: {
    everyMs: limits.sagasMs,
    view: ({ world }, shards) => ({ state: sagasState(shards), logs: { events: world.events.sagas } }),
  },
  alerts: { everyMs: limits.publicMs, view: ({ alerts }) => ({ state: alerts.state, logs: none }) },
  instrument: {
    everyMs: limits.instrumentMs,
    view: ({ world }, shards, id) => ({ state: instrumentState(world, shards, id), logs: none }),
  },
  facts: { everyMs: limits.publicMs, view: ({ world }) => ({ state: {}, logs: { facts: world.events.tail } }) },
};

export const boardEveryMs = (name: BoardChannel): number => boards[name].everyMs;

/** What a board shows now; `id`: of the instrument. */
export function boardView(parts: BoardParts, shards: readonly LiveShard[], name: BoardChannel, id: string): View {
  return { place: placeOf(shards), ...boards[name].view(parts, shards, id) };
}

function placeOf(shards: readonly LiveShard[]): Place {
  const [only, second] = shards;
  const t = Math.max(...shards.map(({ engine }) => engine.machine.t));
  return only !== undefined && second === undefined
    ? { shard: only.shard, logSeq: only.seq, t }
    : { shard: null, logSeq: null, t };
}
