import { parentPort, workerData } from "node:worker_threads";
import { type GateDecision, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { AmendRequest, BatchRequest, CheckRequest } from "#libs/contracts/live/pre-trade.ts";
import { explainDecision, type OverlaySnapshot } from "#libs/engine/index.ts";
import { engineAt, receiptAt } from "#libs/journal/index.ts";
import { limits } from "../limits.ts";
import type { ReplayWork } from "./replays.ts";

/*
 * The thread of one replay: computes a receipt again from the journal, and ends with it.
 */
const port = parentPort;
if (port === null) throw new Error("this module is a thread of the API");
const { url, work } = workerData as { readonly url: string; readonly work: ReplayWork };

async function receiptsOf({ shard, body }: GateDecision): Promise<readonly unknown[]> {
  const { asked, overlay, entries } = body as {
    readonly asked: CheckRequest | AmendRequest | BatchRequest;
    readonly overlay: OverlaySnapshot;
    readonly entries: number;
  };
  const engine = await engineAt(db, shard, entries);
  return engine === null ? [] : explainDecision(engine, overlay, asked).receipts;
}

const db = openDatabase({ url, name: "api-replay", max: 1, statementTimeoutMs: limits.replayMs });
try {
  port.postMessage("decision" in work ? await receiptsOf(work.decision) : await receiptAt(db, work.shard, work.fact));
} finally {
  await db.close();
}
