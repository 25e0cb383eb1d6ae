import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import type { Command, Numbered, Outcome } from "../matching/commands.ts";
import { applyCommand } from "../matching/exchange.ts";
import { Floor } from "../matching/floor.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { type FloorState, floorFrom, stateOf } from "../matching/state.ts";
import { firstLine, JournalDamaged, lineOf, readAndMend, readLines, writeAll } from "./files.ts";
import { takeFolder } from "./lock.ts";

/** One command with everything that came of it. */
interface Line {
  /** Number of the command, from 1. */
  readonly n: number;
  readonly c: Command;
  readonly e: readonly (readonly [shard: string, entry: Numbered])[];
}

/** First line of a segment: the last sequence of each shard before it. */
interface Head {
  readonly head: 1;
  readonly seqs: Readonly<Record<string, number>>;
}

export interface JournalLimits {
  /** A segment is closed, and a snapshot written, after so many commands or bytes. */
  readonly segmentCommands: number;
  readonly segmentBytes: number;
  /** Closed segments kept, so that entries may be asked for again. */
  readonly segmentsKept: number;
  /** Latest entries of each shard kept in memory. */
  readonly entriesInMemory: number;
}

export const journalLimits: JournalLimits = {
  segmentCommands: 50_000,
  segmentBytes: 32 * 1024 * 1024,
  segmentsKept: 8,
  entriesInMemory: 4_096,
};

const numberWidth = 12;
const segmentName = /^journal-(\d{12})\.ndjson$/;
const snapshotName = /^snapshot-(\d{12})\.json$/;
const named = (kind: "journal" | "snapshot", n: number): string =>
  `${kind}-${String(n).padStart(numberWidth, "0")}.${kind === "journal" ? "ndjson" : "json"}`;

/** Asked for entries that are older than what is kept. */
export class EntriesGone extends Error {
  constructor(shard: string, from: number) {
    super(`entries of shard ${shard} from ${from} are no longer kept`);
    this.name = "EntriesGone";
  }
}

/**
 * The venue's memory: each command is applied and then written with all its entries in one line, before anything of it leaves the
 * process. A crash between the two leaves no trace of the command; one after it leaves everything. Reading it again applies the
 * commands again and compares what comes of them with what was written. The operating system keeps what was written when the
 * process is killed; a power cut may lose the last seconds (nothing here waits for the disk).
 */
export class Journal {
  readonly floor: Floor;
  /** Snapshots that are damaged, which an older one and the commands since have made up for. */
  readonly passedOver: readonly JournalDamaged[];
  readonly #folder: string;
  readonly #limits: JournalLimits;
  readonly #release: () => void;
  readonly #recent = new Map<string, Numbered[]>();
  #handle = -1;
  #n = 0;
  #commands = 0;
  #bytes = 0;

  private constructor(
    folder: string,
    floor: Floor,
    limits: JournalLimits,
    release: () => void,
    passedOver: readonly JournalDamaged[],
  ) {
    this.#folder = folder;
    this.passedOver = passedOver;
    this.floor = floor;
    this.#limits = limits;
    this.#release = release;
    for (const shard of floor.shards.keys()) this.#recent.set(shard, []);
  }

