import { expect, test } from "vitest";
import { readAlarms, readAudit, readProviderCalls, unsentNotices, verifyAudit } from "#libs/adapters/postgres/index.ts";
import { readTakeover } from "#libs/contracts/live/door.ts";
import type { Takeover } from "#libs/contracts/live/provider.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { wait } from "#libs/process/backoff.ts";
import { poll, useLiquidation } from "#test/support/liquidation.ts";

const bench = useLiquidation();

/** A step of stage 4, as the engine says it: the provider bought the long position of the account. */
const takeover = (provider: string, step = 1) => ({
  fact: "liquidation.step",
  account: "alice",
  saga: `7-${step}`,
  step,
  stage: 4,
  instrument: "BTC-PERP",
  side: "sell",
  qty: "0.3",
  price: "43000.5",
  mark: "43100",
  counterparty: provider,
  realised: "-10",
});

/** A provider on its own subject: what it was told, and what it says. */
function provide(account: string, say: (told: Takeover, times: number) => unknown) {
  const told: Takeover[] = [];
  const { bus } = bench();
  const stand = bus.respond(bus.names.subjects.takeover(account), (data) => {
    const read = readTakeover(data);
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    told.push(read.value);
    return say(read.value, told.length);
  });
  return { told, stop: () => stand.stop() };
}

const outcomeOf = async (provider: string) => (await readProviderCalls(bench().db, provider))[0];
const ended = async (provider: string): Promise<boolean> => ((await outcomeOf(provider))?.outcome ?? null) !== null;

test("a provider is told of what it has taken over; its word is kept, audited, and an alarm where it disputes", async () => {
  const all = bench();
  await all.leader();
  const good = provide("lp-good", ({ id }) => ({ id, state: "accepted" }));
  const bad = provide("lp-bad", ({ id }) => ({ id, state: "refused", reason: "not our contract" }));
  const before = await verifyAudit(all.db);
  const [fact] = (await all.facts([takeover("lp-good"), takeover("lp-bad", 2)])) as [Fact, Fact];
  await poll(async () => (await ended("lp-good")) && (await ended("lp-bad")));
  const id = `0-${fact.seq}-takeover`;
  expect(good.told[0]).toEqual({
    id,
    attempt: 1,
    shard: "0",
    saga: "7-1",
    step: 1,
    account: "lp-good",
    instrument: "BTC-PERP",
    side: "buy",
    qty: "0.3",
    price: "43000.5",
    mark: "43100",
    t: fact.t,
    factSeq: fact.seq,
  });
  expect(await outcomeOf("lp-good")).toMatchObject({ id, outcome: "accepted", attempts: 1, reason: null });
  expect(await outcomeOf("lp-bad")).toMatchObject({ outcome: "refused", reason: "not our contract" });
  const records = await readAudit(all.db, before.seq);
  expect(records.map(({ actor }) => actor).sort()).toEqual(["provider:lp-bad", "provider:lp-good"]);
  expect(records.find(({ actor }) => actor === "provider:lp-good")).toMatchObject({
    action: "provider.takeover",
    detail: { id, saga: "7-1", outcome: "accepted", takeover: { qty: "0.3", price: "43000.5" } },
  });
  await verifyAudit(all.db, [before]);
  const codes = async () => (await all.notices()).filter(({ subject }) => subject.startsWith("risk.alarm."));
  await poll(async () => (await codes()).length === 1);
  expect((await codes())[0]).toMatchObject({ subject: "risk.alarm.provider_refused", body: { shard: "0" } });
  // The notice goes to the provider as well, whether it answers calls or not.
  const told = (await all.notices()).filter(({ body }) => body.channel === "takeover");
  expect(told.map(({ subject }) => subject).sort()).toEqual(["risk.notice.lp-bad", "risk.notice.lp-good"]);
  good.stop();
  bad.stop();
}, 60_000);

test("a provider is told again under the same id until it answers: through silence, nonsense, a crash, and Redis lost", async () => {
  const all = bench();
  await all.leader();
  // Nobody listens yet.
  await all.facts([takeover("lp-late", 3)]);
  await poll(async () => ((await outcomeOf("lp-late"))?.attempts ?? 0) >= 2);
  await all.flushRedis();
  const late = provide("lp-late", async ({ id }, times) => {
    if (times === 1) await wait(1_500);
    if (times === 2) return { id: "another", state: "accepted" };
    if (times === 3) return { id, state: "perhaps" };
    return { id, state: "accepted", reason: "done" };
  });
  await poll(() => late.told.length >= 1);
  await all.crash();
  await all.leader();
  await poll(async () => ended("lp-late"));
  const call = await outcomeOf("lp-late");
  expect(call).toMatchObject({ outcome: "accepted", reason: "done" });
  expect(new Set(late.told.map(({ id }) => id))).toEqual(new Set([call?.id]));
  const attempts = late.told.map(({ attempt }) => attempt);
  expect(attempts).toEqual([...new Set(attempts)].toSorted((left, right) => left - right));
  late.stop();

  await all.redis.kill();
  const other = provide("lp-other", ({ id }) => ({ id, state: "accepted" }));
  await all.facts([takeover("lp-other", 4)]);
  await poll(async () => ended("lp-other"));
  await all.redis.restart();
  other.stop();
}, 90_000);

