import { afterEach, beforeEach, expect, test } from "vitest";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { expectExact } from "../support/exact.ts";
import { liveShard, type LiveShard } from "../support/live-shard.ts";
import { frame, question, seed, startPrice, trade } from "../support/shard-entries.ts";
import { migratedPostgres, useNats } from "../support/servers.ts";

const nats = useNats();
let shard: LiveShard;

beforeEach(async () => {
  const { url } = await migratedPostgres();
  shard = await liveShard(nats().url, url);
});
afterEach(async () => shard.stop());

const askers = 8;
const rounds = 12;
const asksPerRound = 15;

type Halt = EntryBody & { readonly k: "halt" };

/** In turn everything, the instrument, the account; each state that forbids opening. */
function haltOf(round: number, lifted: boolean): Halt {
  const scopes = [
    { scope: "global" },
    { scope: "instrument", id: "BTC-PERP" },
    { scope: "account", id: "alice" },
  ] as const;
  const states = ["reduce_only", "no_new_orders", "cancel_all", "paused"] as const;
  const state = lifted ? "normal" : (states[round % states.length] ?? "paused");
  return { k: "halt", ...scopes[round % scopes.length], state, reason: "drill" } as Halt;
}

test("BRK-01 BRK-07 while a halt is in force nothing is opened, however many ask, and all is as before when it is lifted", async () => {
  await seed(shard);
  const app = await shard.start();
  await app.whenMessage("ready");
  await trade(shard);
  const answers: Decision[] = [];
  /** Places in the log from which on opening is forbidden, and is permitted again. */
  const changes: { readonly seq: number; readonly halted: boolean }[] = [];
  let asked = 0;
  const asker = async (): Promise<void> => {
    for (let ask = 0; ask < asksPerRound; ask += 1) {
      asked += 1;
      answers.push(await shard.ask<Decision>("check", question(`r-${asked}`, "0.001")));
    }
  };
  for (let round = 0; round < rounds; round += 1) {
    await shard.put("mark-price", frame());
    const asking = Promise.all(Array.from({ length: askers }, asker));
    for (const lifted of [false, true]) {
      changes.push({ seq: await shard.put("operator", haltOf(round, lifted)), halted: !lifted });
      await shard.settled();
      await shard.put("mark-price", frame(startPrice));
    }
    await asking;
  }
  const haltedAt = ({ appliedSeq }: Decision): boolean =>
    changes.findLast(({ seq }) => seq <= appliedSeq)?.halted ?? false;
  const accepted = answers.filter(({ decision }) => decision === "accept");
  const refused = answers.filter(({ codes }) => codes.includes("halted"));
  expect(accepted.filter(haltedAt)).toEqual([]);
  expect(refused.filter((one) => !haltedAt(one))).toEqual([]);
  expect([accepted.length > rounds, refused.length > rounds]).toEqual([true, true]);
  await shard.settled();
  await expectExact(shard);
}, 120_000);
