import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Bus, connectBus } from "#libs/adapters/nats/index.ts";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import type { HandshakeReply, ResendReply, TradingReply, VenueReply, VenueStatus } from "#libs/contracts/live/venue.ts";
import { type PrivateServer, startNats } from "#libs/process/servers/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { venueDocument } from "../support/venue.ts";
import { loggedEntries } from "../support/venue-log.ts";

let nats: PrivateServer;
let bus: Bus;
let venue: RunningApp;
let folder: string;
let run = 0;
const startWithinMs = 60_000;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats.stop());

beforeEach(async () => {
  run += 1;
  folder = mkdtempSync(`${tmpdir()}/plimsoll-venue-`);
  writeFileSync(`${folder}/rules.json`, JSON.stringify(venueDocument));
  bus = await connectBus({ url: nats.url, name: "test", namespace: `venue${run}` });
  venue = await start();
}, startWithinMs);
afterEach(async () => {
  await venue.stop();
  await bus.close();
  rmSync(folder, { recursive: true, force: true });
}, startWithinMs);

async function start(): Promise<RunningApp> {
  const app = await spawnApp("venue", {
    NATS_URL: nats.url,
    PLIMSOLL_NAMESPACE: `venue${run}`,
    PLIMSOLL_DATA: folder,
    PLIMSOLL_RULES: `${folder}/rules.json`,
  });
  await app.whenMessage("ready");
  return app;
}

const ask = <T>(subject: string, body: unknown): Promise<T> => bus.request<T>(subject, body, { timeoutMs: 5_000 });

type Gate = (request: string) => Partial<Decision> | Promise<Partial<Decision>>;

/** Risk as a venue meets it: approves unless told otherwise. */
function approve(gate: Gate = () => ({}), verb: "check" | "amend" = "check"): { stop(): void } {
  return bus.respond(bus.names.subjects.rpc("0", verb), async (data) => {
    const { request } = JSON.parse(new TextDecoder().decode(data)) as { request: string };
    const decision: Decision = {
      request,
      decision: "accept",
      codes: [],
      numbers: {},
      epoch: 1,
      appliedSeq: 1,
      frame: 1,
      ruleVersion: 1,
      expiresAt: Date.now() + 500,
      ttlMs: 500,
    };
    return { ...decision, ...(await gate(request)) };
  });
}

const place = (account: string, side: "buy" | "sell", qty: string, price: string, id: string): Promise<TradingReply> =>
  ask<TradingReply>(bus.names.subjects.trading("place"), {
    account,
    id,
    instrument: "BTC-PERP",
    side,
    qty,
    price,
  });

const status = (): Promise<VenueStatus> => ask<VenueStatus>(bus.names.subjects.venue("status"), {});

const logged = (to: number) => loggedEntries(bus, to);

test("without risk, late, unreadable or of a deposed leader: no order; cancels always", async () => {
  expect(await place("a1", "buy", "0.1", "50", "o1")).toMatchObject({ state: "rejected", codes: ["risk_unreachable"] });
  const never = approve(() => new Promise(() => {}));
  expect(await place("a1", "buy", "0.1", "50", "o2")).toMatchObject({ state: "rejected", codes: ["risk_timeout"] });
  never.stop();
  for (const [gate, code] of [
    [() => ({ request: "another" }), "risk_unreadable"],
    [() => ({ ttlMs: "long" as never }), "risk_unreadable"],
    [() => ({ decision: "reject" as const, codes: ["initial_margin"] }), "initial_margin"],
    [() => ({ ttlMs: 0 }), "approval_expired"],
  ] as const) {
    const risk = approve(gate);
    expect(await place("a1", "buy", "0.1", "50", `o-${code}`)).toMatchObject({ state: "rejected", codes: [code] });
    risk.stop();
  }
  const risk = approve();
  expect(await place("a1", "buy", "0.1", "50", "stands")).toMatchObject({ state: "resting" });
  await ask(bus.names.subjects.venue("handshake"), { shard: "0", epoch: 5 });
  expect(await place("a1", "buy", "0.1", "50", "late")).toMatchObject({ state: "rejected", codes: ["stale_epoch"] });
  risk.stop();
  const cancelled = await ask(bus.names.subjects.trading("cancel"), { account: "a1", id: "stands" });
  expect(cancelled).toMatchObject({ state: "cancelled" });
});

