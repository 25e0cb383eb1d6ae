import { openDatabase } from "#libs/adapters/postgres/index.ts";
import type { ReconcileReply } from "#libs/contracts/live/margin.ts";
import { slotCount } from "#libs/contracts/live/shards.ts";
import { wait } from "#libs/process/backoff.ts";
import { verifyShard } from "../verify-shard.ts";
import type { LiveModel } from "./model.ts";
import type { Processes } from "./processes.ts";
import { followerName, leaderName } from "./shard-programs.ts";
import type { Servers } from "./servers.ts";
import type { Watch } from "./watch.ts";

/** One thing that must hold at the end of a run. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Replaying a whole run reads everything: a statement may take longer than in a process that serves. */
const statementTimeoutMs = 60_000;
const quietWithinMs = 30_000;
const attestWithinMs = 60_000;
const pollMs = 100;
const differencesShown = 3;

export interface Ended {
  readonly servers: Servers;
  readonly processes: Processes;
  readonly watch: Watch;
  readonly model: LiveModel;
  readonly shards: readonly string[];
}

/**
 * The reckoning of a run. The crowd goes home; what is under way is waited for; then memory, tables, ledger and matching engine are
 * compared, the leader is stopped, and a fresh engine replays its journal.
 */
export async function reckon(run: Ended, say: (line: string) => void): Promise<Check[]> {
  const { processes, model } = run;
  await processes.end("crowd");
  say("waiting for what is under way ...");
  const checks = [await cameToRest(run)];
  say("comparing with the matching engine ...");
  checks.push(await sameAsVenue(run));
  say("comparing memory with PostgreSQL ...");
  for (const shard of run.shards) checks.push(await sameAsTables(run, shard));
  for (const name of ["api", "streams", "scheduler", "liquidation", "mark-price", "venue"]) await processes.end(name);
  for (const name of [...run.shards.map(followerName), ...run.shards.map(leaderName)]) await processes.end(name);
  say("replaying the journal on a fresh engine ...");
  for (const shard of run.shards) checks.push(...(await replayed(run, shard)));
  checks.push(
    check(
      "facts arrived without a gap",
      model.missedFacts === 0,
      `${model.factCount} facts, ${model.missedFacts} missed`,
    ),
    check("self-audit", model.auditFailures === 0, `${model.auditFailures} failures`),
    check("processes", processes.problems.length === 0, processes.problems.slice(0, differencesShown).join(" | ")),
  );
  return checks;
}

const check = (what: string, ok: boolean, detail: string): Check => ({ what, ok, detail });

async function until(reached: () => Promise<boolean> | boolean, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!(await reached())) {
    if (performance.now() > end) return false;
    await wait(pollMs);
  }
  return true;
}

/** No effect is open: each saga has ended, or waits for a price that will not come any more. */
async function cameToRest({ watch, shards }: Ended): Promise<Check> {
  let open = 0;
  let sagas = 0;
  const quiet = await until(async () => {
    const states = await Promise.all(shards.map((shard) => watch.status(shard, {}).catch(() => null)));
    if (states.some((one) => one === null)) return false;
    open = states.reduce((sum, one) => sum + (one?.openEffects ?? 0), 0);
    sagas = states.reduce((sum, one) => sum + (one?.openSagas ?? 0), 0);
    return open === 0;
  }, quietWithinMs);
  return check("came to rest", quiet, `${open} effects open, ${sagas} liquidations wait for a book or a price`);
}

async function sameAsVenue({ model }: Ended): Promise<Check> {
  model.beginAttestation();
  const all = await until(() => model.attestedSlots === slotCount, attestWithinMs);
  const said = all ? "every account's positions" : `${model.attestedSlots} of ${slotCount} slots`;
  return check("memory = matching engine", all && model.differing === 0, `${said}, ${model.differing} differ`);
}

async function sameAsTables({ watch }: Ended, shard: string): Promise<Check> {
  const differences: string[] = [];
  let compared = 0;
  let after: string | null = null;
  do {
    const page: ReconcileReply = await watch.reconcile(shard, after === null ? {} : { after });
    compared += page.compared;
    differences.push(...page.differences);
    after = page.next;
  } while (after !== null);
  const shown = differences.slice(0, differencesShown).join("; ");
  return check(`memory = PostgreSQL, shard ${shard}`, differences.length === 0, `${compared} accounts ${shown}`.trim());
}

async function replayed({ servers, processes }: Ended, shard: string): Promise<Check[]> {
  const db = openDatabase({ url: servers.databaseUrl, name: "live", statementTimeoutMs });
  try {
    const found = await verifyShard(db, shard);
    if (found === null) return [check(`journal, shard ${shard}`, false, "there is none")];
    const shown = found.differences.slice(0, differencesShown).join("; ");
    const left = processes.leftHash.get(leaderName(shard)) ?? "none";
    return [
      check(`journal = tables = ledger, shard ${shard}`, found.ok, `${found.entries} entries replayed ${shown}`.trim()),
      check(
        `replay reaches the leader's hash, shard ${shard}`,
        found.stateHash === left,
        `${found.stateHash?.slice(0, 16) ?? "none"} …`,
      ),
    ];
  } finally {
    await db.close();
  }
}
