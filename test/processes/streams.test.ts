import { afterAll, beforeAll, expect, test } from "vitest";
import type { AccountReply } from "#libs/contracts/live/margin.ts";
import { LiveExchange } from "#test/support/live-exchange.ts";
import { RawStream } from "#test/support/raw-stream.ts";
import { StreamProcess } from "#test/support/stream-process.ts";

let exchange: LiveExchange;
let streams: StreamProcess;

beforeAll(async () => {
  exchange = await LiveExchange.start();
  streams = await StreamProcess.start(exchange.servers);
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
  expect(stream.state("positions.bob").data.positions).toEqual({ "BTC-PERP": row });
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
