import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import { stateOf } from "#apps/venue/matching/state.ts";
import { JournalDamaged } from "#apps/venue/journal/files.ts";
import { EntriesGone, Journal, journalLimits } from "#apps/venue/journal/journal.ts";
import { FolderTaken } from "#apps/venue/journal/lock.ts";
import { startChild } from "#libs/process/child.ts";
import { rootFolder } from "#libs/process/root.ts";
import { propertyOptions } from "../support/property.ts";
import { venueDocument, venueParts, venueShards } from "../support/venue.ts";
import { nthCommand } from "../support/venue-history.ts";

const limits = { ...journalLimits, segmentCommands: 8, segmentsKept: 2, entriesInMemory: 4 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-journal-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (of = folder): Journal => Journal.open(of, venueShards, () => venueDocument, limits);

/** The state after so many commands, the genesis rules being the first. */
function stateAfter(commands: number): string {
  const floor = venueParts().floor();
  for (let n = 2; n <= commands; n += 1) applyCommand(floor, nthCommand(floor, n));
  return JSON.stringify(stateOf(floor));
}

/** Opens, says what came of it, and lets go. */
function look(of = folder): { readonly commands: number; readonly state: string } | JournalDamaged {
  try {
    const journal = open(of);
    const seen = { commands: journal.commands, state: JSON.stringify(stateOf(journal.floor)) };
    journal.close();
    return seen;
  } catch (error) {
    if (error instanceof JournalDamaged) return error;
    throw error;
  }
}

const everything = (journal: Journal): Map<string, number> =>
  new Map([...journal.floor.shards].map(([shard, { lastSeq }]) => [shard, lastSeq]));

function write(commands: number, compacting = true): void {
  const journal = open();
  while (journal.commands < commands) {
    journal.write(nthCommand(journal.floor, journal.commands + 1));
    if (compacting && journal.full) journal.compact(everything(journal));
  }
  journal.close();
}

const files = (kind: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.startsWith(kind))
    .sort()
    .map((file) => join(folder, file));

test("a last line that a crash has torn anywhere is no line, and writing goes on behind the one before", () => {
  write(6, false);
  const whole = readFileSync(files("journal")[0] as string);
  const start = whole.lastIndexOf("\n", whole.length - 2) + 1;
  const [five, six] = [stateAfter(5), stateAfter(6)];
  for (let length = start; length < whole.length; length += 1) {
    truncateSync(files("journal")[0] as string, length);
    expect(look()).toEqual({ commands: 5, state: five });
    write(6, false);
    expect(look()).toEqual({ commands: 6, state: six });
    expect(readFileSync(files("journal")[0] as string).equals(whole)).toBe(true);
  }
});

test("one bit that flips anywhere in the files is noticed, or changes nothing", () => {
  write(30);
  const state = stateAfter(30);
  const paths = [...files("journal"), ...files("snapshot")];
  const sizes = paths.map((path) => statSync(path).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const noticed = new Set<string>();
  const property = fc.property(fc.nat({ max: total - 1 }), fc.nat({ max: 7 }), (place, bit) => {
    let [at, file] = [place, 0];
    while (at >= (sizes[file] as number)) at -= sizes[file++] as number;
    const copy = mkdtempSync(join(tmpdir(), "plimsoll-journal-"));
    try {
      cpSync(folder, copy, { recursive: true });
      const path = join(copy, (paths[file] as string).slice(folder.length));
      const bytes = readFileSync(path);
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      writeFileSync(path, bytes);
      const seen = look(copy);
      if (seen instanceof JournalDamaged) noticed.add(path.slice(copy.length));
      else expect(seen).toEqual({ commands: 30, state });
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });
  fc.assert(property, propertyOptions({ numRuns: 400 }));
  expect(noticed.size).toBeGreaterThan(0);
});

test("a line that is whole but for its end was not torn: it is damaged", () => {
  write(6, false);
  const [path = ""] = files("journal");
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = 0x0b;
  writeFileSync(path, bytes);
  expect(look()).toBeInstanceOf(JournalDamaged);
});

test("a damaged snapshot is made up for by the one before; without it the venue does not start", () => {
  write(30);
  const snapshots = files("snapshot");
  expect(snapshots.length).toBe(2);
  const flip = (path: string): void => {
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] as number) ^ 1;
    writeFileSync(path, bytes);
  };
  flip(snapshots[1] as string);
  const journal = open();
  expect(journal.passedOver.length).toBe(1);
  expect(JSON.stringify(stateOf(journal.floor))).toBe(stateAfter(30));
  journal.close();
  flip(snapshots[0] as string);
  expect(look()).toBeInstanceOf(JournalDamaged);
});

test("a crash at any step of a compaction leaves a journal that goes on", () => {
  write(8, false);
  const [before = ""] = files("journal");
  const segment = readFileSync(before);
  const journal = open();
  journal.compact(everything(journal));
  journal.close();
  const [snapshot = ""] = files("snapshot");
  const next = files("journal").at(-1) as string;
  const [whole, head] = [readFileSync(snapshot), readFileSync(next)];
  const state = stateAfter(8);
  const leave = (steps: () => void): void => {
    for (const file of [...files("journal"), ...files("snapshot")]) rmSync(file);
    writeFileSync(before, segment);
    steps();
    expect(look()).toEqual({ commands: 8, state });
    write(9, false);
    expect(look()).toEqual({ commands: 9, state: stateAfter(9) });
  };
  leave(() => writeFileSync(`${snapshot}.tmp`, whole.subarray(0, 100)));
  leave(() => writeFileSync(snapshot, whole));
  for (let length = 0; length < head.length; length += 1)
    leave(() => {
      writeFileSync(snapshot, whole);
      writeFileSync(next, head.subarray(0, length));
    });
});

test("a missing segment and one of another history are noticed", () => {
  write(20, false);
  expect(files("journal").length).toBe(1);
  const journal = open();
  while (journal.commands < 40) {
    journal.write(nthCommand(journal.floor, journal.commands + 1));
    // Nothing is acknowledged: every segment is kept.
    if (journal.full) journal.compact(new Map());
  }
  journal.close();
  const segments = files("journal");
  for (const path of files("snapshot")) rmSync(path);
  expect(look()).toEqual({ commands: 40, state: stateAfter(40) });
  const middle = readFileSync(segments[1] as string);
  rmSync(segments[1] as string);
  expect(look()).toBeInstanceOf(JournalDamaged);
  const lines = middle.toString("utf8").split("\n");
  writeFileSync(segments[1] as string, [...lines.slice(0, 2), ...lines.slice(3)].join("\n"));
  expect(look()).toBeInstanceOf(JournalDamaged);
});

test("closed segments are kept while their entries are not acknowledged, or few; older entries are gone, which is said", () => {
  write(60);
  const journal = open();
  const shard = venueShards[0];
  const { lastSeq } = journal.floor.shard(shard);
  const kept = journal.entries(shard, lastSeq - 3, lastSeq, 500);
  expect(kept.map((entry) => entry.sourceSeq)).toEqual([lastSeq - 3, lastSeq - 2, lastSeq - 1, lastSeq]);
  expect(() => journal.entries(shard, 1, lastSeq, 500)).toThrow(EntriesGone);
  expect(files("journal").length).toBeLessThanOrEqual(limits.segmentsKept + 1);
  const before = files("journal").length;
  const acked = new Map(venueShards.map((one) => [one, 0]));
  for (let rounds = 0; rounds < 3; rounds += 1) {
    for (let count = 0; count < limits.segmentCommands; count += 1)
      journal.write(nthCommand(journal.floor, journal.commands + 1));
    journal.compact(acked);
  }
  expect(files("journal").length).toBe(before + 3);
  expect(journal.entries(shard, lastSeq + 1, Infinity, Infinity).length).toBeGreaterThan(0);
  // Two venues on one journal would both be wrong.
  expect(existsSync(join(folder, "owner"))).toBe(true);
  writeFileSync(join(folder, "owner"), String(process.ppid));
  expect(() => open()).toThrow(FolderTaken);
  journal.close();
});

const kills = 6;

test("killed at any moment, between snapshot and segment too, what was written is there and nothing else", async () => {
  const program = join(rootFolder, "test/support/programs/venue-journal.ts");
  let commands = 1;
  for (let kill = 0; kill < kills; kill += 1) {
    let said = 0;
    let enough: () => void = () => {};
    const reached = new Promise<void>((resolve) => (enough = resolve));
    const after = commands + 20 + 37 * kill;
    const child = await startChild({
      command: process.execPath,
      arguments: ["--import", import.meta.resolve("tsx"), program, folder, "3"],
      whenParentDies: "KILL",
      onLine: (line) => {
        said = Number(line);
        if (said >= after) enough();
      },
    });
    await Promise.race([reached, child.exit]);
    child.kill("SIGKILL");
    await child.exit;
    const seen = look();
    expect(seen).not.toBeInstanceOf(Error);
    if (seen instanceof Error) throw seen;
    // The last command may have been written and not said.
    expect([said, said + 1]).toContain(seen.commands);
    expect(seen.commands).toBeGreaterThan(commands);
    expect(seen.state).toBe(stateAfter(seen.commands));
    ({ commands } = seen);
  }
});
