import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, JSONCodec, type NatsConnection } from "nats";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readLiveEntry } from "#libs/contracts/live/door.ts";
import { venueKinds } from "#libs/contracts/live/entries.ts";
import type { ShardStatus } from "#libs/contracts/live/margin.ts";
import { venueVerbs } from "#libs/contracts/live/subjects.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import { Engine } from "../../docs/examples/integration/engine.ts";
import { Gateway } from "../../docs/examples/integration/gateway.ts";
import { type Documented, documentedMessages, unlike } from "../support/documented.ts";
import { ExchangeApi } from "../support/exchange-api.ts";
import { LivePair } from "../support/live-pair.ts";
import { eventually, shardRules } from "../support/live-shard.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const server = useNats();
const codec = JSONCodec();
const hookWithinMs = 60_000;
const page = documentedMessages("docs/integration.md");
/** What came of commands: told by the engine when it has carried them out. */
const outcomes: ReadonlySet<string> = new Set(
  ["blocked", "closed", "withdrawn", "cancelled"].map((kind) => `risk.log.0.${kind}`),
);
let nats: NatsConnection;
let folder: string;
let pair: LivePair;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-example-"));
  nats = await connect({ servers: server().url });
  const { url } = await migratedPostgres();
  // The examples speak on the subjects of production.
  pair = await LivePair.open(server().url, url, "", shardRules);
}, hookWithinMs);
afterEach(async () => {
  await pair.stop();
  await nats.close();
  rmSync(folder, { recursive: true, force: true });
}, hookWithinMs);

const journal = (): string => join(folder, "journal.ndjson");

async function market(): Promise<void> {
  await pair.quote({ index: { USDT: "1", BTC: "50000" }, mark: { "BTC-PERP": "50000" } });
  for (const account of ["alice", "bob"])
    await pair.put("operator", { k: "cash", account, asset: "USDT", amount: "100000" });
}

/** A leader whose lease was late answers nobody until it is renewed. */
const status = () => eventually("the status", async () => pair.ask<ShardStatus>("status", {}));
/** Margin has everything that the engine has numbered, and holds nothing back for approvals. */
const settled = (sourceSeq: number) =>
  eventually("the entries", async () => {
    const { sources, reservations, state } = await status();
    return state === "ready" && sources["venue"] === sourceSeq && reservations === 0;
  });
const held = async (account: string): Promise<string[]> => {
  const ask = async () => pair.ask<{ account: { positions: { qty: string }[] } }>("account", { account });
  const answer = await eventually("the account", ask);
  return answer.account.positions.map(({ qty }) => qty);
};

const lagging = ({ codes = [] }: { readonly codes?: readonly string[] }): boolean =>
  codes.includes("reduce_only_mode") || codes.includes("recovering");
/** On a machine that others use, marks may grow old on the way: then the gate lets nothing in, and one asks again. */
const patient = <T extends object>(ask: () => Promise<T>): Promise<T> =>
  eventually("an open gate", async () => {
    const reply = await ask();
    return lagging(reply) ? null : reply;
  });

const order = (id: string, side: "buy" | "sell", qty: string, price: string) => ({
  id,
  instrument: "BTC-PERP",
  side,
  qty,
  price,
});

