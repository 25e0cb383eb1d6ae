import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  acquireLease,
  acquireShard,
  openDatabase,
  pendingEntries,
  releaseLease,
} from "#libs/adapters/postgres/index.ts";
import type { Database } from "#libs/adapters/postgres/index.ts";
import { answered, emptySchedule, observe, planDue, unsettled } from "#apps/scheduler/plan.ts";
import type { Plan, ScheduleState } from "#apps/scheduler/plan.ts";
import { keepPlan, loadSchedule, scheduleName } from "#apps/scheduler/schedule-store.ts";
import { Scheduler } from "#apps/scheduler/scheduler.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { migratedPostgres } from "#test/support/servers.ts";

const hour = 3_600_000;
const midnight = Date.UTC(2025, 9, 10);
const document: RuleDocument = {
  assets: [{ id: "USDT" }, { id: "BTC" }],
  instruments: [
    { id: "BTC-PERP", kind: "linear", base: "BTC", quote: "USDT", settle: "USDT" },
    { id: "BTC-1010", kind: "linear", base: "BTC", quote: "USDT", settle: "USDT", expiry: midnight + 9 * hour },
  ],
  accountsPerEntryMax: 2,
};
const { rules } = compileRules(document, 1);
const withFunding = (funding: RuleDocument["funding"]): RuleSet =>
  compileRules({ ...document, ...(funding && { funding }) }, 2).rules;
const frame = (index: string, mark: string) =>
  ({ k: "frame", index: { BTC: index }, mark: { "BTC-PERP": mark } }) as const;

let db: Database;
let epoch = 0;

beforeAll(async () => {
  const { url } = await migratedPostgres();
  db = openDatabase({ url, name: "test" });
});
afterAll(async () => {
  await db.close();
});
beforeEach(async () => {
  await db.query({ text: "DELETE FROM entry_outbox" });
  await db.query({ text: "DELETE FROM source_counter" });
  await db.query({ text: "DELETE FROM mark_state" });
  await releaseLease(db, scheduleName, epoch);
  epoch = (await acquireLease(db, scheduleName, "test", 60_000))?.epoch ?? 0;
});

const queued = async (shard: string) =>
  (await pendingEntries(db, { source: "scheduler", shard })).map(({ key, entry }) => [key, entry] as const);
const opened = (now: () => number) =>
  Scheduler.open({
    db,
    epoch,
    shards: ["0", "1"],
    clock: { now },
    rules: () => Promise.resolve(rules),
  });

test("FUND-06: funding that came due while nobody ran is paid once, with the premiums kept before, in every shard", async () => {
  const before = await opened(() => midnight + 1);
  before.take(midnight, frame("50000", "50050"));
  await before.look();
  const after = await opened(() => midnight + 25 * hour);
  await after.look();
  await after.look();
  const due = midnight + 8 * hour;
  for (const shard of ["0", "1"]) {
    const found = (await queued(shard)).filter(([key]) => key.includes("BTC-PERP"));
    expect(found.map(([key]) => key)).toEqual([`funding-BTC-PERP-${due}`, `settle-BTC-PERP-${due}-1`]);
    // A premium of 0.001 and interest of 0.0001.
    expect(found[0]?.[1]).toMatchObject({ k: "funding", rate: "0.0011", source: "scheduler" });
  }
});

test("a look that ran twice from the same state queues each entry once", async () => {
  const [one, other] = [await opened(() => midnight), await opened(() => midnight)];
  await one.look();
  const first = await queued("0");
  await other.look();
  expect(first.length).toBeGreaterThan(0);
  expect(await queued("0")).toEqual(first);
});

test("who has lost the lease neither queues nor keeps anything", async () => {
  const state = { ...emptySchedule, day: 5 };
  const entry = { shard: "0", key: "k", body: { k: "session", session: "day", start: 0 } } as const;
  await expect(keepPlan(db, epoch - 1, { state, entries: [entry] }, 1)).rejects.toThrow("is over");
  expect(await queued("0")).toEqual([]);
  expect((await loadSchedule(db)).day).toBe(0);
});

