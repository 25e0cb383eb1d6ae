import { afterEach, beforeEach, expect, test } from "vitest";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { expectExact } from "../support/exact.ts";
import { eventually, liveShard, type LiveShard } from "../support/live-shard.ts";
import { check, frame, half, question, seed, trade } from "../support/shard-entries.ts";
import { migratedPostgres, useCluster, useNats } from "../support/servers.ts";

const nats = useNats();
/** Killed by a test, so the other tests do not share it. */
const cluster = useCluster();
let shard: LiveShard;

beforeEach(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
});
afterEach(async () => shard.stop());

test("fills and cash become balances and positions, in memory, in the tables, and in a replay of the journal", async () => {
  await seed(shard);
  await trade(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  for (let count = 0; count < 20; count += 1) await trade(shard);
  await shard.settled();
  await expectExact(shard);
  const { account } = await shard.ask<{ account: { positions: { qty: string }[] } }>("account", { account: "alice" });
  expect(account.positions.map((one) => one.qty)).toEqual(["0.21"]);
});

test("the gate accepts, refuses, repeats itself for a request it knows, and keeps its decisions", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  const yes = await check(shard, "r-1", "0.1");
  expect(yes).toMatchObject({ decision: "accept", codes: [], epoch: 1 });
  expect(yes.ttlMs).toBeGreaterThan(0);
  const again = await shard.ask<Decision>("check", question(yes.request, "0.1"));
  expect(again.decision).toBe("accept");
  const no = await check(shard, "r-2", "1000");
  expect(no.codes).toContain("initial_margin");
  expect((await check(shard, "r-3", "0.1", { deadline: 1 })).codes).toEqual(["deadline_exceeded"]);
  expect((await shard.ask<Decision>("check", { request: "r-4" })).codes).toEqual(["unreadable"]);
  const kept = await eventually("the decisions", async () => {
    const { rows } = await shard.db.query<{ request: string }>({
      text: "SELECT request FROM gate_decision WHERE request IN ($1, $2) ORDER BY request",
      values: [yes.request, no.request],
    });
    return rows.length === 2 ? rows : null;
  });
  expect(kept.map((one) => one.request)).toEqual([yes.request, no.request]);
});

test("a question that only asks what if leaves the state as it is", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  // The log's clock goes on, so the two hashes are compared where no entry came between.
  const hashes = await eventually("two looks at one position", async () => {
    const before = await shard.status({ hash: true });
    const asked = { request: "w-1", account: "alice", mark: { "BTC-PERP": "1000" } };
    expect(await shard.ask("what-if", asked)).toMatchObject({ epoch: 1 });
    const after = await shard.status({ hash: true });
    return before.appliedSeq === after.appliedSeq ? [before.stateHash, after.stateHash] : null;
  });
  expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(hashes[1]).toBe(hashes[0]);
});

test("what the log lost of the venue's sequence is asked for again, and duplicates change nothing", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  await trade(shard);
  // Numbered by the venue, never put into the log.
  shard.lose(half("alice", "buy", "lost"));
  shard.lose(half("bob", "sell", "lost"));
  await trade(shard);
  await shard.settled();
  expect(shard.partner.resends).toBe(1);
  const lost = shard.partner.entries[2];
  await shard.raw("fill", lost);
  await trade(shard);
  await shard.settled();
  await expectExact(shard);
  const { account } = await shard.ask<{ account: { positions: { qty: string }[] } }>("account", { account: "alice" });
  expect(account.positions.map((one) => one.qty)).toEqual(["0.04"]);
});

test("a command that cannot be read becomes a dead letter; an entry of the venue that cannot be read halts the shard", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  await shard.raw("cash", { k: "cash", account: "alice", source: "operator", sourceSeq: 3, t: 1 });
  const letter = await eventually("the dead letter", async () => {
    const { rows } = await shard.db.query<{ border: string }>({ text: "SELECT border FROM dead_letter" });
    return rows[0];
  });
  expect(letter.border).toBe("log");
  expect((await shard.status()).state).toBe("ready");
  await shard.raw("fill", { k: "fill", broken: true });
  await eventually("the halt", async () => (await shard.status()).state === "halted_unreadable_entry");
  expect((await shard.ask<Decision>("check", question("r-9", "0.1"))).codes).toEqual(["recovering"]);
  expect(app.running).toBe(true);
});

test("killed in the middle of a stream of fills it comes back to the same state, and no fact is published twice", async () => {
  await seed(shard);
  const numbers: number[] = [];
  shard.bus.subscribe(shard.bus.names.subjects.facts("0"), ({ data }) => {
    const batch = JSON.parse(new TextDecoder().decode(data)) as FactBatch;
    numbers.push(...batch.facts.map((fact) => fact.seq));
  });
  const first = await shard.start();
  await first.whenMessage("ready");
  const writing = (async () => {
    for (let count = 0; count < 150; count += 1) await trade(shard);
  })();
  await eventually("some commits", async () => (await shard.status()).committedSeq > 20);
  await first.kill("SIGKILL");
  const second = await shard.start();
  await writing;
  await shard.put("mark-price", frame());
  await second.whenMessage("ready");
  const { epoch, factSeq } = await shard.settled();
  expect(epoch).toBe(2);
  await expectExact(shard);
  await eventually("every fact", async () => numbers.includes(factSeq));
  const once = [...new Set(numbers)].sort((left, right) => left - right);
  expect(once).toEqual(Array.from({ length: once.length }, (_, at) => at + 1));
});

test("of two that want to lead one waits, and follows when the first has gone", async () => {
  await seed(shard);
  const first = await shard.start();
  await first.whenMessage("ready");
  const second = await shard.start();
  await second.whenMessage("listening");
  await trade(shard);
  expect((await shard.settled()).epoch).toBe(1);
  expect((await first.stop()).code).toBe(0);
  await shard.put("mark-price", frame());
  await second.whenMessage("ready");
  expect((await shard.settled()).epoch).toBe(2);
  await expectExact(shard);
});

test("the database killed under load: the gate closes, nothing is lost, and every batch is committed once", async () => {
  await shard.stop();
  await cluster().createDatabase("killed");
  shard = await liveShard(nats().url, cluster().urlOf("killed"));
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  const writing = (async () => {
    for (let count = 0; count < 60; count += 1) await trade(shard);
  })();
  await eventually("some commits", async () => (await shard.status()).committedSeq > 10);
  await cluster().kill();
  const closed = await eventually("the refusal", async () => {
    const answer = await shard.ask<Decision>("check", question("r-1", "0.1"));
    return answer.codes.includes("recovering") ? answer : null;
  });
  expect(closed.decision).toBe("reject");
  await cluster().restart();
  await writing;
  await shard.settled();
  expect(app.running).toBe(true);
  await expectExact(shard);
});
