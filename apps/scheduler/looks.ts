import type { Bus } from "#libs/adapters/nats/index.ts";
import {
  checkConservation,
  checkLedger,
  partitionRoom,
  readShard,
  readSourceSeqs,
  snapshotAges,
} from "#libs/adapters/postgres/index.ts";
import type { Database, Queryable, Reconciliation } from "#libs/adapters/postgres/index.ts";
import type { ReconcileReply } from "#libs/contracts/live/margin.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { VenueStatus } from "#libs/contracts/live/venue.ts";

export const lookLimits = {
  pageMax: 5_000,
  pagesMax: 1_000,
  timeoutMs: 5_000,
  differencesMax: 100,
  /** How far the shard may be behind the matching engine, ms of the market's clock. */
  venueLagMaxMs: 60_000,
  /** A start from an older snapshot, or one with more to replay, takes too long. */
  snapshotAgeMaxMs: 300_000,
  snapshotBehindMax: 500_000,
  /** Entries and facts: half of the smallest room that upkeep leaves. Days: there is none for tomorrow. */
  roomMin: 10_000_000,
  daysMin: 1,
} as const;

/** Of all shards together. */
export const everyShard = "all";

/** Memory against tables, page by page; each page is compared at one position of the log. */
export async function compareMemory(bus: Bus, shard: string): Promise<Reconciliation> {
  const subject = bus.names.subjects.rpc(shard, "reconcile");
  const differences: string[] = [];
  let compared = 0;
  let appliedSeq = 0;
  let after: string | null = null;
  for (let page = 0; page < lookLimits.pagesMax; page += 1) {
    const question: object = { limit: lookLimits.pageMax, ...(after !== null && { after }) };
    const reply: ReconcileReply = await bus.request(subject, question, { timeoutMs: lookLimits.timeoutMs });
    compared += reply.compared;
    ({ appliedSeq } = reply);
    for (const one of reply.differences) if (differences.length < lookLimits.differencesMax) differences.push(one);
    after = reply.next;
    if (after === null) break;
  }
  return { shard, kind: "memory", appliedSeq, compared, differences };
}

/** Tables against the ledger. */
export async function compareLedger(db: Database, shard: string): Promise<Reconciliation> {
  const { appliedSeq, compared, differences } = await checkLedger(db, shard);
  return { shard, kind: "ledger", appliedSeq, compared, differences };
}

/** How long the venue's last entry of a shard has not been committed, ms; 0: nothing is behind. `now`: the market's clock. */
export function venueLagMs(
  { shards }: Pick<VenueStatus, "shards">,
  shard: string,
  committed: number,
  now: number,
): number {
  const last = shards[shard];
  if (last === undefined || committed >= last.lastSeq) return 0;
  return Math.max(0, now - last.t);
}

/** The matching engine's sequence against what is committed of it, so that a shard whose leader is dead is seen too. */
export async function compareVenue(
  bus: Bus,
  db: Queryable,
  shard: string,
  now: number,
): Promise<Reconciliation & { readonly lagMs: number }> {
  const { timeoutMs } = lookLimits;
  // The venue first: what it says later than the tables would always look ahead of them.
  const venue: VenueStatus = await bus.request(bus.names.subjects.venue("status"), {}, { timeoutMs });
  const committed = (await readSourceSeqs(db, shard)).get(sources.venue) ?? 0;
  const appliedSeq = (await readShard(db, shard))?.appliedSeq ?? 0;
  const lagMs = venueLagMs(venue, shard, committed, now);
  const late = lagMs > lookLimits.venueLagMaxMs;
  const missing = (venue.shards[shard]?.lastSeq ?? 0) - committed;
  const differences = late
    ? [`${missing} entries of the venue wait, the newest for ${Math.round(lagMs / 1_000)} s`]
    : [];
  return { shard, kind: "venue", appliedSeq, compared: 1, differences, lagMs };
}

/**
 * Conservation over all shards, and `clearing`. While trades go on, shards are not at the same trade, so of `clearing` only what
 * `standing` held at the last look too is a difference; it is given the new ones.
 */
export async function compareConservation(
  db: Database,
  shards: readonly string[],
  standing: Set<string>,
): Promise<readonly [conservation: Reconciliation, clearing: Reconciliation]> {
  const { compared, differences, clearing } = await checkConservation(db, shards);
  const lasting = clearing.filter((one) => standing.has(one));
  standing.clear();
  for (const one of clearing) standing.add(one);
  const run = { shard: everyShard, appliedSeq: 0, compared };
  return [
    { ...run, kind: "conservation", differences },
    { ...run, kind: "clearing", differences: lasting.slice(0, lookLimits.differencesMax) },
  ];
}

/** Whether a start would have to begin far back. */
export async function lookAtSnapshots(
  db: Queryable,
  shards: readonly string[],
): Promise<readonly (Reconciliation & { readonly ageMs: number | null; readonly behind: number })[]> {
  const { snapshotAgeMaxMs, snapshotBehindMax } = lookLimits;
  return (await snapshotAges(db, shards)).map(({ shard, ageMs, behind }) => {
    const old = behind > snapshotBehindMax || (behind > 0 && ageMs !== null && ageMs > snapshotAgeMaxMs);
    const age = ageMs === null ? "no snapshot" : `the newest snapshot is ${Math.round(ageMs / 1_000)} s old`;
    const differences = old ? [`${age}, and ${behind} entries are to be replayed`] : [];
    return { shard, kind: "snapshots", appliedSeq: 0, compared: 1, differences, ageMs, behind };
  });
}

const daily: ReadonlySet<string> = new Set(["gate_decision", "mark_input"]);

/** Whether partitions are made ahead as they should be; without one a commit has to make its own. */
export async function lookAtPartitions(
  db: Queryable,
): Promise<Reconciliation & { readonly rooms: ReadonlyMap<string, number> }> {
  const rooms = await partitionRoom(db);
  const low = rooms.filter(({ parent, room }) => room < (daily.has(parent) ? lookLimits.daysMin : lookLimits.roomMin));
  const differences = low.map(({ parent, room }) => `${parent} has room for ${room} more`);
  const run = { shard: everyShard, kind: "partitions", appliedSeq: 0, compared: rooms.length, differences };
  return { ...run, rooms: new Map(rooms.map(({ parent, room }) => [parent, room])) };
}
