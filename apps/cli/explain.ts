import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import type { ScenarioResult } from "#libs/simulation/scenario.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodes } from "./exit-codes.ts";
import { explainRequest } from "./explain-request.ts";
import { notice, style, write, writeAll } from "./output.ts";
import { receiptText } from "./receipt-text.ts";
import { problemLines } from "./replay-text.ts";
import { runFile } from "./scenario-run.ts";

interface ExplainOptions {
  readonly fact?: number;
  readonly account?: string;
  readonly last?: true;
  readonly json?: true;
  readonly request?: string;
}

type Explained = readonly [seq: number, receipt: Receipt];

/** The receipts asked for, in order of fact. */
function chosen(receipts: ReadonlyMap<number, Receipt>, options: ExplainOptions): Explained[] {
  const all = [...receipts].sort(([left], [right]) => left - right);
  if (options.fact !== undefined) return all.filter(([seq]) => seq === options.fact);
  if (options.account !== undefined) return all.filter(([, { subject }]) => subject.account === options.account);
  return all.slice(-1);
}

function nothingFound(receipts: ReadonlyMap<number, Receipt>, options: ExplainOptions): string {
  const seqs = [...receipts.keys()].sort((left, right) => left - right);
  const shown = seqs.length > 20 ? `${seqs.slice(0, 20).join(", ")}, …` : seqs.join(", ");
  const have = seqs.length === 0 ? "no fact of this file has a receipt" : `facts with a receipt: ${shown}`;
  if (options.fact !== undefined) return `fact ${options.fact} has no receipt; ${have}`;
  if (options.account !== undefined) return `nothing to explain about the account ${options.account}; ${have}`;
  return have;
}

function* explanations(result: ScenarioResult, found: readonly Explained[], json: boolean): Iterable<string> {
  const bySeq = new Map(result.facts.map((fact) => [fact.seq, fact]));
  const paint = style();
  for (const [at, [seq, receipt]] of found.entries()) {
    const fact = bySeq.get(seq);
    if (json) yield `${JSON.stringify({ seq, fact: fact ?? null, receipt })}\n`;
    else yield `${at === 0 ? "" : "\n"}${receiptText(fact, seq, receipt, paint).join("\n")}\n`;
  }
}

async function explain(file: string, options: ExplainOptions): Promise<ExitCode> {
  const outcome = await runFile(file, { receipts: true });
  const json = options.json === true;
  if (outcome.kind === "broke") {
    notice(outcome.error.stack ?? outcome.error.message);
    return exitCodes.internal;
  }
  if (outcome.kind === "refused") {
    const { problems } = outcome;
    await write(
      `${json ? JSON.stringify({ ok: false, problems }) : ["refused", ...problemLines(problems)].join("\n")}\n`,
    );
    return exitCodes.refused;
  }
  const found = chosen(outcome.result.receipts, options);
  if (found.length === 0) {
    notice(nothingFound(outcome.result.receipts, options));
    return exitCodes.failed;
  }
  await writeAll(explanations(outcome.result, found, json));
  return exitCodes.ok;
}

function sequence(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("expected the number of a fact, its seq");
  return Number(text);
}

const examples = `
Examples:
  plimsoll explain crash.json --last               the last thing that has a receipt
  plimsoll explain crash.json --account alice      everything that happened to alice
  plimsoll explain crash.json --fact 17 --json     one fact, for a program
  plimsoll explain --request r-17                  why the gate of a live shard answered so (DATABASE_URL)

Rejections, liquidations, deleveraging, loss sharing and haircut steps have a receipt: rule and version, inputs, prices
with their sources and ages, the computation, and the smallest change that would have avoided it.`;

export function registerExplain(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("explain")
    .summary("show why something happened")
    .description(
      "Runs a scenario file, or replays a live shard's journal, and shows the receipt of what happened in it.",
    )
    .argument("[file]", 'a scenario file; "-" is standard input')
    .option("--fact <seq>", "explain the fact with this number", sequence)
    .option("--account <id>", "explain everything about this account")
    .option("--last", "explain the last fact that has a receipt")
    .option("--request <id>", "explain the gate's newest decision on this request, made again from the journal")
    .option("--json", "print one line of JSON per receipt")
    .addHelpText("after", examples)
    .action(async (file: string | undefined, options: ExplainOptions, command: Command) => {
      if (options.request !== undefined) {
        if (file !== undefined) command.error("error: --request needs no file");
        finish(await explainRequest(options.request, options.json === true));
        return;
      }
      if (file === undefined) command.error("error: missing required argument 'file'");
      const asked = [options.fact, options.account, options.last].filter((one) => one !== undefined);
      if (asked.length !== 1) command.error("error: exactly one of --fact, --account and --last is needed");
      finish(await explain(file, options));
    });
}
