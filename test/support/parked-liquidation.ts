import { expect } from "vitest";
import type { SagaReply, SagasReply } from "#libs/contracts/api/replies.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { Static } from "typebox";
import type { ApiExchange } from "./api-exchange.ts";
import { codeOf, type Desk, stateOf } from "./api-desk.ts";
import { eventually } from "./live-shard.ts";

type Sagas = Static<typeof SagasReply>;
type Saga = Static<typeof SagaReply>;
type Running = { readonly waitsFor: string | null };

/** Again where it was refused: on a machine that is busy an approval may run out on its way to the matching engine. */
async function placed(
  exchange: ApiExchange,
  account: string,
  side: "buy" | "sell",
  qty: string,
  price: string,
): Promise<void> {
  await eventually(`an order of ${account}`, async () => {
    const { state } = await exchange.place(account, side, qty, price);
    return state !== "rejected";
  });
}

/** Dave at a ratio at which a part of his position is closed, before a book on which only the first lots find a buyer. */
export async function liquidated(exchange: ApiExchange): Promise<Sagas["sagas"][number]> {
  await exchange.enter({ k: "cash", account: "dave", asset: "USDT", amount: "600" });
  await exchange.enter({ k: "cash", account: "mia", asset: "USDT", amount: "100000" });
  await eventually("mia's deposit", async () => (await exchange.get("/v1/accounts/mia", "viewer")).status === 200);
  for (const [account, side, qty, price] of [
    ["mia", "sell", "1", "50000"],
    ["dave", "buy", "1", "50000"],
    ["mia", "buy", "0.01", "49650"],
  ] as const)
    await placed(exchange, account, side, qty, price);
  exchange.price("49656");
  return eventually("the first step", async () => {
    const [saga] = (await exchange.get<Sagas>("/v1/sagas?account=dave&stage=2", "viewer")).body.sagas;
    return saga !== undefined && stepsOf(await one(exchange, saga.id)).length > 0 ? saga : null;
  });
}

export const one = async (exchange: ApiExchange, saga: string): Promise<Saga> =>
  (await exchange.get<Saga>(`/v1/sagas/0/${saga}`, "viewer")).body;
export const stepsOf = ({ facts }: Saga) => facts.filter(({ fact }) => fact === "liquidation.step");

const placeInLog = async (exchange: ApiExchange): Promise<number> =>
  (await exchange.get<{ logSeq: number }>("/v1/accounts/dave", "viewer")).body.logSeq;

/** Parks it between two steps, offers what it waits for, and finds that nothing is closed while prices go on. */
export async function parked(exchange: ApiExchange, desk: Desk, saga: string): Promise<void> {
  const park = await desk.command("saga", "operator", { shard: "0", saga, action: "park" });
  expect(park.body.facts[0]?.facts[0]).toMatchObject({
    fact: "halt.set",
    scope: "account",
    id: "dave",
    state: "paused",
  });
  // What was asked of the matching engine before is answered first: the next edge of a step.
  await eventually("the edge of the step", async () => {
    const { body } = await one(exchange, saga);
    return (body as Running).waitsFor === null;
  });
  const before = stepsOf(await one(exchange, saga)).length;
  await placed(exchange, "mia", "buy", "1", "49655");
  const place = await placeInLog(exchange);
  await eventually("more frames", async () => (await placeInLog(exchange)) > place + 10);
  const still = await one(exchange, saga);
  expect([stepsOf(still).length, still.saga.ended, still.saga.outcome]).toEqual([before, false, null]);
}

/** It goes on by the word of a second person, to its end. */
export async function goneOn(exchange: ApiExchange, desk: Desk, saga: string): Promise<Sagas["sagas"][number]> {
  const resume = await desk.command("saga", "officer:first", { shard: "0", saga, action: "resume" });
  expect(stateOf(resume)).toBe("proposed");
  expect(codeOf(await desk.approve(resume.body, "officer:first"))).toBe("own_proposal");
  expect(stateOf(await desk.approve(resume.body, "officer:second"))).toBe("applied");
  return eventually("the end", async () => {
    const { sagas } = (await exchange.get<Sagas>("/v1/sagas?open=no&account=dave", "viewer")).body;
    return sagas.find(({ id }) => id === saga) ?? null;
  });
}

/** What was closed is what its steps say, to the last digit. */
export function closedBy(saga: Saga): string {
  const traded = stepsOf(saga).map((step) =>
    Rational.parse(String(step["qty" as keyof typeof step])).times(
      Rational.parse(String(step["price" as keyof typeof step])),
    ),
  );
  return traded.reduce((sum, one) => sum.plus(one), Rational.zero).toStringDown();
}
