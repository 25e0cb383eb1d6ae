import { readFileSync } from "node:fs";
import { type Bus, messageAt, streamState } from "#libs/adapters/nats/index.ts";
import {
  type Database,
  genesisHash,
  journalPages,
  journalStartOfFact,
  openEffectTraces,
  type ShardRow,
} from "#libs/adapters/postgres/index.ts";
import type { Effect } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Engine } from "#libs/engine/index.ts";
import {
  factsOf,
  journalLine,
  liveOptions,
  messageHash,
  ReplayDiffers,
  Replayer,
  restoreNewest,
} from "#libs/journal/index.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { CommittedFacts } from "./outbound.ts";
import { limits } from "./limits.ts";
import { breathe, pause } from "./waiting.ts";

export interface Recovered {
  readonly engine: Engine;
  readonly seq: number;
  readonly chainHash: string;
  /** The genesis line that the first batch is to begin with; null: it has been committed. */
  readonly genesis: string | null;
}

/** The state that PostgreSQL says: newest good snapshot, then the journal. Throws `ReplayDiffers` or `Corrupt` where it cannot be trusted. */
export async function recover(
  db: Database,
  row: ShardRow,
  rulesFile: string | null,
  logger: Logger,
): Promise<Recovered> {
  if (row.entries === 0 && row.chainHash === genesisHash) return genesisOf(rulesFile);
  const restored = await restoreNewest(db, row.shard, {
    upTo: row.entries,
    checked: false,
    onSkipped: (fields, message) => logger.error(fields, message),
  });
  const replayer = restored?.replayer ?? new Replayer();
  for await (const page of journalPages(db, row.shard, { afterEntry: replayer.entries, hash: replayer.chain })) {
    for (const batch of page) {
      replayer.replay(batch);
      await breathe();
    }
  }
  const { engine, chain, entries } = replayer;
  if (engine === null || chain !== row.chainHash || entries !== row.entries)
    throw new ReplayDiffers(`the journal ends at entry ${entries}, the shard stands at ${row.entries}`);
  logger.info({ snapshot: restored?.entry ?? null, entries }, "state recovered");
  return { engine, seq: row.appliedSeq, chainHash: chain, genesis: null };
}

interface TracedEffects {
  readonly effects: readonly Effect[];
  readonly trace: string | undefined;
}

function genesisOf(rulesFile: string | null): Recovered {
  if (rulesFile === null) throw new Error("the shard has no state: PLIMSOLL_RULES must name the rules it begins with");
  const document = JSON.parse(readFileSync(rulesFile, "utf8")) as RuleDocument;
  const genesis = journalLine(0, JSON.stringify({ k: "genesis", document }));
  return { engine: Engine.create(document, liveOptions), seq: 0, chainHash: genesisHash, genesis };
}

/** Facts after `published`, from the journal's own record of them, from the batch on that holds the first. */
export async function* unpublishedFacts(
  db: Database,
  shard: string,
  published: number,
): AsyncGenerator<CommittedFacts> {
  const start = await journalStartOfFact(db, shard, published);
  if (start === null) return;
  for await (const page of journalPages(db, shard, start)) {
    for (const batch of page) {
      const text = batch.facts.toString("utf8");
      for (const first of factsOf(text)) {
        yield { appliedSeq: batch.toSeq, text, from: first.seq };
        break;
      }
    }
  }
}

/** Effects without an outcome, to be handed out again in their order; neighbours of one trace go together. */
export async function effectsAgain(
  db: Database,
  shard: string,
  open: readonly Effect[],
): Promise<readonly TracedEffects[]> {
  const traces = await openEffectTraces(db, shard);
  const runs: { trace: string | undefined; effects: Effect[] }[] = [];
  for (const effect of open) {
    const trace = traces.get(effect.id);
    const last = runs.at(-1);
    if (last !== undefined && last.trace === trace) last.effects.push(effect);
    else runs.push({ trace, effects: [effect] });
  }
  return runs;
}

/** Why the stream is not the one that the shard has read, or null. A wrong reading is made once more before it counts. */
export async function streamMismatch(bus: Bus, row: ShardRow, stopped: () => boolean): Promise<string | null> {
  const first = await mismatchNow(bus, row);
  if (first === null || stopped()) return first;
  await pause(limits.rereadMs);
  return mismatchNow(bus, row);
}

async function mismatchNow(bus: Bus, row: ShardRow): Promise<string | null> {
  const state = await streamState(bus, row.shard);
  if (row.appliedSeq === 0) return null;
  if (row.streamCreated !== null && state.created !== row.streamCreated)
    return `the stream was created at ${state.created}, the one that was read at ${row.streamCreated}`;
  if (state.lastSeq < row.appliedSeq) return `the stream ends at ${state.lastSeq}, applied is ${row.appliedSeq}`;
  if (state.firstSeq > row.appliedSeq + 1)
    return `the stream begins at ${state.firstSeq}, applied is ${row.appliedSeq}`;
  const message = await messageAt(bus, row.shard, row.appliedSeq);
  // What has been removed by age cannot be compared; the range has been.
  if (message === null || row.lastMessageHash === null) return null;
  return messageHash(message) === row.lastMessageHash ? null : `message ${row.appliedSeq} is not the one that was read`;
}