test("an amendment that risk does not approve in time leaves the order as it was; less needs nobody", async () => {
  const check = approve();
  const amend = (asked: object) =>
    ask<TradingReply>(bus.names.subjects.trading("amend"), { account: "a1", id: "o1", ...asked });
  expect(await amend({ qty: "1" })).toMatchObject({ state: "rejected", codes: ["order_unknown"] });
  await place("a1", "buy", "0.1", "50", "o1");
  await place("a3", "sell", "0.02", "50", "o2");
  expect(await amend({ qty: "0.2" })).toMatchObject({ state: "rejected", filled: "0.02", codes: ["risk_unreachable"] });
  expect(await amend({})).toMatchObject({ codes: ["unreadable"] });
  for (const [asked, code] of [
    [{ qty: "0.105" }, "lot_size"],
    [{ price: "50.3" }, "tick_size"],
  ] as const)
    expect(await amend(asked)).toMatchObject({ state: "rejected", filled: "0.02", codes: [code] });
  for (const [gate, code] of [
    [() => ({ request: "another" }), "risk_unreadable"],
    [() => ({ decision: "reject" as const, codes: ["initial_margin"] }), "initial_margin"],
    [() => ({ epoch: 0 }), "stale_epoch"],
    [() => ({ ttlMs: 0 }), "approval_expired"],
  ] as const) {
    const risk = approve(gate, "amend");
    expect(await amend({ price: "49.5" })).toMatchObject({ state: "rejected", filled: "0.02", codes: [code] });
    risk.stop();
  }
  // Asked once about an order, it is not asked a second time.
  const slow = approve(() => new Promise(() => {}), "amend");
  const first = amend({ price: "49" });
  expect(await amend({ qty: "0.05" })).toMatchObject({ codes: ["amend_pending"] });
  expect(await first).toMatchObject({ codes: ["risk_timeout"] });
  slow.stop();
  expect(await amend({ qty: "0.05" })).toMatchObject({ state: "resting", filled: "0.02", codes: [] });
  const questions: unknown[] = [];
  const risk = bus.subscribe(bus.names.subjects.rpc("0", "amend"), ({ data }) => {
    questions.push(JSON.parse(new TextDecoder().decode(data)));
  });
  const yes = approve(() => ({}), "amend");
  expect(await amend({ qty: "0.08", price: "49.5" })).toMatchObject({ state: "resting", filled: "0.02" });
  // Risk is asked about what is still open.
  expect(questions).toMatchObject([{ account: "a1", order: "o1", qty: "0.06", price: "49.5" }]);
  expect((await logged(6)).slice(3)).toMatchObject([
    // The approval that came too late: the order, told again as it stood.
    { k: "order", id: "o1", qty: "0.08", price: "50" },
    { k: "order", id: "o1", qty: "0.03", price: "50" },
    { k: "order", id: "o1", qty: "0.06", price: "49.5", approval: { epoch: 1 } },
  ]);
  for (const one of [check, risk, yes]) one.stop();
});

test("killed at any moment, nothing is lost, doubled or out of order", async () => {
  const risk = approve();
  const replies: TradingReply[] = [];
  for (let round = 0; round < 3; round += 1) {
    const orders = Array.from({ length: 40 }, (_, at) =>
      place(at % 2 === 0 ? "a1" : "a3", at % 2 === 0 ? "buy" : "sell", "0.02", "50", `r${round}-${at}`).then(
        (reply) => replies.push(reply),
        () => 0,
      ),
    );
    await Promise.race(orders);
    await venue.kill();
    await Promise.all(orders);
    venue = await start();
  }
  const { lastSeq } = await ask<HandshakeReply>(bus.names.subjects.venue("handshake"), { shard: "0", epoch: 2 });
  const entries = await logged(lastSeq);
  expect(entries.map(({ sourceSeq }) => sourceSeq)).toEqual(Array.from({ length: lastSeq }, (_, at) => at + 1));
  const journaled = await ask<ResendReply>(bus.names.subjects.venue("resend"), { shard: "0", from: 1, to: 500 });
  expect(journaled.entries).toEqual(entries);
  // What a trader was told has happened is in the log.
  const told = replies.filter((reply) => reply.state === "resting" || reply.state === "filled").map(({ id }) => id);
  const known = new Set(
    journaled.entries.flatMap((one) => (one.k === "order" ? [one.id] : one.k === "fill" ? [one.order] : [])),
  );
  expect(told.filter((id) => !known.has(id))).toEqual([]);
  expect(told.length).toBeGreaterThan(0);
  risk.stop();
});

test("a command told again answers alike over a restart; its outcome stands in the log once", async () => {
  const risk = approve();
  await place("a1", "buy", "0.1", "50", "mine");
  const effect = { id: "e1", effect: "block", saga: "s1", account: "a1", instrument: null };
  const command = { shard: "0", epoch: 3, attempt: 1, effect };
  const first = await ask<VenueReply>(bus.names.subjects.venue("command"), command);
  expect(first).toMatchObject({ state: "done", seq: 3 });
  await venue.kill();
  venue = await start();
  expect(await ask(bus.names.subjects.venue("command"), { ...command, attempt: 2 })).toEqual(first);
  expect(await ask(bus.names.subjects.venue("command"), { ...command, epoch: 2 })).toMatchObject({
    state: "stale_epoch",
  });
  expect((await logged(3)).map(({ k }) => k)).toEqual(["order", "cancel", "blocked"]);
  // Its saga ends in the stream of facts: the account may trade again.
  expect(await place("a1", "buy", "0.1", "50", "too-soon")).toMatchObject({ codes: ["pool_liquidating"] });
  const facts = [{ seq: 1, t: 1, fact: "liquidation.ended", saga: "s1" }];
  bus.publish(bus.names.subjects.facts("0"), { shard: "0", epoch: 3, appliedSeq: 3, from: 1, to: 1, facts });
  const open = approve(() => ({ epoch: 3 }));
  risk.stop();
  await expect
    .poll(async () => (await place("a1", "buy", "0.1", "50", `try-${Math.random()}`.replace(".", ""))).state)
    .toBe("resting");
  open.stop();
});

test("a handshake says the last number and the open orders of that number", async () => {
  const risk = approve();
  await place("a1", "buy", "0.1", "50", "one");
  await place("a3", "sell", "0.04", "50", "two");
  const reply = await ask<HandshakeReply>(bus.names.subjects.venue("handshake"), { shard: "0", epoch: 4 });
  expect(reply).toEqual({
    shard: "0",
    epoch: 4,
    lastSeq: 3,
    openOrders: [
      { account: "a1", id: "one", instrument: "BTC-PERP", side: "buy", qty: "0.06", price: "50", reduceOnly: false },
    ],
    next: null,
  });
  expect(await ask(bus.names.subjects.venue("handshake"), { shard: "0", epoch: 3 })).toMatchObject({ epoch: 4 });
  expect((await status()).trades).toBe(1);
  risk.stop();
});