test("the example of an engine trades on the margin process's word, and a new leader finds the same orders", async () => {
  await market();
  const engine = new Engine(nats, "0", journal());
  expect(await engine.place("bob", order("o-0", "sell", "0.02", "50000"))).toEqual({
    state: "refused",
    codes: ["risk_unavailable"],
  });
  const margin = await pair.start("margin");
  await margin.whenMessage("ready");
  await engine.followFacts();
  expect(await patient(() => engine.place("bob", order("o-1", "sell", "0.02", "50000")))).toEqual({ state: "resting" });
  expect(await patient(() => engine.place("alice", order("o-2", "buy", "0.01", "50000")))).toEqual({ state: "filled" });
  expect(await patient(() => engine.place("alice", order("o-3", "buy", "1000", "50000")))).toMatchObject({
    state: "refused",
    codes: ["initial_margin"],
  });
  expect(await patient(() => engine.amend("bob", "o-1", { qty: "0.03", price: "50100" }))).toEqual({
    state: "resting",
  });
  expect(await patient(() => engine.place("alice", order("o-4", "buy", "0.01", "49000")))).toEqual({
    state: "resting",
  });
  // An amendment that crosses trades what it meets; its own order is used up.
  expect(await patient(() => engine.amend("alice", "o-4", { price: "50100" }))).toEqual({ state: "filled" });
  expect(engine.cancel("alice", "o-4")).toMatchObject({ state: "refused" });
  engine.attest();
  await settled(9);
  expect([await held("alice"), await held("bob")]).toEqual([["0.02"], ["-0.02"]]);
  await eventually("the attestation", async () => pair.facts.some((one) => one.fact === "positions.attested"));

  await margin.kill();
  // It goes on under the number it had, and answers the next leader.
  engine.stop();
  const again = new Engine(nats, "0", journal());
  const next = await pair.start("margin");
  await next.whenMessage("ready");
  expect((await status()).openOrders).toMatchObject({ lastSeq: 9, compared: 1, count: 0 });
  await eventually(
    "a fresh mark",
    async () => (await again.place("bob", order(`o-${Date.now()}`, "sell", "0.01", "51000"))).state === "resting",
  );
  again.stop();
});

test("the example of a gateway forwards what is approved, and what the exchange says comes back as entries once", async () => {
  await market();
  const exchange = new ExchangeApi();
  const options = { nats, shard: "0", exchangeUrl: await exchange.open(), journal: journal() };
  let gateway = new Gateway(options);
  expect(await gateway.place("bob", order("o-0", "sell", "0.02", "50000"))).toEqual({
    state: "refused",
    codes: ["risk_unavailable"],
  });
  expect(exchange.taken).toEqual([]);
  const margin = await pair.start("margin");
  await margin.whenMessage("ready");
  const forwarded = { state: "forwarded", codes: [] };
  expect(await patient(() => gateway.place("bob", order("o-1", "sell", "0.02", "50000")))).toEqual(forwarded);
  expect(await patient(() => gateway.place("alice", order("o-2", "buy", "1000", "50000")))).toMatchObject({
    state: "refused",
    codes: ["initial_margin"],
  });
  expect(exchange.taken).toEqual([{ account: "bob", ...order("o-1", "sell", "0.02", "50000") }]);
  await settled(1);
  await gateway.stop();
  // What the exchange does meanwhile it tells when it is asked.
  gateway = new Gateway(options);
  expect(await patient(() => gateway.place("alice", order("o-3", "buy", "0.01", "50000")))).toEqual(forwarded);
  await settled(3);
  expect([await held("alice"), await held("bob")]).toEqual([["0.01"], ["-0.01"]]);
  // What neither trades nor rests gives its approval back, and so does what the exchange refuses.
  expect(await patient(() => gateway.place("alice", { ...order("o-4", "buy", "0.03", "50000"), ioc: true }))).toEqual(
    forwarded,
  );
  await settled(6);
  exchange.refusing = 400;
  expect(await patient(() => gateway.place("alice", order("o-5", "buy", "0.01", "49000")))).toEqual({
    state: "refused",
    codes: ["exchange_400"],
  });
  exchange.refusing = null;
  await settled(7);
  expect(await held("alice")).toEqual(["0.02"]);
  await gateway.stop();
  await exchange.close();
});

