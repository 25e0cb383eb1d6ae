import type { Command } from "commander";
import {
  type Database,
  openDatabase,
  readShard,
  reviewCodes,
  type ReviewedCode,
  reviewShadow,
  reviewSlippage,
  reviewTotals,
  reviewWindows,
  type ReviewTotals,
  type ShadowedCode,
  type SlippageSum,
} from "#libs/adapters/postgres/index.ts";
import { type Utilisation, utilisation, velocityUse } from "#libs/engine/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { engineAt } from "#libs/journal/index.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { whole } from "./flags.ts";
import { notice, type Style, style, write } from "./output.ts";
import { columns } from "./replay-text.ts";

interface ReviewOptions {
  readonly weekly?: boolean;
  readonly monthly?: boolean;
  readonly top?: number;
  readonly json?: boolean;
}

interface Review {
  readonly days: number;
  readonly totals: ReviewTotals;
  readonly codes: readonly ReviewedCode[];
  readonly shadow: readonly ShadowedCode[];
  readonly slippage: readonly SlippageSum[];
  /** By shard, as its accounts stand now. */
  readonly utilisation: Readonly<Record<string, readonly Utilisation[]>>;
  /** By shard, how full decisions of those days found windows of velocity. */
  readonly velocity: Readonly<Record<string, readonly Utilisation[]>>;
}

const weekDays = 7;
const monthDays = 30;
const topDefault = 20;
const topMost = 1_000;
/** A month of decisions is read whole. */
const statementTimeoutMs = 600_000;

async function reviewOf(db: Database, shards: readonly string[], days: number, top: number): Promise<Review> {
  const used: Record<string, readonly Utilisation[]> = {};
  const velocity: Record<string, readonly Utilisation[]> = {};
  const windows = await reviewWindows(db, days);
  for (const shard of shards) {
    const row = await readShard(db, shard);
    const engine = row === null ? null : await engineAt(db, shard, row.entries);
    if (engine === null) notice(`shard ${shard} has no journal`);
    else {
      used[shard] = utilisation(engine, top);
      const own = windows.filter((one) => one.shard === shard);
      velocity[shard] = velocityUse(engine, own, top);
    }
  }
  return {
    days,
    totals: await reviewTotals(db, days),
    codes: await reviewCodes(db, days, top),
    shadow: await reviewShadow(db, days, top),
    slippage: await reviewSlippage(db, days, top),
    utilisation: used,
    velocity,
  };
}

function* reviewText(
  { days, totals, codes, shadow, slippage, utilisation: used, velocity }: Review,
  paint: Style,
): Iterable<string> {
  const { accepted, rejected, accounts } = totals;
  yield paint.strong(`the last ${days} days: ${accepted} accepted, ${rejected} rejected, ${accounts} accounts`);
  const heads = ["reason", "refused", "accounts", "near", "passed soon", "explain --request"];
  const rows = codes.map((one) => [
    one.code,
    String(one.decisions),
    String(one.accounts),
    String(one.near),
    String(one.passedSoon),
    one.candidates.join(" "),
  ]);
  if (rows.length > 0) yield* columns([heads, ...rows], "  ");
  for (const one of shadow)
    yield `  in shadow: ${one.code} would have refused ${one.decisions} of ${one.accounts} accounts`;
  if (slippage.length > 0) yield paint.strong("fills that cost most against the mark of their decision, USD");
  yield* columns(
    slippage.map((one) => [
      one.account,
      one.instrument,
      one.kind,
      `${one.fills} fills`,
      `${one.costUsd} of ${one.notionalUsd}`,
      `average ${one.average}`,
      `worst ${one.worst}`,
      one.beyond === 0 ? "" : `${one.beyond} beyond the limit`,
    ]),
    "  ",
  );
  for (const [shard, accountsOf] of Object.entries(used))
    yield* useText(`shard ${shard}: limits used most`, accountsOf, paint);
  for (const [shard, accountsOf] of Object.entries(velocity))
    if (accountsOf.length > 0) yield* useText(`shard ${shard}: fullest windows of velocity`, accountsOf, paint);
}

function* useText(title: string, used: readonly Utilisation[], paint: Style): Iterable<string> {
  yield paint.strong(title);
  yield* columns(
    used.map((one) => [
      one.account,
      one.share ?? "-",
      `${one.limit}${one.instrument === null ? "" : ` of ${one.instrument}`}`,
      `${one.value} of ${one.bound}`,
      one.level,
    ]),
    "  ",
  );
}

async function review(options: ReviewOptions): Promise<ExitCode> {
  const { databaseUrl: url, shards } = readSettings(undefined, ["database"]);
  const db = openDatabase({ url, name: "review", statementTimeoutMs });
  try {
    const days = options.monthly === true ? monthDays : weekDays;
    const found = await reviewOf(db, shards, days, options.top ?? topDefault);
    await write(
      options.json === true ? `${JSON.stringify(found)}\n` : `${[...reviewText(found, style())].join("\n")}\n`,
    );
  } finally {
    await db.close();
  }
  return exitCodes.ok;
}

const about = `
near          refused for this alone, by not more than a twentieth of its bound
passed soon   an order at least as large of the same account, instrument and side passed within a minute
Both may have been refused in vain; plimsoll explain --request ID shows why they were.`;

export function registerReview(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("review")
    .summary("what has the gate refused, and was it right?")
    .description(
      "Reviews the gate's decisions in PostgreSQL (DATABASE_URL), and how full each account's limits are now.",
    )
    .option("--weekly", `the last ${weekDays} days (the default)`)
    .option("--monthly", `the last ${monthDays} days`)
    .option("--top <n>", `rows of each list, by default ${topDefault}`, whole(1, topMost))
    .option("--json", "one line of JSON")
    .addHelpText("after", about)
    .action(async (options: ReviewOptions, command: Command) => {
      if (options.weekly === true && options.monthly === true)
        command.error("error: --weekly and --monthly exclude each other");
      finish(await review(options));
    });
}
