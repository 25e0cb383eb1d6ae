import { expect, test } from "vitest";
import { priorityOf } from "#apps/liquidation/limits.ts";
import { openLogReader } from "#libs/adapters/nats/index.ts";
import { readAlarms } from "#libs/adapters/postgres/index.ts";
import { block, poll, useLiquidation } from "#test/support/liquidation.ts";

const bench = useLiquidation();

test("an effect is sent until the engine has answered it, whatever becomes of Redis and of this process", async () => {
  const all = bench();
  await all.leader();
  await all.open(block("one"));
  await poll(() => all.times("one") >= 1);
  expect(all.told[0]).toMatchObject({ shard: "0", attempt: 1, effect: { id: "one", effect: "block" } });
  // The venue's word alone ends nothing: without an outcome the watchdog asks again.
  await poll(() => all.times("one") >= 2);
  await all.answer("one");

  // No answer in time says nothing: it is asked again under the same id.
  all.answering = false;
  await all.open(block("silent"));
  await poll(() => all.times("silent") >= 2);
  all.answering = true;
  await all.answer("silent");

  // One that was never pushed is found in the table; Redis may be emptied, and gone.
  await all.open(block("unpushed"), { pushed: false });
  await poll(() => all.times("unpushed") >= 1);
  await all.redis.restart();
  const before = all.times("unpushed");
  await poll(() => all.times("unpushed") > before);
  await all.redis.kill();
  await all.open(block("without-redis"));
  await poll(() => all.times("without-redis") >= 3);
  await all.answer("unpushed");
  await all.answer("without-redis");
  await all.redis.restart();

  // A crash hands open effects to whoever leads next.
  await all.open(block("crash"), { pushed: false });
  await all.crash();
  const atCrash = all.times("crash");
  await all.leader();
  await poll(() => all.times("crash") > atCrash);
  await all.answer("crash");

  // Answered ones are left alone from now on.
  await all.open(block("last"));
  await poll(() => all.times("last") >= 3);
  const settled = all.times("one");
  await all.answer("last");
  expect(all.times("one")).toBe(settled);
}, 90_000);

const ratios = { mild: "1.01", worst: "-0.2", bad: "0.7" };
const started = (prefix: string) =>
  Object.entries(ratios).map(([id, ratio]) => ({
    fact: "liquidation.started",
    account: `a-${id}`,
    saga: `${prefix}${id}`,
    ratio,
  }));

test("wake-ups that Redis loses in the middle of a saga are made again before they are due, the worst account's first", async () => {
  const all = bench();
  await all.leader();
  await all.facts(started("f-"));
  const ids = Object.keys(ratios).map((id) => `f-${id}`);
  // The eighth attempt was just made: the next is due in five seconds, and nobody has made its wake-up.
  for (const id of ids) await all.open(block(id, id), { pushed: false, attempts: 8 });
  const waiting = async () => (await all.jobs("watchdog")).filter(({ id }) => /^0-f-.*-8$/.test(id));
  await poll(async () => (await waiting()).length === ids.length);
  await all.flushRedis();
  await poll(async () => (await waiting()).length === ids.length);
  const urgent = (await waiting()).toSorted((left, right) => left.priority - right.priority);
  expect(urgent).toEqual([
    { id: "0-f-worst-8", priority: priorityOf("-0.2"), state: "delayed" },
    { id: "0-f-bad-8", priority: priorityOf("0.7"), state: "delayed" },
    { id: "0-f-mild-8", priority: priorityOf("1.01"), state: "delayed" },
  ]);
  // Not one of them was sent meanwhile: it is the wake-ups that came back.
  expect(ids.map((id) => all.times(id))).toEqual([0, 0, 0]);
  for (const id of ids) await all.answer(id);
}, 60_000);

test("a successor begins with the worst account, however old the others' effects are", async () => {
  const all = bench();
  await all.leader();
  await all.crash();
  await all.facts(started("s-"));
  const ids = Object.keys(ratios).map((id) => `s-${id}`);
  for (const id of ids) await all.open(block(id, id), { pushed: false });
  await all.leader();
  await poll(() => ids.every((id) => all.times(id) > 0));
  const first = new Set(all.told.map(({ effect }) => effect.id).filter((id) => id.startsWith("s-")));
  expect([...first]).toEqual(["s-worst", "s-bad", "s-mild"]);
  for (const id of ids) await all.answer(id);
}, 60_000);

test("an effect that stays open after twenty attempts is an alarm in the stream, once, and is still sent", async () => {
  const all = bench();
  await all.leader();
  await all.open(block("stuck"), { pushed: false, attempts: 20, agoMs: 3_600_000 });
  const alarms = async () => (await all.notices()).filter(({ subject }) => subject === "risk.alarm.effect_stuck");
  await poll(async () => (await alarms()).length > 0);
  await poll(() => all.times("stuck") > 0);
  // Again and again, since noting an attempt puts its time forward, at the latest after the one that is waited for.
  const text = "UPDATE effect SET last_sent_at = last_sent_at - interval '1 hour' WHERE id = 'stuck'";
  const sent = all.times("stuck");
  await poll(async () => {
    await all.db.query({ text });
    return all.times("stuck") > sent;
  });
  const [alarm, ...more] = await alarms();
  expect(more).toEqual([]);
  expect(alarm).toMatchObject({
    id: "alarm-effect-0-stuck",
    body: { id: "alarm-effect-0-stuck", shard: "0", code: "effect_stuck", detail: { attempts: 20 } },
  });
  expect(await readAlarms(all.db)).toMatchObject([{ code: "effect_stuck", sent: true }]);
  await all.answer("stuck");
}, 60_000);

test("a resume becomes one entry of the log", async () => {
  const all = bench();
  await all.leader();
  await all.open({ id: "again", effect: "resume", saga: "saga" });
  const reader = await openLogReader(all.bus, "0", { from: 1 });
  const entries: Record<string, unknown>[] = [];
  await poll(async () => {
    for (const { data } of await reader.next(100, 50)) entries.push(JSON.parse(new TextDecoder().decode(data)));
    return entries.length > 0;
  });
  const attempts = async (): Promise<number> => {
    const { rows } = await all.db.query<{ attempts: number }>({
      text: "SELECT attempts FROM effect WHERE id = 'again'",
    });
    return rows[0]?.attempts ?? 0;
  };
  const before = await attempts();
  await poll(async () => (await attempts()) > before);
  for (const { data } of await reader.next(100, 300)) entries.push(JSON.parse(new TextDecoder().decode(data)));
  await all.answer("again");
  await reader.stop();
  expect(entries).toMatchObject([{ k: "resumed", effect: "again", source: "liquidation", sourceSeq: 1 }]);
}, 60_000);