test("commands of the risk backend go through the gateway to the exchange, once however often they are told", async () => {
  const exchange = new ExchangeApi();
  let gateway = new Gateway({ nats, shard: "0", exchangeUrl: await exchange.open(), journal: journal() });
  const approving = approveAll();
  for (const [account, id, side, qty, price] of sides)
    expect(await gateway.place(account, order(id, side, qty, price))).toMatchObject({ state: "forwarded" });
  const command = async (effect: object) =>
    eventually("the outcome", async () => {
      const reply = await pair.venue<{ state: string; seq: number | null }>("command", {
        shard: "0",
        epoch: 3,
        attempt: 1,
        effect,
      });
      return reply.state === "done" ? reply : null;
    });
  const effects = page.flatMap(({ subject, body }) =>
    subject === "venue.risk.command" && body["epoch"] === 3 ? [body["effect"] as { id: string }] : [],
  );
  const seqs: (number | null)[] = [];
  for (const effect of effects) seqs.push((await command(effect)).seq);
  const blocked = await gateway.place("alice", order("o-6", "buy", "0.01", "48000"));
  expect(blocked).toEqual({ state: "refused", codes: ["pool_liquidating"] });
  await gateway.stop();
  gateway = new Gateway({ nats, shard: "0", exchangeUrl: exchange.url, journal: journal() });
  for (const [at, effect] of effects.entries()) expect((await command(effect)).seq).toBe(seqs[at]);
  const { entries } = await pair.venue<{ entries: { k: string; account?: string; fills?: unknown }[] }>("resend", {
    shard: "0",
    from: 7,
    to: 100,
  });
  const kinds = ["cancel", "blocked", "fill", "closed", "cancel", "withdrawn", "cancel", "cancelled", "cancel"];
  expect(entries.map(({ k }) => k)).toEqual(kinds);
  expect(entries[3]?.fills).toMatchObject([{ qty: "0.02", price: "49990" }]);
  expect(gateway.openOrders).toBe(0);
  await gateway.stop();
  approving.unsubscribe();
  await exchange.close();
});

/** What stands when the commands of the page come. */
const sides = [
  ["bob", "o-1", "sell", "0.02", "50000"],
  ["alice", "o-2", "buy", "0.02", "50000"],
  ["carol", "o-3", "buy", "0.05", "49990"],
  ["alice", "o-4", "buy", "0.01", "48000"],
  ["bob", "o-5", "sell", "0.01", "51000"],
] as const;

/** Risk that says yes. */
function approveAll() {
  return nats.subscribe("risk.rpc.0.check", {
    callback: (_, message) => {
      const { request } = codec.decode(message.data) as { request: string };
      const basis = { epoch: 3, appliedSeq: 1, frame: 1, ruleVersion: 1, numbers: {} };
      const until = { expiresAt: Date.now() + 500, ttlMs: 500 };
      message.respond(codec.encode({ request, decision: "accept", codes: [], ...basis, ...until }));
    },
  });
}

/** A question that came when the gate lagged is asked under another name, which all that follows then carries. */
function renamed(documented: Documented, names: ReadonlyMap<string, string>): Documented {
  let text = JSON.stringify(documented);
  for (const [name, now] of names) text = text.replaceAll(`"${name}"`, `"${now}"`);
  return JSON.parse(text) as Documented;
}

async function compareAnswer(documented: Documented, names: Map<string, string>): Promise<void> {
  const name = String(documented.body["request"]);
  let tries = 0;
  await patient(async () => {
    if (tries > 0) names.set(name, `${name}-${tries}`);
    tries += 1;
    const { subject, body, answer } = renamed(documented, names);
    const said = codec.decode((await nats.request(subject, codec.encode(body), { timeout: 5_000 })).data) as object;
    const results = (said as { results?: { codes: string[] }[] }).results ?? [];
    if (!lagging(said) && !results.some(lagging)) expect([subject, unlike(said, answer)]).toEqual([subject, []]);
    return { ...said, ...results.find(lagging) };
  });
}

