import { join } from "node:path";
import { rootFolder } from "#libs/process/root.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { AccountReply } from "#libs/contracts/live/margin.ts";
import type { Role } from "#libs/access/index.ts";
import { secretOfKey, sign, streamLogin } from "#libs/access/index.ts";
import {
  createApiKey,
  type Database,
  factsOfNames,
  openDatabase,
  revokeApiKey,
} from "#libs/adapters/postgres/index.ts";
import { closeCodes } from "#libs/contracts/stream/codes.ts";
import { exchangeRules, LiveExchange } from "#test/support/live-exchange.ts";
import { RawStream } from "#test/support/raw-stream.ts";
import { StreamProcess } from "#test/support/stream-process.ts";
import { table } from "#test/support/table.ts";

/** Beside the bitcoin a thin market, which takes little of a big position: a provider and the fund take some more of it. */
const thin = { id: "ETH-PERP", base: "ETH", index: "ETH", tick: "0.1", tiers: [{ from: "0", im: "0.02", mm: "0.01" }] };
const rules: RuleDocument = {
  ...exchangeRules,
  assets: [...exchangeRules.assets, { id: "ETH" }],
  instruments: exchangeRules.instruments.flatMap((one) => [one, { ...one, ...thin }]),
  liquidation: { ...exchangeRules.liquidation, maxSlippage: "0.005" },
  providers: [{ account: "lp", instrument: "ETH-PERP", capacity: "10", discount: "0.001" }],
};

let exchange: LiveExchange;
let streams: StreamProcess;
let db: Database;

beforeAll(async () => {
  exchange = await LiveExchange.start({ ...rules, entities: { fund: { accounts: ["alpha", "beta"] } } });
  streams = await StreamProcess.start(exchange.servers);
  db = openDatabase({ url: exchange.servers.databaseUrl, name: "test", max: 1 });
  await exchange.deposit("maker", "100000000");
  await exchange.deposit("alice", "1000");
  await exchange.deposit("bob", "100000");
  await exchange.settled();
  await exchange.place({ account: "maker", side: "sell", qty: "100", price: "50000" });
  await exchange.place({ account: "maker", side: "buy", qty: "100", price: "49990" });
  for (const account of ["alice", "bob"])
    await exchange.place({ account, side: "buy", qty: "1", price: "50000", ioc: true });
  await exchange.settled();
}, 120_000);
afterAll(async () => {
  await streams?.stop();
  await db?.close();
  await exchange?.stop();
});

async function asked(account: string): Promise<AccountReply> {
  const { bus } = exchange.watch;
  return bus.request<AccountReply>(bus.names.subjects.rpc("0", "account"), { account }, { timeoutMs: 5_000 });
}

const as = async (owner: string): Promise<RawStream> =>
  RawStream.loggedIn(streams.url, await streams.token(["trader"], owner));

test("I-23 what is published is what the engine answers at the same place of the log, to the last digit", async () => {
  const stream = await as("bob");
  expect(await stream.verdict({ op: "subscribe", channels: ["margin.bob", "positions.bob"] })).toBe("ok");
  const { account, appliedSeq } = await asked("bob");
  await stream.until((frame) => frame["ch"] === "positions.bob" && Number(frame["logSeq"]) >= appliedSeq);
  const margin = stream.state("margin.bob").data;
  const { equity, im, mm, ratio, free, initialEquity, fullEquity, orderIm } = account;
  expect(margin).toMatchObject({ equity, im, mm, ratio, free, initialEquity, fullEquity, orderIm, state: "normal" });
  const [position] = account.positions;
  const { instrument: _instrument, adl, ...row } = position as NonNullable<typeof position>;
  const { pricesAt, ...shown } = stream.state("positions.bob").data.positions["BTC-PERP"] ?? {};
  expect(shown).toEqual(row);
  expect(pricesAt).toBeGreaterThan(0);
  expect(margin.positions["BTC-PERP"]).toMatchObject({
    liqPrice: row.liqPrice,
    bankruptcyPrice: row.bankruptcyPrice,
    adl: { rank: adl?.rank, quintile: (adl?.bucket ?? 0) / 20, ahead: adl?.ahead, score: adl?.score },
  });
  await stream.close();
});

