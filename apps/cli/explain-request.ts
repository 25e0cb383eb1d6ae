import { type Database, findDecisions, type GateDecision, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { AmendRequest, BatchRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import type { AccountAnswer } from "#libs/contracts/answers.ts";
import { type DecisionExplained, explainDecision, type OverlaySnapshot } from "#libs/engine/index.ts";
import { readSettings } from "#libs/process/settings.ts";
import { engineAt } from "#libs/journal/index.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { notice, type Style, style, write } from "./output.ts";
import { receiptText } from "./receipt-text.ts";
import { columns } from "./replay-text.ts";

/** A replay reads much: statements may take longer than in a process that serves. */
const statementTimeoutMs = 60_000;

/** What the gate keeps of a decision beside its columns. */
interface DecisionBody {
  readonly asked: CheckRequest | AmendRequest | BatchRequest;
  readonly answer: Pick<GateDecision, "decision"> & {
    readonly codes?: readonly string[];
    readonly results?: readonly { readonly decision: string; readonly codes: readonly string[] }[];
  };
  readonly overlay: OverlaySnapshot;
  /** How many entries the engine had applied. */
  readonly entries: number;
}

interface Explained extends DecisionExplained {
  readonly decision: GateDecision;
  readonly entries: number;
  /** Whether the decision comes out as it was given. */
  readonly agrees: boolean;
  readonly account: AccountAnswer | null;
}

async function explainOne(db: Database, decision: GateDecision): Promise<Explained | string> {
  const { asked, answer, overlay, entries } = decision.body as DecisionBody;
  if (decision.verb === "cancel") return "a cancel is always accepted: there is nothing to explain";
  const engine = await engineAt(db, decision.shard, entries);
  if (engine === null)
    return `entry ${entries} of shard ${decision.shard} is not in the journal: dropped as too old, or its leader died before the commit`;
  const account = engine.machine.book.findAccount(decision.account) < 0 ? null : engine.account(decision.account);
  const explained = explainDecision(engine, overlay, asked);
  const given = answer.results ?? [{ decision: answer.decision, codes: answer.codes ?? [] }];
  const bare = (all: readonly { decision: string; codes: readonly string[] }[]): string =>
    JSON.stringify(all.map((one) => [one.decision, one.codes]));
  return { ...explained, decision, entries, agrees: bare(explained.verdicts) === bare(given), account };
}

function* explainedText({ decision, verdicts, receipts, agrees, entries, account }: Explained, paint: Style) {
  const { request, verb, shard, ruleVersion, frame, t } = decision;
  const again = agrees ? paint.good("the same again") : paint.bad("ANOTHER ANSWER");
  yield `${paint.strong(`${verb} ${request}: ${decision.decision}`)} ${decision.codes.join(", ")}`;
  yield* columns(
    [
      ["who", `account ${decision.account}, shard ${shard}`],
      ["when", `t = ${t} (${new Date(t).toISOString()}), entry ${entries}, frame ${frame}, rules ${ruleVersion}`],
      ["replayed", again],
    ],
    "  ",
  );
  if (account !== null)
    yield `  equity ${account.equity}, initial equity ${account.initialEquity}, im ${account.im}, mm ${account.mm}`;
  for (const [at, { decision: said, codes, numbers, shadow }] of verdicts.entries()) {
    const receipt = receipts[at] ?? null;
    if (verdicts.length > 1) yield `order ${at + 1}: ${said} ${codes.join(", ")}`;
    yield* columns(
      Object.entries(numbers).map(([code, one]) => [
        code,
        `${one.value} against ${one.bound}`,
        one.headroom === undefined ? "" : `${one.headroom} left`,
        one.level ?? "",
        shadow?.some((other) => other === code) === true ? "in shadow" : "",
      ]),
      "  ",
    );
    if (receipt !== null) yield* ["", ...receiptText(undefined, null, receipt, paint)];
  }
}

/** Why the gate of a live shard decided so: the newest decision on this request, made again from the journal. */
export async function explainRequest(request: string, json: boolean): Promise<ExitCode> {
  const { databaseUrl: url } = readSettings(undefined, ["database"]);
  const db = openDatabase({ url, name: "explain", statementTimeoutMs });
  try {
    const [decision] = await findDecisions(db, request, 1);
    const found = decision === undefined ? `no decision on ${request} is kept` : await explainOne(db, decision);
    if (typeof found === "string") {
      notice(found);
      return exitCodes.failed;
    }
    await write(json ? `${JSON.stringify(found)}\n` : `${[...explainedText(found, style())].join("\n")}\n`);
    return found.agrees ? exitCodes.ok : exitCodes.failed;
  } finally {
    await db.close();
  }
}