test("what the page says the engine asks and tells is what the margin process answers and makes of it", async () => {
  await market();
  const engine = new Engine(nats, "0", journal());
  const margin = await pair.start("margin");
  await margin.whenMessage("ready");
  let entries = 0;
  const names = new Map<string, string>();
  for (const documented of page.filter(({ subject }) => subject.startsWith("risk.") && !outcomes.has(subject))) {
    const { subject, body } = renamed(documented, names);
    if (subject.startsWith("risk.log.")) {
      const msgID = `venue:${String(body["sourceSeq"])}`;
      await nats.jetstream().publish(subject, codec.encode(body), { msgID });
      entries += 1;
      await eventually(`${subject} ${msgID}`, async () => (await status()).sources["venue"] === entries);
    } else if (subject.startsWith("risk.rpc.")) await compareAnswer(documented, names);
    else await eventually("the fact", async () => pair.facts.some((one) => unlike(one, body).length === 0));
  }
  await settled(6);
  expect([await held("alice"), await held("bob")]).toEqual([["0.01"], ["-0.01"]]);
  engine.stop();
});

test("the page shows every message", () => {
  const shown = new Set(page.map(({ subject }) => subject));
  const preTrade = ["check", "amend", "cancel", "batch", "what-if"].map((verb) => `risk.rpc.0.${verb}`);
  const entries = [...venueKinds].map((kind) => `risk.log.0.${kind}`);
  const risk = venueVerbs.map((verb) => `venue.risk.${verb}`);
  for (const subject of [...preTrade, ...entries, ...risk, "risk.facts.0"]) expect(shown).toContain(subject);
  const effects = asked.map(({ body }) => (body["effect"] as { effect?: string } | undefined)?.effect);
  for (const effect of ["block", "close", "withdraw", "cancel", "cancel_all"]) expect(effects).toContain(effect);
  for (const { subject, body } of page.filter((one) => one.subject.startsWith("risk.log.")))
    expect(readLiveEntry(JSON.stringify(body).replaceAll(/<(\w+)>/g, "$1"), subject)).toMatchObject({ ok: true });
});

const asked = page.filter((one) => one.subject.startsWith("venue."));

async function tell(): Promise<void> {
  for (const { subject, body, answer } of asked) {
    const reply = await nats.request(subject, codec.encode(body), { timeout: 5_000 });
    expect([subject, unlike(codec.decode(reply.data), answer)]).toEqual([subject, []]);
  }
  const { entries } = await pair.venue<{ entries: unknown[] }>("resend", { shard: "0", from: 1, to: 100 });
  for (const { subject, body } of page.filter((one) => outcomes.has(one.subject)))
    expect([subject, entries.some((entry) => unlike(entry, body).length === 0)]).toEqual([subject, true]);
}

test("what the page says risk asks and commands is what the venue and the example of an engine answer", async () => {
  expect(asked.length).toBeGreaterThan(8);
  const approving = approveAll();
  const engine = new Engine(nats, "0", journal());
  for (const [account, id, side, qty, price] of sides)
    expect(await engine.place(account, order(id, side, qty, price))).not.toMatchObject({ state: "refused" });
  await tell();
  expect(await engine.place("alice", order("o-6", "buy", "0.01", "48000"))).toMatchObject({
    codes: ["pool_liquidating"],
  });
  // The saga is over: its block ends with the fact.
  const following = await engine.followFacts();
  const ended = { seq: 1, t: 1, fact: "liquidation.ended", saga: "s-1" };
  const batch = { shard: "0", epoch: 3, appliedSeq: 1, from: 1, to: 1, facts: [ended] };
  await nats.jetstream().publish("risk.facts.0", codec.encode(batch));
  await eventually("the end of the block", async () => {
    const reply = await engine.place(
      "alice",
      order(`o-${performance.now()}`.replace(".", "-"), "buy", "0.01", "48000"),
    );
    return reply.state === "resting";
  });
  following.stop();
  engine.stop();
  await engine.published();

  writeFileSync(join(folder, "rules.json"), JSON.stringify(shardRules));
  const place = { NATS_URL: server().url, PLIMSOLL_DATA: folder, PLIMSOLL_RULES: join(folder, "rules.json") };
  const venue = await spawnApp("venue", place);
  await venue.whenMessage("ready");
  for (const [account, id, side, qty, price] of sides)
    expect(await pair.trade("place", { account, ...order(id, side, qty, price) })).not.toMatchObject({
      state: "rejected",
    });
  await tell();
  await venue.stop();
  approving.unsubscribe();
});
