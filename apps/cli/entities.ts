import type { Command } from "commander";
import {
  type Database,
  type EvidenceRow,
  evidenceRowsMax,
  openDatabase,
  readRuleVersion,
  recordEvidence,
} from "#libs/adapters/postgres/index.ts";
import { confirm } from "#libs/domain/entities/confirm.ts";
import { detectionDefaults, evidenceKinds } from "#libs/domain/entities/evidence.ts";
import {
  type Detection,
  detectEntities,
  entityOfAccounts,
  type Proposal,
  toldProposal,
} from "#libs/domain/entities/proposals.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { gatherEvidence, namedProposal } from "#libs/journal/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { whole } from "./flags.ts";
import { readInput } from "./input-files.ts";
import { notice, type Style, style, write } from "./output.ts";

interface EntitiesOptions {
  readonly json?: boolean;
  readonly days?: number;
  readonly facts?: number;
  readonly add?: string;
  readonly confirm?: string;
  readonly as?: string;
}

const dayMs = 86_400_000;
const daysDefault = 90;
const factsDefault = 500_000;
const evidenceMost = 1_000_000;
const statementTimeoutMs = 60_000;

async function detect(db: Database, shards: readonly string[], options: EntitiesOptions): Promise<Detection> {
  const since = Math.max(0, Date.now() - (options.days ?? daysDefault) * dayMs);
  const { commonAbove } = detectionDefaults;
  const most = { evidenceMost, factsMost: options.facts ?? factsDefault };
  const { records, fills } = await gatherEvidence(db, { shards, since, commonAbove, ...most });
  return detectEntities(records, fills, entityOfAccounts((await rulesOf(db, shards)).entities));
}

/** Those of the first shard, which has the same as all. */
async function rulesOf(db: Database, shards: readonly string[]): Promise<Partial<RuleDocument>> {
  const found = await readRuleVersion(db, shards[0] ?? "0", null);
  return found?.document ?? {};
}

const named = (proposal: Proposal) => namedProposal(toldProposal(proposal));

function text(proposal: Proposal, paint: Style): string[] {
  const { id, accounts, score, entities, links } = named(proposal);
  const known = entities.length === 0 ? "" : `, some of ${entities.join(", ")}`;
  return [
    `${paint.strong(score)}  ${accounts.join(" ")}${known}`,
    `  ${id}`,
    ...links.flatMap((link) => [
      `  ${link.score}  ${link.accounts.join(" ")}`,
      ...link.evidence.map((one) =>
        one.kind === "opposite_trading"
          ? `    ${one.weight}  ${one.matched} fills opposite each other at once, ${one.share} of all`
          : `    ${one.weight}  ${one.kind} ${one.hash.slice(0, 12)}… shared by ${one.sharedBy}`,
      ),
    ]),
  ];
}

async function list(db: Database, shards: readonly string[], options: EntitiesOptions): Promise<ExitCode> {
  const { proposals, dropped } = await detect(db, shards, options);
  if (options.json === true) await write(`${JSON.stringify({ dropped, proposals: proposals.map(named) })}\n`);
  else for (const one of proposals) await write(`${text(one, style()).join("\n")}\n`);
  if (dropped > 0) notice(`${dropped} pairs or proposals found no room`);
  return exitCodes.ok;
}

/** Prints the change of the rules; whether it comes into force is decided as of every other change. */
async function confirmed(db: Database, shards: readonly string[], options: EntitiesOptions): Promise<ExitCode> {
  const { proposals } = await detect(db, shards, options);
  const proposal = proposals.find(({ accounts }) => accounts.includes(options.confirm ?? ""));
  if (proposal === undefined) {
    notice(`no proposal has the account ${options.confirm ?? ""}`);
    return exitCodes.failed;
  }
  const found = confirm(proposal, options.as ?? "", (await rulesOf(db, shards)).entities);
  if (found.ok) await write(`${JSON.stringify(found.set)}\n`);
  else notice(found.why);
  return found.ok ? exitCodes.ok : exitCodes.failed;
}

const kinds: ReadonlySet<string> = new Set(evidenceKinds);

/** A line of evidence, or what is wrong with it. */
function evidenceOf(line: string): EvidenceRow | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "no JSON";
  }
  if (typeof value !== "object" || value === null) return "no object";
  const { account, kind, hash, t } = value as Readonly<Record<string, unknown>>;
  if (typeof account !== "string" || !/^[A-Za-z0-9_-]{1,64}$/.test(account)) return "account is no id";
  if (typeof kind !== "string" || !kinds.has(kind)) return `kind is none of ${evidenceKinds.join(", ")}`;
  if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash)) return "hash is no sha256 in lower case hex";
  if (typeof t !== "number" || !Number.isSafeInteger(t) || t < 0) return "t is no UTC ms";
  return { account, kind, hash, from: t, until: t };
}

/** Whole or not at all, as far as lines can be judged: one that cannot be read refuses the file. */
async function add(db: Database, file: string): Promise<ExitCode> {
  const read = await readInput(file);
  if (!read.ok) {
    for (const { message } of read.problems) notice(message);
    return exitCodes.refused;
  }
  const lines = Buffer.from(read.bytes).toString("utf8").split("\n");
  const rows: EvidenceRow[] = [];
  for (const [at, line] of lines.entries()) {
    if (line === "") continue;
    const row = evidenceOf(line);
    if (typeof row === "string") {
      notice(`line ${at + 1}: ${row}`);
      return exitCodes.refused;
    }
    rows.push(row);
  }
  await db.transaction(async (client) => {
    for (let from = 0; from < rows.length; from += evidenceRowsMax)
      await recordEvidence(client, rows.slice(from, from + evidenceRowsMax));
  });
  await write(`${rows.length} kept\n`);
  return exitCodes.ok;
}

async function entities(options: EntitiesOptions): Promise<ExitCode> {
  const { databaseUrl: url, shards } = readSettings(undefined, ["database"]);
  const db = openDatabase({ url, name: "entities", statementTimeoutMs });
  try {
    if (options.add !== undefined) return await add(db, options.add);
    return await (options.confirm === undefined ? list : confirmed)(db, shards, options);
  } finally {
    await db.close();
  }
}

const about = `
A proposal is for an operator to judge; nothing comes into force by it.

Examples:
  plimsoll entities --json
  plimsoll entities --add evidence.ndjson           {"account":"alice","kind":"device","hash":"<sha256>","t":1763700000000}
  plimsoll entities --confirm alice --as smith      prints the change of the rules, for
  plimsoll dry-run --change smith.json              and then an operator's rules entry`;

export function registerEntities(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("entities")
    .summary("which accounts may be one owner's?")
    .description(
      "Proposes related accounts from evidence in PostgreSQL (DATABASE_URL) and fills in the journal, with a score.",
    )
    .option("--json", "one line of JSON")
    .option("--days <n>", `evidence seen in the last n days, by default ${daysDefault}`, whole(1, 3_650))
    .option(
      "--facts <n>",
      `fills among the newest n facts of each shard, by default ${factsDefault}`,
      whole(0, 5_000_000),
    )
    .option("--add <file>", 'keep evidence: a line of JSON each, hashed by whoever gathered it; "-" is standard input')
    .option("--confirm <account>", "print the change of the rules that makes the account's proposal an entity")
    .option("--as <name>", "the entity's id, for --confirm")
    .addHelpText("after", about)
    .action(async (options: EntitiesOptions, command: Command) => {
      if ((options.confirm === undefined) !== (options.as === undefined))
        command.error("error: --confirm and --as go together");
      if (options.as !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(options.as)) command.error("error: --as is no id");
      finish(await entities(options));
    });
}
