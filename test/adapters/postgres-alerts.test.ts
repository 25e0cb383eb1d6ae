import { afterAll, beforeAll, expect, test } from "vitest";
import {
  acknowledgeAlert,
  type Database,
  deliveriesMax,
  deliveriesWaiting,
  keepAlerts,
  type KeptAlert,
  markAlertPublished,
  markDeliveries,
  openDatabase,
  openDeliveries,
  pruneAlerts,
  raiseAlarm,
  readAlerts,
  recentAlarms,
  recordDeliveries,
  unpublishedAlerts,
} from "#libs/adapters/postgres/index.ts";
import type { Alert } from "#libs/contracts/stream/alerts.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { migratedPostgres } from "#test/support/servers.ts";

let owner: Database;
let scheduler: Database;
let api: Database;

beforeAll(async () => {
  const { url } = await migratedPostgres();
  owner = openDatabase({ url, name: "owner" });
  scheduler = openDatabase({ url: await urlAs("scheduler", url), name: "scheduler" });
  api = openDatabase({ url: await urlAs("api", url), name: "api" });
}, 60_000);
afterAll(() => Promise.all([owner, scheduler, api].map((db) => db.close())));

const minute = 60_000;
const since = Date.UTC(2026, 0, 1);
const bare = (id: string, changes: Partial<KeptAlert> = {}): KeptAlert => ({
  id,
  level: "yellow",
  code: "limit_used",
  title: "alice uses 0.6 of maxPosition",
  group: "account alice",
  since,
  until: null,
  count: 1,
  ack: null,
  detail: { share: "0.6" },
  told: null,
  ...changes,
});
const alertOf = (id: string, changes: Partial<KeptAlert> = {}): KeptAlert & { readonly forget: boolean } => ({
  ...bare(id, changes),
  forget: false,
});

test("alerts are kept as they stand, seen by whoever is first, and told of until their newest state is published", async () => {
  await keepAlerts(scheduler, [alertOf("a"), alertOf("b", { since: since + 1 })]);
  expect(await readAlerts(scheduler)).toEqual([bare("b", { since: since + 1 }), bare("a")]);
  const [first] = await unpublishedAlerts(scheduler, 10);
  expect(first).toMatchObject({ alert: { id: "a", level: "yellow" }, revision: 1 });
  for (const { alert, revision } of await unpublishedAlerts(scheduler, 10))
    await markAlertPublished(scheduler, alert.id, revision);
  expect(await unpublishedAlerts(scheduler, 10)).toEqual([]);
  expect(await acknowledgeAlert(api, "a", "eve")).toMatchObject({ id: "a", ack: { by: "eve" } });
  expect(await acknowledgeAlert(api, "a", "mallory")).toMatchObject({ ack: { by: "eve" } });
  expect(await acknowledgeAlert(api, "nobody", "eve")).toBeNull();
  expect((await unpublishedAlerts(scheduler, 10)).map(({ alert }) => [alert.id, alert.ack?.by])).toEqual([
    ["a", "eve"],
  ]);
  // A change leaves who has seen it, unless it is to be seen anew.
  const told = { level: "orange", at: since + 5 } as const;
  await keepAlerts(scheduler, [alertOf("a", { level: "orange", count: 2, told })]);
  const now = async (): Promise<KeptAlert | undefined> => (await readAlerts(scheduler)).find(({ id }) => id === "a");
  expect(await now()).toMatchObject({ level: "orange", count: 2, told, ack: { by: "eve" } });
  await keepAlerts(scheduler, [{ ...alertOf("a", { level: "red" }), forget: true }]);
  expect(await now()).toMatchObject({ level: "red", ack: null });
});

test("what has ended goes once somebody has seen it, and some time later where nobody has", async () => {
  const long = Date.now() - 10 * minute;
  await keepAlerts(scheduler, [
    alertOf("ended-1", { since: long, until: long }),
    alertOf("ended-2", { since: long, until: long }),
    alertOf("holds", { since: long }),
  ]);
  await acknowledgeAlert(api, "ended-1", "eve");
  expect(await pruneAlerts(scheduler, minute, 60 * minute)).toBe(1);
  const left = (await readAlerts(scheduler)).map(({ id }) => id);
  expect([left.includes("ended-1"), left.includes("ended-2"), left.includes("holds")]).toEqual([false, true, true]);
  expect(await pruneAlerts(scheduler, minute, minute)).toBe(1);
});

test("deliveries wait for each channel, are given up after their attempts, and the oldest where too many wait", async () => {
  const alert: Alert = bare("d");
  expect(await recordDeliveries(scheduler, ["telegram", "webhook"], [alert])).toBe(0);
  expect(await recordDeliveries(scheduler, [], [alert])).toBe(0);
  const [one] = await openDeliveries(scheduler, "telegram", 10);
  expect(one).toMatchObject({ alert: { id: "d" }, attempts: 0 });
  const id = one?.id ?? -1;
  expect(await markDeliveries(scheduler, [id], "failed", 2)).toBe(0);
  expect((await openDeliveries(scheduler, "telegram", 10))[0]).toMatchObject({ id, attempts: 1 });
  expect(await markDeliveries(scheduler, [id], "failed", 2)).toBe(1);
  expect(await openDeliveries(scheduler, "telegram", 10)).toEqual([]);
  const [web] = await openDeliveries(scheduler, "webhook", 10);
  expect(await markDeliveries(scheduler, [web?.id ?? -1], "sent", 2)).toBe(0);
  expect((await deliveriesWaiting(scheduler)).size).toBe(0);
  const many = Array.from({ length: deliveriesMax + 3 }, (_, at) => ({ ...alert, count: at + 1 }));
  expect(await recordDeliveries(scheduler, ["webhook"], many)).toBe(3);
  expect((await openDeliveries(scheduler, "webhook", 1))[0]?.alert.count).toBe(4);
  expect((await deliveriesWaiting(scheduler)).get("webhook")?.waiting).toBe(deliveriesMax);
});

test("alarms of late are read in the order in which they were raised", async () => {
  for (const id of ["one", "two"]) await raiseAlarm(scheduler, { id, shard: null, code: "effect_stuck", text: id });
  const found = await recentAlarms(scheduler, minute, 10);
  expect(found.map(({ code, text }) => [code, text])).toEqual([
    ["effect_stuck", "one"],
    ["effect_stuck", "two"],
  ]);
  expect((await recentAlarms(scheduler, minute, 1)).map(({ text }) => text)).toEqual(["two"]);
  expect(await recentAlarms(scheduler, 0, 10)).toEqual([]);
});