test("a liquidation is told in its order: warnings, every stage, and its end with the receipt of its beginning", async () => {
  const stream = await as("alice");
  expect(await stream.verdict({ op: "subscribe", channels: ["margin.alice", "liquidations.alice"] })).toBe("ok");
  exchange.price("49300");
  await stream.until((frame) => JSON.stringify(frame).includes('"warning"'));
  exchange.price("49200");
  for (const ch of ["margin.alice", "liquidations.alice"])
    await stream.until((frame) => frame["ch"] === ch && JSON.stringify(frame).includes('"liquidation.ended"'));
  const { events, state } = stream.state("margin.alice").data;
  expect(events.map(({ fact }) => fact)).toEqual(
    "warning warning warning liquidation.started liquidation.stage liquidation.ended".split(" "),
  );
  expect(events.map(({ seq }) => seq)).toEqual(events.map(({ seq }) => seq).sort((left, right) => left - right));
  const [started, , ended] = events.slice(3);
  expect(started?.["receipt"]).toMatchObject({ kind: "liquidation", subject: { account: "alice" } });
  expect(ended?.["receipt"]).toEqual(started?.["receipt"]);
  const told = stream.state("liquidations.alice").data;
  expect(told.events.map(({ fact }) => fact)).toContain("liquidation.step");
  expect(told.liquidations).toEqual({});
  expect(state).toBe("normal");
  await stream.close();
});

test("a whole waterfall is told as the journal has it: warnings, every stage, who was deleveraged, and the end with its receipt", async () => {
  const put = async (account: string, side: "buy" | "sell", qty: string, price: string): Promise<unknown> =>
    exchange.place({ account, instrument: "ETH-PERP", side, qty, price });
  exchange.price("1000", "ETH");
  await exchange.enter({ k: "fund", asset: "USDT", amount: "100" });
  for (const [account, amount] of Object.entries({ carol: "2500", dora: "1000000", lp: "186.2" }))
    await exchange.deposit(account, amount);
  await exchange.settled();
  await put("dora", "sell", "100", "1000");
  expect(await put("carol", "buy", "100", "1000")).toMatchObject({ state: "filled" });
  const [carol, dora] = [await as("carol"), await as("dora")];
  expect(await carol.verdict({ op: "subscribe", channels: ["margin.carol", "liquidations.carol"] })).toBe("ok");
  expect(await dora.verdict({ op: "subscribe", channels: ["adl.dora"] })).toBe("ok");
  // 97,500 / (100 - ratio): below 1.5, 1.25 and 1.1, then within the partial stage, where the book has next to nothing.
  for (const price of ["989.5", "987", "985.7"]) {
    exchange.price(price, "ETH");
    await exchange.settled();
  }
  await put("dora", "buy", "0.2", "985");
  exchange.price("985.3", "ETH");
  await carol.until((frame) => frame["ch"] === "liquidations.carol" && says(frame, "liquidation.step"));
  // Below what the partial stage may pay: twenty above the bankruptcy price, thirty that only the fund could pay for.
  await put("dora", "buy", "20", "979");
  await put("dora", "buy", "30", "970");
  exchange.price("980", "ETH");
  for (const ch of ["margin.carol", "liquidations.carol"])
    await carol.until((frame) => frame["ch"] === ch && says(frame, "liquidation.ended"));
  await dora.until((frame) => frame["ch"] === "adl.dora" && says(frame, "adl.filled"));

  const { events, state, positions } = carol.state("margin.carol").data;
  expect({ state, positions }).toEqual({ state: "normal", positions: {} });
  expect(events.map(plain)).toEqual(await recorded("carol", marginFacts));
  const [first, second, third, started, ...rest] = events;
  expect([first, second, third].map((one) => one?.["level"])).toEqual(["1.5", "1.25", "1.1"]);
  const ended = rest.pop();
  expect([started?.fact, ended?.fact, ended?.["outcome"]]).toEqual([
    "liquidation.started",
    "liquidation.ended",
    "closed",
  ]);
  expect(ended?.["receipt"]).toMatchObject({ kind: "liquidation", subject: { account: "carol" } });
  expect(ended?.["receipt"]).toEqual(started?.["receipt"]);
  // A frame in the middle of it all begins again with the book; a stage is reached after those before it all the same.
  expect([...new Set(rest.map((one) => one["stage"]))]).toEqual([2, 3, 4, 5, 6]);

  const steps = carol.state("liquidations.carol").data.events;
  const own = (await recorded("carol", stepFacts)).map(({ counterparty: _counterparty, ...one }) => one);
  expect(steps.filter(({ fact }) => stepFacts.includes(fact)).map(plain)).toEqual(own);
  const taken = (stage: number): unknown[] =>
    steps.flatMap((one) => (one["stage"] === stage && one["qty"] ? [one["qty"]] : []));
  expect([taken(2), taken(3), taken(4)]).toEqual([["0.2"], ["20"], ["10"]]);
  expect(taken(5).length).toBeGreaterThan(0);
  expect(steps.filter(({ fact }) => fact === "insurance.paid").length).toBe(taken(5).length);

  const deleveraged = dora.state("adl.dora").data.events;
  expect(deleveraged.map(plain)).toEqual(
    (await recorded("dora", ["adl.filled"])).map(({ against: _against, ...one }) => one),
  );
  expect(deleveraged[0]?.["receipt"]).toMatchObject({ kind: "adl" });
  expect(JSON.stringify(dora.frames)).not.toContain("carol");
  expect(JSON.stringify(carol.frames)).not.toMatch(/"dora"|"lp"/);
  await Promise.all([carol.close(), dora.close()]);
});