  /**
   * Takes the folder, reads what is there and goes on behind it; an empty one begins with the rules of `genesis`. Throws
   * `FolderTaken`, `JournalDamaged`.
   */
  static open(
    folder: string,
    shards: readonly string[],
    genesis: () => RuleDocument,
    limits: JournalLimits = journalLimits,
  ): Journal {
    mkdirSync(folder, { recursive: true });
    const release = takeFolder(folder);
    try {
      const { floor, n, passedOver } = newestFloor(folder, shards);
      const journal = new Journal(folder, floor, limits, release, passedOver);
      journal.#replay(n);
      if (floor.ruleVersion === 0) journal.write({ c: "rules", t: 0, version: 1, document: genesis() });
      return journal;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Commands so far. */
  get commands(): number {
    return this.#n;
  }

  #replay(snapshot: number): void {
    this.#n = snapshot;
    const segments = numbersOf(this.#folder, segmentName).filter((first) => first > snapshot);
    for (const first of segments) {
      const file = `${this.#folder}/${named("journal", first)}`;
      if (first !== this.#n + 1) throw new JournalDamaged(file, 1, `command ${this.#n + 1} is missing before it`);
      // Only the last segment can have been torn; in any other a torn end shows as a missing command before the next.
      const [, ...lines] = readAndMend(file) as [unknown, ...Line[]];
      for (const [at, line] of lines.entries()) this.#applyAgain(file, at + 2, line);
      this.#commands = lines.length;
    }
    const open = segments.at(-1);
    if (open === undefined || firstLine(`${this.#folder}/${named("journal", open)}`) === undefined) this.#openSegment();
    else this.#handle = openSync(`${this.#folder}/${named("journal", open)}`, "a");
  }

  #applyAgain(file: string, at: number, line: Line): void {
    if (line.n !== this.#n + 1) throw new JournalDamaged(file, at, `command ${line.n} follows ${this.#n}`);
    const { entries } = applyCommand(this.floor, line.c);
    const again = JSON.stringify(entries.map(({ shard, entry }) => [shard, entry]));
    if (again !== JSON.stringify(line.e)) throw new JournalDamaged(file, at, "the command gives other entries now");
    this.#n = line.n;
    this.#keep(entries);
  }

  #openSegment(): void {
    const seqs = Object.fromEntries([...this.floor.shards].map(([shard, { lastSeq }]) => [shard, lastSeq]));
    const head: Head = { head: 1, seqs };
    this.#handle = openSync(`${this.#folder}/${named("journal", this.#n + 1)}`, "w");
    writeAll(this.#handle, lineOf(head));
    this.#commands = 0;
    this.#bytes = 0;
  }

  #keep(entries: Outcome["entries"]): void {
    for (const { shard, entry } of entries) {
      const recent = this.#recent.get(shard) as Numbered[];
      recent.push(entry);
      // Cut in halves, so that a shift is not paid at every entry.
      if (recent.length > 2 * this.#limits.entriesInMemory) recent.splice(0, this.#limits.entriesInMemory);
    }
  }

  /**
   * Applies a command and writes it down. When this returns, it has happened. When it throws, memory may be ahead of the file:
   * the process must end.
   */
  write(command: Command): Outcome {
    const outcome = applyCommand(this.floor, command);
    const line: Line = {
      n: this.#n + 1,
      c: command,
      e: outcome.entries.map(({ shard, entry }) => [shard, entry]),
    };
    const bytes = lineOf(line);
    writeAll(this.#handle, bytes);
    this.#n += 1;
    this.#commands += 1;
    this.#bytes += bytes.length;
    this.#keep(outcome.entries);
    return outcome;
  }

  /** Whether it is time for `compact`. */
  get full(): boolean {
    return this.#commands >= this.#limits.segmentCommands || this.#bytes >= this.#limits.segmentBytes;
  }

  /** A snapshot, a new segment, and away with what is older than kept and `acked` by the log (shard → sequence). */
  compact(acked: ReadonlyMap<string, number>): void {
    const file = `${this.#folder}/${named("snapshot", this.#n)}`;
    const handle = openSync(`${file}.tmp`, "w");
    writeAll(handle, lineOf(stateOf(this.floor)));
    closeSync(handle);
    renameSync(`${file}.tmp`, file);
    closeSync(this.#handle);
    this.#openSegment();
    for (const old of numbersOf(this.#folder, snapshotName).slice(0, -2)) this.#delete("snapshot", old);
    const closed = numbersOf(this.#folder, segmentName).slice(0, -1);
    for (const [at, old] of closed.slice(0, -this.#limits.segmentsKept).entries()) {
      const next = this.#head(closed[at + 1] as number);
      if (Object.entries(next).some(([shard, seq]) => (acked.get(shard) ?? 0) < seq)) break;
      this.#delete("journal", old);
    }
  }

  #delete(kind: "journal" | "snapshot", n: number): void {
    rmSync(`${this.#folder}/${named(kind, n)}`, { force: true });
  }

  #head(first: number): Readonly<Record<string, number>> {
    const head = firstLine(`${this.#folder}/${named("journal", first)}`) as Head | undefined;
    return head?.seqs ?? {};
  }

  /** Entries `asked` to `to` of a shard, at most `max`, in order. Throws `EntriesGone` where the first is no longer kept. */
  entries(shard: string, asked: number, to: number, max: number): readonly Numbered[] {
    const from = Math.max(1, asked);
    const last = Math.min(to, this.floor.shard(shard).lastSeq, from + max - 1);
    if (last < from) return [];
    const recent = this.#recent.get(shard) as Numbered[];
    const first = recent[0]?.sourceSeq ?? Infinity;
    if (from >= first) return recent.slice(from - first, last - first + 1);
    return this.#entriesOnDisk(shard, from, last);
  }

  #entriesOnDisk(shard: string, from: number, last: number): readonly Numbered[] {
    const found: Numbered[] = [];
    const segments = numbersOf(this.#folder, segmentName);
    for (const [at, first] of segments.entries()) {
      const next = segments[at + 1];
      if (next !== undefined && (this.#head(next)[shard] ?? 0) < from) continue;
      if ((this.#head(first)[shard] ?? 0) >= last) break;
      for (const line of readLines(`${this.#folder}/${named("journal", first)}`).values.slice(1) as Line[])
        for (const [of, entry] of line.e)
          if (of === shard && entry.sourceSeq >= from && entry.sourceSeq <= last) found.push(entry);
    }
    if (found[0]?.sourceSeq !== from) throw new EntriesGone(shard, from);
    return found;
  }

  close(): void {
    closeSync(this.#handle);
    this.#release();
  }
}

function numbersOf(folder: string, pattern: RegExp): number[] {
  return readdirSync(folder)
    .flatMap((file) => pattern.exec(file)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => left - right);
}

/** The floor of the newest snapshot that is whole, else an empty one; `n`: the last command in it. */
function newestFloor(
  folder: string,
  shards: readonly string[],
): { readonly floor: Floor; readonly n: number; readonly passedOver: readonly JournalDamaged[] } {
  const passedOver: JournalDamaged[] = [];
  for (const n of numbersOf(folder, snapshotName).toReversed()) {
    try {
      return { floor: floorFrom(readSnapshot(folder, n), shards), n, passedOver };
    } catch (error) {
      if (!(error instanceof JournalDamaged)) throw error;
      passedOver.push(error);
    }
  }
  // Without any snapshot everything must be there from the first command on.
  const [damaged] = passedOver;
  if (damaged !== undefined && numbersOf(folder, segmentName)[0] !== 1) throw damaged;
  return { floor: new Floor(shards), n: 0, passedOver };
}

function readSnapshot(folder: string, n: number): FloorState {
  const file = `${folder}/${named("snapshot", n)}`;
  const [state] = existsSync(file) ? readLines(file).values : [];
  if (state === undefined) throw new JournalDamaged(file, 1, "the snapshot is empty");
  return state as FloorState;
}