test("a provider that never answers is given up after its last attempt: an outcome, an audit record, an alarm", async () => {
  const all = bench();
  await all.leader();
  const silent = provide("lp-silent", () => new Promise(() => {}));
  await all.facts([takeover("lp-silent", 5)]);
  await poll(() => silent.told.length >= 1);
  // The nineteenth was long ago: the twentieth is the last.
  const text = `UPDATE provider_call SET attempts = 19, tried_at = clock_timestamp() - interval '1 minute'
    WHERE provider = 'lp-silent'`;
  await all.db.query({ text });
  await poll(async () => ended("lp-silent"));
  expect(await outcomeOf("lp-silent")).toMatchObject({ outcome: "timeout", attempts: 20 });
  expect(await readAlarms(all.db)).toEqual(
    expect.arrayContaining([expect.objectContaining({ code: "provider_timeout" })]),
  );
  const told = silent.told.length;
  await all.facts([takeover("lp-last", 6)]);
  const last = provide("lp-last", ({ id }) => ({ id, state: "accepted" }));
  await poll(async () => ended("lp-last"));
  expect(silent.told.length).toBe(told);
  silent.stop();
  last.stop();
}, 60_000);

const noticed = [
  { fact: "warning", account: "carol", instrument: null, level: "1.5", ratio: "1.4" },
  { fact: "liquidation.started", account: "carol", saga: "9-0", ratio: "1" },
  { fact: "liquidation.stage", account: "carol", saga: "9-0", stage: 3, state: "full" },
  { fact: "adl.filled", account: "dave", against: "carol", saga: "9-0", step: 2, qty: "1" },
  { fact: "order.accepted", account: "carol", id: "o" },
];

test("notices reach the stream once each under their ids, though Redis is emptied and the process killed half-way", async () => {
  const all = bench();
  await all.leader();
  const facts: Fact[] = [];
  const rounds = 40;
  for (let round = 0; round < rounds; round += 1) facts.push(...(await all.facts(noticed)));
  await poll(async () => (await all.notices()).some(({ body }) => body.fact?.seq === facts[0]?.seq));
  await all.flushRedis();
  await all.crash();
  for (let round = 0; round < rounds; round += 1) facts.push(...(await all.facts(noticed)));
  await all.leader();
  await poll(async () => (await all.notices()).some(({ body }) => body.fact?.seq === facts.at(-2)?.seq));
  await all.flushRedis();
  for (const channel of ["account", "counterparty"] as const)
    await poll(async () => (await unsentNotices(all.db, channel)).length === 0);

  const expected = facts.flatMap(({ seq, fact, ...rest }) => {
    if (fact === "order.accepted") return [];
    const own = `${seq}-account risk.notice.${String(rest["account"])}`;
    return fact === "adl.filled" ? [own, `${seq}-counterparty risk.notice.${String(rest["against"])}`] : [own];
  });
  const from = facts[0]?.seq ?? 0;
  const stored = (await all.notices()).filter(({ body }) => (body.fact?.seq ?? 0) >= from);
  // The id is the message's own and the body's: who reads beyond the stream's window of duplicates tells copies by it.
  expect(stored.every(({ id, body }) => id === body.id)).toBe(true);
  expect(stored.map(({ id, subject }) => `${id.replace("0-", "")} ${subject}`).sort()).toEqual(expected.sort());
}, 90_000);

test("a channel that cannot be delivered is tried again, and what was recorded before a restart is not recorded twice", async () => {
  const all = bench();
  await all.leader();
  const [fact] = await all.facts([{ fact: "warning", account: "erin", level: "1.1", ratio: "1.09" }]);
  await poll(async () => (await all.notices()).some(({ body }) => body.fact?.seq === fact?.seq));
  await all.nats.kill();
  const [lost] = (await all.facts([{ fact: "warning", account: "frank", level: "1.1", ratio: "1.09" }])) as [Fact];
  await poll(async () => ((await unsentNotices(all.db, "account"))[0]?.attempts ?? 0) >= 1);
  await all.nats.restart();
  await poll(async () => (await unsentNotices(all.db, "account")).length === 0);
  await all.crash();
  // Whatever retention has removed: the place up to which facts were read is kept by itself.
  await all.db.query({ text: "DELETE FROM notice" });
  await all.leader();
  const [next] = (await all.facts([{ fact: "warning", account: "gina", level: "1.1", ratio: "1.09" }])) as [Fact];
  await poll(async () => (await all.notices()).some(({ body }) => body.fact?.seq === next.seq));
  const { rows } = await all.db.query<{ id: string }>({ text: "SELECT id FROM notice" });
  expect(rows.map(({ id }) => id)).toEqual([`0-${next.seq}-account`]);
  const ids = (await all.notices()).map(({ id }) => id);
  expect(ids.filter((id) => id === `0-${lost.seq}-account`)).toHaveLength(1);
}, 90_000);