const says = (frame: object, fact: string): boolean => JSON.stringify(frame).includes(`"${fact}"`);
const marginFacts = ["warning", "liquidation.started", "liquidation.stage", "liquidation.ended"];
const stepFacts = ["liquidation.step", "insurance.paid"];
const plain = ({ receipt: _receipt, shard: _shard, ...event }: Readonly<Record<string, unknown>>): object => event;

/** Facts of an account as PostgreSQL keeps them. */
async function recorded(account: string, names: readonly string[]): Promise<Readonly<Record<string, unknown>>[]> {
  const { facts } = await factsOfNames(db, "0", 0, names, 1_000);
  return facts.flatMap(({ receipt: _receipt, trace: _trace, ...fact }) => (fact["account"] === account ? [fact] : []));
}

/*
 * Who may read what, by hand. `bob` is an account that nobody's entity has, `alpha` one of the entity `fund`, `fund` an account that bears an
 * entity's name. y: subscribed; f: forbidden.
 */
const rights = table(`
  channel            | bob | fund | viewer | operator | officer | admin
  margin.bob         | y   | f    | y      | y        | y       | f
  margin.alpha       | f   | y    | y      | y        | y       | f
  margin.beta        | f   | y    | y      | y        | y       | f
  margin.fund        | f   | f    | y      | y        | y       | f
  margin.nobody      | f   | f    | y      | y        | y       | f
  positions.bob      | y   | f    | y      | y        | y       | f
  positions.alpha    | f   | y    | y      | y        | y       | f
  orders.bob         | y   | f    | y      | y        | y       | f
  orders.alpha       | f   | y    | y      | y        | y       | f
  liquidations.bob   | y   | f    | y      | y        | y       | f
  liquidations.alpha | f   | y    | y      | y        | y       | f
  adl.bob            | y   | f    | y      | y        | y       | f
  adl.alpha          | f   | y    | y      | y        | y       | f
  margin.insurance   | f   | f    | y      | y        | y       | f
  marks              | y   | y    | y      | y        | y       | y
  funding            | y   | y    | y      | y        | y       | y
  halts              | y   | y    | y      | y        | y       | y
  fund               | y   | y    | y      | y        | y       | y
  overview           | f   | f    | y      | y        | y       | f
  sagas              | f   | f    | y      | y        | y       | f
  alerts             | f   | f    | y      | y        | y       | f
  instrument.BTC-PERP | f  | f    | y      | y        | y       | f
  facts              | f   | f    | y      | y        | y       | f
`);
const people: Readonly<
  Record<Exclude<keyof (typeof rights)[number], "channel">, readonly [role: Role, owner: string | null]>
> = {
  bob: ["trader", "bob"],
  fund: ["trader", "fund"],
  viewer: ["viewer", null],
  operator: ["operator", null],
  officer: ["officer", null],
  admin: ["admin", null],
};

test.each(Object.entries(people))(
  "E03 %s reads what is theirs, and not a byte of what is not",
  async (name, [role, owner]) => {
    const stream = await RawStream.loggedIn(streams.url, await streams.token([role], owner, name));
    const stranger = await RawStream.open(streams.url);
    for (const row of rights) {
      const expected = row[name as keyof typeof people] === "y" ? "ok" : "forbidden";
      expect(await stream.verdict({ op: "subscribe", channels: [row.channel] }), row.channel).toBe(expected);
      expect(await stranger.verdict({ op: "subscribe", channels: [row.channel] })).toBe("not_authenticated");
      if (expected === "ok") await stream.until((frame) => frame["ch"] === row.channel);
      else expect(stream.of(row.channel)).toEqual([]);
    }
    // One channel that is not theirs takes the whole request with it.
    const mixed = [
      "marks",
      ...rights.flatMap((row) => (row[name as keyof typeof people] === "f" ? [row.channel] : [])),
    ];
    if (mixed.length > 1) {
      expect(await stream.verdict({ op: "unsubscribe", channels: ["marks"] })).toBe("ok");
      expect(await stream.verdict({ op: "subscribe", channels: mixed })).toBe("forbidden");
      expect(await stream.verdict({ op: "unsubscribe", channels: ["marks"] })).toBe("not_subscribed");
    }
    await stream.close();
    await stranger.close();
  },
);

