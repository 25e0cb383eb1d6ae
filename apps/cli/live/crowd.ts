import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startChild } from "#libs/process/child.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { programArguments } from "#libs/process/program.ts";
import { rootFolder } from "#libs/process/root.ts";
import { withDrill } from "./drill-cases.ts";
import type { Program } from "./processes.ts";
import { followerOf, leaderOf } from "./shard-programs.ts";

/** What of the venue's crowd a run is asked for; handed on as it is. */
export interface CrowdArguments {
  /** UTC ms of the market: where it begins, and where it ends. */
  readonly from: number;
  readonly crash: string;
  readonly traders: number;
  readonly seed: number;
  readonly to: number;
}

const crowdWords = (crowd: CrowdArguments): string[] =>
  (["crash", "traders", "seed", "to"] as const).flatMap((name) => [`--${name}`, String(crowd[name])]);

/** Writes the demonstration's rules: those of the venue's crowd, and what the drill of the gate needs. */
export async function writeRules(file: string, crowd: CrowdArguments): Promise<void> {
  const lines: string[] = [];
  const errors: string[] = [];
  const child = await startChild({
    command: process.execPath,
    arguments: [...programArguments(join(rootFolder, "apps/venue/main.ts")), "rules", ...crowdWords(crowd)],
    folder: rootFolder,
    onLine: (line, stream) => (stream === "stdout" ? lines : errors).push(line),
  });
  const { code } = await child.exit;
  if (code !== 0) throw new Error(`the rules could not be made: ${errors.join("\n")}`);
  writeFileSync(file, JSON.stringify(withDrill(JSON.parse(lines.join("\n")) as RuleDocument, crowd.from)));
}

/** All of a run, in the order in which they start: prices flow before anybody asks for them. */
export const everyProgram = (crowd: CrowdArguments, shards: readonly string[]): readonly Program[] => [
  { name: "venue", app: "venue", ready: "ready" },
  { name: "mark-price", app: "mark-price", ready: "listening" },
  ...shards.map(leaderOf),
  { name: "crowd", app: "venue", arguments: ["crowd", ...crowdWords(crowd)], ready: "ready" },
  { name: "liquidation", app: "liquidation", ready: "listening" },
  { name: "scheduler", app: "scheduler", ready: "ready" },
  ...shards.map(followerOf),
];