test("EXP-01: a dated instrument expires at the mean of its index over the last half hour, weighted by time", () => {
  const expiry = midnight + 9 * hour;
  let state = observe(emptySchedule, expiry - 2 * hour, frame("40000", "1"), rules);
  state = observe(state, expiry - hour / 4, frame("50000", "1"), rules);
  expect(planDue(state, expiry - 1, rules, ["0"]).entries.filter(({ body }) => body.k === "expire")).toEqual([]);
  const due = planDue(state, expiry + hour, rules, ["0"]);
  const body = { k: "expire", instrument: "BTC-1010", price: "45000" };
  expect(due.entries).toContainEqual({ shard: "0", key: `expire-BTC-1010-${expiry}`, body });
  expect(planDue(due.state, expiry + hour, rules, ["0"]).entries).toEqual([]);
  expect(unsettled(emptySchedule, expiry, rules)).toEqual(["BTC-1010"]);
});

test("FUND-05 FUND-06: interval, interest and clamp are the rules', of the instrument before the exchange's", () => {
  const hourly = compileRules(
    {
      ...document,
      instruments: [
        ...document.instruments,
        { id: "OWN", kind: "linear", base: "BTC", quote: "USDT", settle: "USDT", funding: { interest: "0.5" } },
      ],
      funding: { intervalMs: hour, interest: "0.0002", rateMax: "0.0005" },
    },
    1,
  ).rules;
  const rates = (state: ScheduleState, t: number) =>
    planDue(state, t, hourly, ["0"]).entries.flatMap(({ key, body }) =>
      body.k === "funding" ? [`${key} ${body.rate}`] : [],
    );
  let { state } = planDue(emptySchedule, midnight, hourly, ["0"]);
  expect(rates(state, midnight + hour - 1)).toEqual([]);
  expect(rates(state, midnight + hour)).toEqual([
    `funding-BTC-PERP-${midnight + hour} 0.0002`,
    `funding-OWN-${midnight + hour} 0.0005`,
  ]);
  state = observe(state, midnight + 1, frame("50000", "50005"), hourly);
  expect(rates(state, midnight + hour)[0]).toBe(`funding-BTC-PERP-${midnight + hour} 0.0003`);
});

test("FUND-06: a shorter interval holds from the next of its times, a longer one after the payment that is due", () => {
  const due = (plan: { readonly state: ScheduleState }): number | undefined => plan.state.funding["BTC-PERP"];
  const eight = planDue(emptySchedule, midnight, rules, ["0"]);
  expect(due(eight)).toBe(midnight + 8 * hour);
  const one = planDue(eight.state, midnight + 1, withFunding({ intervalMs: hour }), ["0"]);
  expect(due(one)).toBe(midnight + hour);
  const again = planDue(one.state, midnight + 2, rules, ["0"]);
  expect(due(again)).toBe(midnight + hour);
  expect(due(planDue(again.state, midnight + hour, rules, ["0"]))).toBe(midnight + 8 * hour);
});

test("EXP-01: the settlement index is averaged over the rules' minutes", () => {
  const expiry = midnight + 9 * hour;
  const hourLong = compileRules({ ...document, settlementMinutes: 60 }, 1).rules;
  const priceUnder = (over: RuleSet): string | undefined => {
    let state = observe(emptySchedule, expiry - 2 * hour, frame("40000", "1"), over);
    state = observe(state, expiry - hour / 4, frame("50000", "1"), over);
    const bodies = planDue(state, expiry, over, ["0"]).entries.map(({ body }) => body);
    return bodies.flatMap((body) => (body.k === "expire" ? [body.price] : []))[0];
  };
  expect([priceUnder(rules), priceUnder(hourLong)]).toEqual(["45000", "42500"]);
});