test("E02 logins that are replayed, forged, altered, expired or revoked are refused, and the connection with them", async () => {
  const key = { id: "bot", subject: "bot", owner: "bob", roles: ["trader"], label: "test", expiresAt: null };
  await createApiKey(db, key);
  const signed = (
    nonce: string,
    at = Date.now(),
    secret = secretOfKey(streams.keySecret, "bot"),
    what = streamLogin,
  ) => ({
    op: "auth",
    key: "bot",
    timestamp: at,
    nonce,
    signature: sign(secret, String(at), nonce, what),
  });
  const login = async (request: object): Promise<string> => {
    const stream = await RawStream.open(streams.url);
    const verdict = await stream.verdict(request);
    if (verdict === "ok") await stream.close();
    else expect(await stream.closed).toBe(closeCodes.unauthorised);
    return verdict;
  };
  const good = signed("nonce-0001");
  expect(await login(good)).toBe("ok");
  expect(await login(good)).toBe("nonce_used");
  expect(await login({ ...signed("nonce-0002"), timestamp: Date.now() + 1 })).toBe("signature_wrong");
  expect(await login({ ...signed("nonce-0003"), nonce: "nonce-0004" })).toBe("signature_wrong");
  expect(await login(signed("nonce-0005", Date.now(), "another secret"))).toBe("signature_wrong");
  expect(await login(signed("nonce-0006", Date.now(), undefined, "GET /v1/other"))).toBe("signature_wrong");
  expect(await login(signed("nonce-0007", Date.now() - 6_000))).toBe("timestamp_outside");
  expect(await login(signed("nonce-0008", Date.now() + 6_000))).toBe("timestamp_outside");
  expect(await login({ ...signed("nonce-0009"), key: "another" })).toBe("signature_wrong");
  await revokeApiKey(db, "bot");
  expect(await login(signed("nonce-0010"))).toBe("key_revoked");

  const token = await streams.token(["trader"], "bob");
  const [head, body = "", tail] = token.split(".");
  const claims = {
    ...(JSON.parse(Buffer.from(body, "base64url").toString()) as object),
    roles: ["officer"],
    owner: null,
  };
  const altered = [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), tail].join(".");
  expect(await login({ op: "auth", token: altered })).toBe("token_malformed");
  expect(
    await login({ op: "auth", token: await streams.token(["trader"], "bob", "x", 1_000, Date.now() - 60_000) }),
  ).toBe("token_expired");
  expect(await login({ op: "auth", token: "none" })).toBe("token_malformed");
});

test("who loses an account while connected is told no more of it, and a login that ends ends the connection", async () => {
  const brief = await RawStream.loggedIn(streams.url, await streams.token(["trader"], "bob", "brief", 2_000));
  const stream = await as("fund");
  expect(await stream.verdict({ op: "subscribe", channels: ["margin.alpha", "margin.beta"] })).toBe("ok");
  await exchange.enter({ k: "rules", document: { ...rules, entities: { fund: { accounts: ["beta"] } } } });
  const lost = await stream.until((frame) => frame["ok"] === false);
  expect(lost).toMatchObject({ id: null, error: { code: "forbidden", ch: "margin.alpha" } });
  const from = stream.frames.length;
  await stream.until((frame) => frame["ch"] === "margin.beta", from);
  expect(stream.frames.slice(from).filter((frame) => frame["ch"] === "margin.alpha")).toEqual([]);
  expect(await stream.verdict({ op: "subscribe", channels: ["margin.alpha"] })).toBe("forbidden");
  await stream.close();
  expect(await brief.closed).toBe(closeCodes.unauthorised);
});

test("the examples do what they say", async () => {
  const at = (name: string): string => join(rootFolder, "docs/examples/streams", name);
  const token = await streams.token(["trader"], "bob");
  const trader = await spawnApp("trader", {}, { program: at("trader.ts"), arguments: [streams.url, "bob", token] });
  await trader.whenLine(({ text }) => String(text).includes("BTC-PERP: liquidation at"));
  await createApiKey(db, {
    id: "example",
    subject: "example",
    owner: null,
    roles: ["viewer"],
    label: "",
    expiresAt: null,
  });
  const credentials = { KEY: "example", SECRET: secretOfKey(streams.keySecret, "example") };
  const byKey = await spawnApp("by-key", credentials, { program: at("by-key.ts"), arguments: [streams.url] });
  await byKey.whenLine(({ text }) => String(text).startsWith("BTC-PERP 4"));
  await Promise.all([trader.stop(), byKey.stop()]);
});
