import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { rootFolder } from "#libs/process/root.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { AccountReply } from "#libs/contracts/live/margin.ts";
import { secretOfKey, sign, streamLogin } from "#libs/access/index.ts";
import {
  createApiKey,
  type Database,
  factsOfNames,
  openDatabase,
  revokeApiKey,
  revokeTokens,
} from "#libs/adapters/postgres/index.ts";
import { closeCodes } from "#libs/contracts/stream/codes.ts";
import { exchangeRules, LiveExchange } from "#test/support/live-exchange.ts";
import { RawStream } from "#test/support/raw-stream.ts";
import { StreamProcess } from "#test/support/stream-process.ts";
import { loginStates, people, type Person, rightsOf, signatureIn, tokenIn } from "#test/support/stream-rights.ts";

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

/** Credentials of a person, by either method. */
async function credentialsOf(person: Person, method: "token" | "key"): Promise<object> {
  const [roles, owner] = people[person];
  if (method === "token") return { token: await streams.token(roles, owner, person) };
  await createApiKey(db, { id: person, subject: person, owner, roles, label: "", expiresAt: null });
  const [timestamp, nonce] = [Date.now(), randomUUID()];
  const signature = sign(secretOfKey(streams.keySecret, person), String(timestamp), nonce, streamLogin);
  return { key: person, timestamp, nonce, signature };
}

const methods = ["token", "key"] as const;
const logins = (Object.keys(people) as Person[]).flatMap((person) =>
  methods.map((method): [Person, (typeof methods)[number]] => [person, method]),
);

test.each(logins)("E03 %s by %s reads what is theirs, and not a byte of what is not", async (person, method) => {
  const stream = await RawStream.open(streams.url);
  const stranger = await RawStream.open(streams.url);
  expect(await stream.verdict({ op: "auth", ...(await credentialsOf(person, method)) })).toBe("ok");
  const rights = rightsOf(person);
  for (const [channel, may] of rights) {
    expect(await stream.verdict({ op: "subscribe", channels: [channel] }), channel).toBe(may ? "ok" : "forbidden");
    if (may) await stream.until((frame) => frame["ch"] === channel);
    else expect(stream.of(channel)).toEqual([]);
    expect(await stranger.verdict({ op: "subscribe", channels: [channel] })).toBe("not_authenticated");
  }
  // One channel that is not theirs takes the whole request with it.
  const forbidden = rights.flatMap(([channel, may]) => (may ? [] : [channel]));
  if (forbidden.length > 0) {
    expect(await stream.verdict({ op: "unsubscribe", channels: ["marks"] })).toBe("ok");
    expect(await stream.verdict({ op: "subscribe", channels: ["marks", ...forbidden] })).toBe("forbidden");
    for (const op of ["unsubscribe", "resync"])
      expect(await stream.verdict({ op, channels: ["marks"] })).toBe("not_subscribed");
  }
  expect(stranger.frames.filter((frame) => frame["ch"] !== undefined)).toEqual([]);
  await Promise.all([stream.close(), stranger.close()]);
});

/** What a login is told; who is refused gets nothing of what is asked for in the same breath. */
async function verdictOf(login: object): Promise<string> {
  const stream = await RawStream.open(streams.url);
  const answer = stream.verdict({ op: "auth", ...login });
  stream.say({ op: "subscribe", id: "early", channels: ["marks", "margin.bob"] });
  const verdict = await answer;
  if (verdict === "ok") await stream.close();
  else {
    expect(await stream.closed).toBe(closeCodes.unauthorised);
    expect(stream.frames.filter(({ ch, ok }) => ch !== undefined || ok === true)).toEqual([]);
  }
  return verdict;
}

test.each(loginStates)("E02 a login that is $state: by token $token, by key $key", async ({ state, token, key }) => {
  for (const [expected, made] of [
    [token, tokenIn],
    [key, signatureIn],
  ] as const) {
    if (expected === "-") continue;
    const told: string[] = [];
    for (const login of await made(state, streams, db)) told.push(await verdictOf(login));
    expect(told.at(-1)).toBe(expected);
  }
});

test("who loses an account while connected is told no more of it, and a login that ends ends the connection", async () => {
  const brief = await RawStream.loggedIn(streams.url, await streams.token(["trader"], "bob", "brief", 2_000));
  const stream = await as("fund");
  expect(await stream.verdict({ op: "subscribe", channels: ["margin.alpha", "margin.beta"] })).toBe("ok");
  // Whose logins are revoked is looked at with everybody else's when rules change, and now and then.
  const revoked = [await RawStream.open(streams.url), await RawStream.open(streams.url)];
  for (const [at, made] of [tokenIn, signatureIn].entries()) {
    const [login] = await made("good", streams, db);
    expect(await revoked[at]?.verdict({ op: "auth", ...login })).toBe("ok");
    expect(await revoked[at]?.verdict({ op: "subscribe", channels: ["margin.bob"] })).toBe("ok");
  }
  for (const { frames } of revoked) await revoke(frames.find(({ login }) => login !== undefined)?.["login"]);
  await exchange.enter({ k: "rules", document: { ...rules, entities: { fund: { accounts: ["beta"] } } } });
  const lost = await stream.until((frame) => frame["ok"] === false);
  expect(lost).toMatchObject({ id: null, error: { code: "forbidden", ch: "margin.alpha" } });
  const from = stream.frames.length;
  await stream.until((frame) => frame["ch"] === "margin.beta", from);
  expect(stream.frames.slice(from).filter((frame) => frame["ch"] === "margin.alpha")).toEqual([]);
  expect(await stream.verdict({ op: "subscribe", channels: ["margin.alpha"] })).toBe("forbidden");
  await stream.close();
  for (const one of [brief, ...revoked]) expect(await one.closed).toBe(closeCodes.unauthorised);
});

/** Everything that a principal logs in with. */
async function revoke(login: unknown): Promise<void> {
  const { principal } = login as { readonly principal: string };
  await revokeTokens(db, principal, Date.now() + 60_000);
  await revokeApiKey(db, principal);
}

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