test("a week begins on Monday, once, whatever was missed; chunks of the week before end with it", () => {
  const friday = midnight;
  const week = (plan: Plan): unknown[] =>
    plan.entries.flatMap(({ key, body }) => (body.k === "session" && body.session === "week" ? [key, body.start] : []));
  const monday = Date.UTC(2025, 9, 6);
  const first = planDue(emptySchedule, friday, rules, ["0"]);
  expect(week(first)).toEqual([`session-week-${monday}-1`, monday]);
  expect(week(planDue(first.state, Date.UTC(2025, 9, 12, 23, 59, 59, 999), rules, ["0"]))).toEqual([]);
  const next = Date.UTC(2025, 9, 13);
  expect(week(planDue(first.state, next, rules, ["0"]))).toEqual([`session-week-${next}-1`, next]);
  // Three weeks away: only the one that runs is opened, and the first one's chunks are not asked for any more.
  const late = planDue(first.state, Date.UTC(2025, 10, 5), rules, ["0"]);
  expect(week(late)).toEqual([`session-week-${Date.UTC(2025, 10, 3)}-1`, Date.UTC(2025, 10, 3)]);
  const fact = { seq: 9, t: friday, fact: "session.opened", session: "week", start: monday, remaining: 5 };
  expect(answered(late.state, "0", fact, rules).entries).toEqual([]);
});

test("what is planned is searched for from the newest fact on, not through the history", async () => {
  await acquireShard(db, "0", "test", 60_000);
  await db.query({ text: "UPDATE shard SET fact_seq = 5000000 WHERE id = '0'" });
  const scheduler = await opened(() => midnight);
  await scheduler.look();
  expect((await loadSchedule(db)).facts).toMatchObject({ "0": 5_000_000 });
});

test("a session opens in chunks until none remain; a fact told again changes nothing", () => {
  const due = planDue(emptySchedule, midnight + hour, rules, ["0"]);
  const day = { k: "session", session: "day", start: midnight };
  const monday = { k: "session", session: "week", start: Date.UTC(2025, 9, 6) };
  expect(due.entries.map(({ body }) => body)).toEqual([day, monday]);
  const fact = { seq: 4, t: midnight + hour, fact: "session.opened", session: "day", start: midnight, remaining: 7 };
  const more = answered(due.state, "0", fact, rules);
  expect(more.entries).toEqual([{ shard: "0", key: `session-day-${midnight}-2`, body: day }]);
  expect(answered(more.state, "0", fact, rules).entries).toEqual([]);
  const last = answered(more.state, "0", { ...fact, seq: 5, remaining: 0 }, rules);
  expect(last.entries).toEqual([]);
  expect(last.state.runs.map(({ body }) => body)).toEqual([monday]);
});

test("FUND-04: settling goes on while chunks are full, and no new funding begins before it has ended", () => {
  const { state: begun } = planDue(emptySchedule, midnight, rules, ["0"]);
  const due = planDue(begun, midnight + 8 * hour, rules, ["0"]);
  const settled = { t: midnight + 8 * hour, fact: "settled", instrument: "BTC-PERP" };
  // Somebody's settling from before the funding says nothing about what is left of it.
  const earlier = answered(due.state, "0", { ...settled, seq: 1, t: midnight, accounts: 0 }, rules);
  const more = answered(earlier.state, "0", { ...settled, seq: 2, accounts: 2 }, rules);
  expect(more.entries.map(({ key }) => key)).toEqual([`settle-BTC-PERP-${midnight + 8 * hour}-2`]);
  const late = planDue(more.state, midnight + 16 * hour, rules, ["0"]);
  expect(late.entries.filter(({ body }) => body.k === "funding")).toEqual([]);
  const done = answered(late.state, "0", { ...settled, seq: 3, accounts: 1 }, rules);
  const next = planDue(done.state, midnight + 16 * hour, rules, ["0"]);
  expect(next.entries.filter(({ body }) => body.k === "funding")).toHaveLength(1);
});
