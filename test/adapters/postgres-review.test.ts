import { afterAll, beforeAll, expect, test } from "vitest";
import {
  commitBatch,
  type Database,
  endedSagas,
  endOfSaga,
  type GateDecision,
  insertDecisions,
  openDatabase,
  reviewCodes,
  reviewShadow,
  reviewTotals,
  reviewWindows,
  sumsOfSagas,
} from "#libs/adapters/postgres/index.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { migratedPostgres } from "#test/support/servers.ts";
import { batchAfter, newShard } from "./postgres-database.ts";

let owner: Database;
/** Whoever reviews needs to read and no more. */
let reader: Database;

beforeAll(async () => {
  const { url } = await migratedPostgres();
  owner = openDatabase({ url, name: "owner" });
  reader = openDatabase({ url: await urlAs("readonly", url), name: "reader" });
}, 60_000);
afterAll(() => Promise.all([owner, reader].map((db) => db.close())));

let requests = 0;
interface Said {
  readonly numbers?: Readonly<Record<string, { readonly value: string; readonly bound: string }>>;
  readonly shadow?: readonly string[];
  readonly qty?: string;
  readonly side?: string;
  readonly verb?: string;
  readonly rates?: Readonly<Record<string, readonly [string, string]>>;
}

function decision(account: string, codes: readonly string[], said: Said = {}): GateDecision {
  requests += 1;
  const { numbers = {}, shadow, qty = "1", side = "buy", verb = "check", rates } = said;
  const place = { shard: "0", epoch: 1, appliedSeq: 1, frame: 1, ruleVersion: 1, t: requests };
  const answer = { numbers, ...(shadow !== undefined && { shadow }) };
  const order = { instrument: "X", side, qty };
  const answered = codes.length === 0 ? "accept" : "reject";
  const body = { asked: { order }, answer, ...(rates !== undefined && { overlay: { rates } }) };
  return { ...place, request: `r${requests}`, verb, account, decision: answered, codes, body };
}

/** One after the other, so that the order in time is theirs. */
async function decided(...rows: readonly GateDecision[]): Promise<void> {
  for (const row of rows) await insertDecisions(owner, [row]);
}

const numbers = (value: string, bound: string) => ({ numbers: { position_limit: { value, bound } } });

test("refusals are counted by reason, with those that may have been in vain, and what is old is not", async () => {
  await decided(
    decision("a", ["position_limit"], numbers("10.5", "10")),
    decision("a", ["position_limit"], numbers("10.51", "10")),
    decision("b", ["position_limit", "velocity_orders"], numbers("10.1", "10")),
    decision("b", ["halted"], { numbers: { halted: { value: "paused", bound: "normal" } } }),
    decision("c", ["price_quality"], { qty: "2" }),
    decision("c", [], { qty: "2" }),
    decision("d", ["price_quality"], { qty: "2" }),
    decision("d", [], { qty: "1.9" }),
    decision("e", ["price_quality"]),
    decision("e", [], { side: "sell" }),
    decision("f", ["velocity_orders"], { verb: "batch" }),
    decision("f", [], { shadow: ["locate"] }),
  );
  expect(await reviewTotals(reader, 7)).toEqual({ accepted: 4, rejected: 8, accounts: 6 });
  expect(await reviewCodes(reader, 7, 10)).toEqual([
    { code: "position_limit", decisions: 3, accounts: 2, near: 1, passedSoon: 0, candidates: ["r1"] },
    { code: "price_quality", decisions: 3, accounts: 3, near: 0, passedSoon: 1, candidates: ["r5"] },
    { code: "velocity_orders", decisions: 2, accounts: 2, near: 0, passedSoon: 0, candidates: [] },
    { code: "halted", decisions: 1, accounts: 1, near: 0, passedSoon: 0, candidates: [] },
  ]);
  expect(await reviewCodes(reader, 7, 1)).toHaveLength(1);
  expect(await reviewShadow(reader, 7, 10)).toEqual([{ code: "locate", decisions: 1, accounts: 1 }]);
  await owner.transaction(async (client) => {
    await client.query({ text: "SET LOCAL session_replication_role = replica" });
    await client.query({
      text: "SELECT make_partition('gate_decision', 'gate_decision_d20200101', '2020-01-01', '2020-01-02')",
    });
    await client.query({ text: "UPDATE gate_decision SET recorded_at = '2020-01-01 12:00Z' WHERE account <> 'f'" });
  });
  expect(await reviewTotals(reader, 30)).toEqual({ accepted: 1, rejected: 1, accounts: 1 });
  expect((await reviewCodes(reader, 30, 10)).map((one) => one.code)).toEqual(["velocity_orders"]);
});

