import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "#apps/cli/program.ts";
import {
  chainHash,
  commitBatch,
  type Database,
  openDatabase,
  pack,
  recordEvidence,
  sharedEvidence,
} from "#libs/adapters/postgres/index.ts";
import { recentFills } from "#libs/journal/index.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { listened } from "#test/support/listened.ts";
import { migratedPostgres } from "#test/support/servers.ts";
import { batchAfter, newShard } from "./postgres-database.ts";

let owner: Database;
let url = "";
let folder = "";

beforeAll(async () => {
  ({ url } = await migratedPostgres());
  owner = openDatabase({ url, name: "owner" });
  folder = mkdtempSync(join(tmpdir(), "plimsoll-entities-"));
}, 60_000);
afterAll(async () => {
  await owner.close();
  rmSync(folder, { recursive: true, force: true });
});

const hash = (value: string): string => createHash("sha256").update(value).digest("hex");
const seen = (account: string, kind: string, value: string, t: number) => ({
  account,
  kind,
  hash: hash(value),
  from: t,
  until: t,
});

test("evidence is kept once with the times that it was seen at, what one alone or a crowd has is not read", async () => {
  const api = openDatabase({ url: await urlAs("api", url), name: "api" });
  try {
    const crowd = Array.from({ length: 4 }, (_, at) => seen(`c${at}`, "device", "hot", 100));
    await recordEvidence(api, [
      seen("a", "device", "d", 200),
      seen("a", "device", "d", 100),
      seen("b", "device", "d", 50),
    ]);
    await recordEvidence(api, [seen("a", "device", "d", 300), seen("a", "contact", "own", 100), ...crowd]);
    expect(await sharedEvidence(api, 3, 0, 100)).toEqual([
      { account: "a", kind: "device", hash: hash("d"), from: 100, until: 300 },
      { account: "b", kind: "device", hash: hash("d"), from: 50, until: 50 },
    ]);
    expect(await sharedEvidence(api, 4, 0, 100)).toHaveLength(6);
    expect(await sharedEvidence(api, 3, 60, 100)).toEqual([]);
    expect(await sharedEvidence(api, 4, 0, 1)).toHaveLength(1);
  } finally {
    await api.close();
  }
});

test("the database takes nothing but accounts, known kinds and hashes", async () => {
  const bad = [
    { ...seen("a b", "device", "d", 1) },
    { ...seen("a", "shoe", "d", 1) },
    { ...seen("a", "device", "d", 1), hash: "abcd" },
    { ...seen("a", "device", "d", 1), until: 0 },
  ];
  for (const row of bad) await expect(recordEvidence(owner, [row]), JSON.stringify(row)).rejects.toThrow();
  for (const role of ["margin", "scheduler", "readonly"] as const) {
    const db = openDatabase({ url: await urlAs(role, url), name: role });
    await expect(recordEvidence(db, [seen("a", "device", "d", 1)]), role).rejects.toMatchObject({ code: "42501" });
    await db.close();
  }
});

/** A shard whose journal says that these fills became true. */
async function journal(shard: string, fills: readonly object[]): Promise<void> {
  const before = await newShard(owner, shard);
  const lines = `{"seq":1,"e":{"k":"time"}}\n`;
  const facts = fills.map((one, at) => `${JSON.stringify({ seq: at + 1, ...one })}\n`).join("");
  await commitBatch(
    owner,
    batchAfter(before, {
      factSeq: fills.length,
      chainHash: chainHash(before.chainHash, lines, facts),
      journal: pack(lines),
      factsBlob: pack(facts),
    }),
  );
}

const fillOf = (account: string, side: string, t: number) => ({
  t,
  fact: "fill",
  account,
  instrument: "X",
  side,
  qty: "1",
  price: "100",
});

test("fills are those among the newest facts of a shard", async () => {
  await journal("f", [fillOf("a", "buy", 1), { t: 2, fact: "warning", account: "fill" }, fillOf("b", "sell", 3)]);
  const read = async (most: number): Promise<string[]> => {
    const found: string[] = [];
    for await (const { account } of recentFills(owner, "f", most)) found.push(account);
    return found;
  };
  expect([await read(10), await read(2), await read(0), await read(1)]).toEqual([["a", "b"], ["b"], [], ["b"]]);
});

test("the command keeps evidence, lists proposals with what speaks for them, and a confirmation is a change of the rules", async () => {
  const environment = { DATABASE_URL: url };
  const command = async (...words: string[]) => listened(environment, async () => run(["entities", ...words]));
  const trades = Array.from({ length: 6 }, (_, at) => [
    fillOf("erin", "buy", at * 5_000),
    fillOf("frank", "sell", at * 5_000),
  ]);
  await journal("0", trades.flat());
  const file = join(folder, "evidence.ndjson");
  const now = Date.now();
  const line = (account: string, value: string): string =>
    JSON.stringify({ account, kind: "deposit_address", hash: hash(value), t: now });
  writeFileSync(file, [line("carol", "w"), line("dave", "w"), line("carol", "v"), ""].join("\n"));
  expect(await command("--add", file)).toMatchObject({ exit: 0, stdout: "3 kept\n" });
  const { proposals } = JSON.parse((await command("--json")).stdout) as {
    proposals: { id: string; accounts: string[]; score: string }[];
  };
  expect(proposals.map(({ accounts, score }) => [accounts, score])).toEqual([
    [["carol", "dave"], "0.8"],
    [["erin", "frank"], "0.6"],
  ]);
  expect((await command()).stdout).toContain("6 fills opposite each other at once");
  expect((await command()).stdout).toContain(`  ${String(proposals[0]?.id)}\n`);
  const confirmed = await command("--confirm", "dave", "--as", "smith");
  expect(JSON.parse(confirmed.stdout)).toEqual({ entities: { smith: { accounts: ["carol", "dave"] } } });
  expect((await command("--confirm", "nobody", "--as", "smith")).exit).toBe(1);
  expect((await command("--confirm", "dave")).exit).toBe(64);
  writeFileSync(
    file,
    `${line("gina", "w")}\n${JSON.stringify({ account: "gina", kind: "device", hash: "a plain address", t: 1 })}\n`,
  );
  const refused = await command("--add", file);
  expect([refused.exit, refused.stderr]).toEqual([2, expect.stringContaining("line 2: hash")]);
  expect((await command("--json")).stdout).not.toContain("gina");
});
