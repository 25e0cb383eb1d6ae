import { writeSync } from "node:fs";
import { Journal, journalLimits } from "#apps/venue/journal/journal.ts";
import { venueDocument, venueShards } from "../venue.ts";
import { nthCommand } from "../venue-history.ts";

/*
 * Writes a history into a journal until it is killed, with a snapshot and a new segment every few commands, and says the number of
 * each command when it has been written. Arguments: folder, commands a segment.
 */
const [folder = "", segmentCommands = "5"] = process.argv.slice(2);
const limits = { ...journalLimits, segmentCommands: Number(segmentCommands), segmentsKept: 2, entriesInMemory: 4 };
const journal = Journal.open(folder, venueShards, () => venueDocument, limits);
for (;;) {
  journal.write(nthCommand(journal.floor, journal.commands + 1));
  writeSync(1, `${journal.commands}\n`);
  if (journal.full) journal.compact(new Map([...journal.floor.shards].map(([shard, { lastSeq }]) => [shard, lastSeq])));
}