test("of a window of velocity the most counts that any decision of those days found in it", async () => {
  await decided(
    decision("v", [], { rates: { "account v 1000": ["3", "100000000000"] } }),
    decision("v", ["velocity_orders"], { rates: { "account v 1000": ["12", "50"], "key v bot 1000": ["2", "0"] } }),
    decision("v", [], { rates: { "account v 1000": ["4", "0"] } }),
  );
  expect(await reviewWindows(reader, 7)).toEqual([
    { shard: "0", window: "account v 1000", orders: 12n, valueUsd: 100_000_000_000n },
    { shard: "0", window: "key v bot 1000", orders: 2n, valueUsd: 0n },
  ]);
});

test("liquidations that ended are paged by their end over all shards, with their last stage and their money", async () => {
  const step = { fact: "liquidation.step", instrument: "P", price: "3", qty: "0.5", realised: "-1.25" };
  const told = (saga: string, t: number, stages: readonly number[]) => [
    ...stages.map((stage) => ({ t, fact: "liquidation.stage", saga, stage })),
    { ...step, t, saga },
    { ...step, t, saga, price: "7" },
    { t, fact: "insurance.paid", saga, asset: "USD", amount: "2.50" },
    { t, fact: "liquidation.ended", saga, outcome: saga === "b" ? "reduced" : "closed", fundUsd: "2.5" },
  ];
  const put = async (
    shard: string,
    sagas: readonly (readonly [id: string, t: number, stages: readonly number[]])[],
  ) => {
    const rows = sagas.flatMap(([id, t, stages]) => told(id, t, stages));
    const facts = rows.map((row, at) => {
      const body = { ...row, seq: at + 1 };
      return { seq: at + 1, t: row.t, fact: row.fact, account: "x", body };
    });
    const saga = { account: "x", instrument: null, state: "completed", stage: 0, step: 2, startedAt: 1, ended: true };
    const batch = { facts, factSeq: facts.length, sagas: sagas.map(([id]) => ({ ...saga, id })) };
    await commitBatch(owner, batchAfter(await newShard(owner, shard), batch));
  };
  await put("e1", [
    ["a", 10, []],
    ["b", 30, [2, 3, 2]],
  ]);
  await put("e2", [["a", 20, [3, 5]]]);
  type Page = Parameters<typeof endedSagas>[1];
  const page: Page = { shards: ["e1", "e2"], account: null, outcome: null, before: null, limit: 10 };
  const found = async (change: Partial<Page>): Promise<unknown[]> =>
    (await endedSagas(reader, { ...page, ...change })).map(({ shard, id, end }) => [shard, id, end.stage]);
  const all = [
    ["e1", "b", 2],
    ["e2", "a", 5],
    ["e1", "a", 1],
  ];
  expect(await found({})).toEqual(all);
  expect(await found({ limit: 2 })).toEqual(all.slice(0, 2));
  const [, second] = await endedSagas(reader, page);
  expect(await found({ before: { t: 20, shard: "e2", key: String(second?.end.seq) } })).toEqual(all.slice(2));
  expect(await found({ shards: ["e2"] })).toEqual(all.slice(1, 2));
  expect([await found({ account: "y" }), await found({ outcome: "reduced" })]).toEqual([[], all.slice(0, 1)]);
  expect(await endOfSaga(reader, "e1", "b")).toMatchObject({
    outcome: "reduced",
    stage: 2,
    endedAt: 30,
    fundUsd: "2.5",
  });
  expect(await sumsOfSagas(reader, "e1", ["b"])).toMatchObject([
    { fact: "insurance.paid", asset: "USD", amount: "2.5" },
    {
      fact: "liquidation.step",
      products: `5${"0".repeat(36)}`,
      quotients: "238095238095238095238095238095238096",
      realised: "-2.5",
    },
  ]);
});
