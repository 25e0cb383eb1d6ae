import { findDecisions, type GateDecision, readFacts } from "#libs/adapters/postgres/index.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import { startThread } from "#libs/process/thread.ts";
import type { Handlers } from "../http/app.ts";
import { ApiRefused } from "../http/refused.ts";
import { limits } from "../limits.ts";
import { type Parts, shardOfAccount } from "../parts.ts";
import { OneByOne } from "./one-by-one.ts";

export type ReplayWork = { readonly decision: GateDecision } | { readonly shard: string; readonly fact: number };

/** Runs a replay in a thread of its own; throws `ApiRefused` where it takes too long. */
async function replay<T>(url: string, work: ReplayWork): Promise<T> {
  const thread = startThread(new URL("replay-thread.ts", import.meta.url), { url, work });
  return new Promise<T>((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new ApiRefused("busy", { reason: "the replay took too long", retryAfterMs: limits.replayMs }));
      void thread.terminate();
    }, limits.replayMs);
    thread.once("message", (value: T) => resolve(value));
    thread.once("error", reject);
    thread.once("exit", () => {
      clearTimeout(late);
      reject(new Error("a replay ended without an answer"));
    });
  });
}

/** Routes that compute something again from the journal: one at a time, off the main thread. */
export function replayHandlers(parts: Parts): Handlers {
  const { db, settings } = parts;
  const line = new OneByOne();
  return {
    async "account-receipt"({ params }) {
      const account = params["account"] as string;
      const fact = Number(params["seq"]);
      const shard = await shardOfAccount(parts, account);
      // Only what is the account's own: a receipt tells everything of whom it concerns.
      const [found] = await readFacts(db, shard, { account, before: fact + 1, limit: 1 });
      if (found?.seq !== fact) throw new ApiRefused("not_found");
      const receipt = await line.run(async () => replay<Receipt | null>(settings.databaseUrl, { shard, fact }));
      if (receipt === null) throw new ApiRefused("not_found", { reason: "the fact has no receipt" });
      return { body: { seq: fact, receipt } };
    },
    async "account-decision"({ params }) {
      const account = params["account"] as string;
      const decision = (await findDecisions(db, params["request"] as string)).find((one) => one.account === account);
      if (decision === undefined) throw new ApiRefused("not_found");
      const receipts =
        decision.verb === "cancel"
          ? []
          : await line.run(async () => replay<readonly unknown[]>(settings.databaseUrl, { decision }));
      const { request, decision: said, codes, t, appliedSeq, frame, ruleVersion, body } = decision;
      const { asked, answer } = body as { readonly asked: unknown; readonly answer: unknown };
      const place = { t, logSeq: appliedSeq, frame, ruleVersion };
      return { body: { request, decision: said, codes, ...place, body: { asked, answer }, receipts } };
    },
  };
}
