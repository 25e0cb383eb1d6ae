import type { Bus } from "#libs/adapters/nats/index.ts";
import { checkLedger, recordReconciliation } from "#libs/adapters/postgres/index.ts";
import type { Database, Reconciliation } from "#libs/adapters/postgres/index.ts";
import type { ReconcileReply, ShardStatus } from "#libs/contracts/live/margin.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { VenueStatus } from "#libs/contracts/live/venue.ts";

export const reconcileLimits = {
  pageMax: 5_000,
  pagesMax: 1_000,
  timeoutMs: 5_000,
  differencesMax: 100,
  /** How far the shard may be behind the matching engine. */
  venueLagMaxMs: 60_000,
} as const;

/** Memory against tables, page by page; each page is compared at one position of the log. */
export async function compareMemory(bus: Bus, shard: string): Promise<Reconciliation> {
  const subject = bus.names.subjects.rpc(shard, "reconcile");
  const differences: string[] = [];
  let compared = 0;
  let appliedSeq = 0;
  let after: string | null = null;
  for (let page = 0; page < reconcileLimits.pagesMax; page += 1) {
    const question: object = { limit: reconcileLimits.pageMax, ...(after !== null && { after }) };
    const reply: ReconcileReply = await bus.request(subject, question, { timeoutMs: reconcileLimits.timeoutMs });
    compared += reply.compared;
    ({ appliedSeq } = reply);
    for (const one of reply.differences) if (differences.length < reconcileLimits.differencesMax) differences.push(one);
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

/** How long the venue's last entry of a shard has not been applied, ms; 0: nothing is behind. `now`: the market's clock. */
export function venueLagMs(venue: VenueStatus, status: Pick<ShardStatus, "shard" | "sources">, now: number): number {
  const last = venue.shards[status.shard];
  if (last === undefined || (status.sources[sources.venue] ?? 0) >= last.lastSeq) return 0;
  return Math.max(0, now - last.t);
}

/** The matching engine's sequence against what the shard has applied of it. */
export async function compareVenue(bus: Bus, shard: string, now: number): Promise<Reconciliation & { lagMs: number }> {
  const { subjects } = bus.names;
  const options = { timeoutMs: reconcileLimits.timeoutMs };
  // The venue first: what it says later than the shard would always look ahead of it.
  const venue: VenueStatus = await bus.request(subjects.venue("status"), {}, options);
  const status: ShardStatus = await bus.request(subjects.rpc(shard, "status"), {}, options);
  const lagMs = venueLagMs(venue, status, now);
  const late = lagMs > reconcileLimits.venueLagMaxMs;
  const differences = late ? [`the venue's entries are ${Math.round(lagMs / 1_000)} s ahead of the shard`] : [];
  return { shard, kind: "venue", appliedSeq: status.appliedSeq, compared: 1, differences, lagMs };
}

/**
 * Over all shards together `clearing` holds no contracts: every half fill has met its other half. While trades go on shards are
 * not at the same trade, so only what `standing` held at the last look too is a difference; it is given the new ones.
 */
export async function compareClearing(db: Database, standing: Set<string>): Promise<Reconciliation> {
  const { rows } = await db.query<{ instrument: string; qty: string }>({
    text: "SELECT instrument, sum(qty) AS qty FROM position WHERE account = 'clearing' GROUP BY instrument",
  });
  const open = rows.filter(({ qty }) => /[1-9]/.test(qty));
  const found = open.map(({ instrument, qty }) => `clearing holds ${qty} of ${instrument} over all shards`);
  const differences = found.filter((one) => standing.has(one));
  standing.clear();
  for (const one of found) standing.add(one);
  const kept = differences.slice(0, reconcileLimits.differencesMax);
  return { shard: "all", kind: "clearing", appliedSeq: 0, compared: rows.length, differences: kept };
}

export type Comparison = () => Promise<Reconciliation>;
export interface ComparisonFailure {
  readonly error: unknown;
}

/** Runs comparisons one after the other; one that cannot be made does not keep the others out. */
export async function reconcile(
  db: Database,
  comparisons: readonly Comparison[],
  tell: (run: Reconciliation | ComparisonFailure) => void,
): Promise<void> {
  for (const compare of comparisons) {
    try {
      const run = await compare();
      await recordReconciliation(db, run);
      tell(run);
    } catch (error) {
      tell({ error });
    }
  }
}
