import { describe, expect, test } from "vitest";
import type { Command } from "#apps/venue/matching/commands.ts";
import { applyCommand } from "#apps/venue/matching/exchange.ts";
import type { Floor } from "#apps/venue/matching/floor.ts";
import { readFacts } from "#apps/venue/service/facts.ts";
import { shardOf, slotCount } from "#libs/contracts/live/shards.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Gate } from "#libs/engine/index.ts";
import { perpetual, rules } from "#test/support/exchange.ts";
import { type Applied, LiveLog } from "#test/support/live-run.ts";
import { venueParts } from "#test/support/venue.ts";

const shards = ["0", "1"] as const;
/** By their owners' slots: of the first shard, and of the second. */
const [loser, near, winner, far] = ["alice", "lp-3", "bob", "lp-2"];

/** A matching engine over two shards of one set of rules, and everything that either says carried to the other at once. */
class Exchange {
  readonly floor: Floor;
  readonly logs: Readonly<Record<string, LiveLog>>;
  #orders = 0;
  #factsAt = 0;

  constructor(document: RuleDocument) {
    this.floor = venueParts(document, shards).floor();
    this.logs = Object.fromEntries(shards.map((shard) => [shard, new LiveLog(document)]));
  }

  log(shard: string): LiveLog {
    return this.logs[shard] as LiveLog;
  }

  everywhere(body: EntryBody): void {
    for (const shard of shards) this.enter(shard, body);
  }

  cash(account: string, amount: string): void {
    this.enter(shardOf(account, shards), { k: "cash", account, asset: "USDT", amount });
  }

  enter(shard: string, body: EntryBody): void {
    this.#answer(shard, this.log(shard).apply(body));
  }

  /** A limit in halves of a dollar, the contract's tick. */
  place(account: string, side: "buy" | "sell", lots: number, limit: number): void {
    this.#orders += 1;
    const id = `o${this.#orders}`;
    const terms = { account, id, instrument: "X", side, lots, limit, market: false, ioc: false, reduceOnly: false };
    this.#send({ c: "place", terms, approval: { request: id, epoch: 1, until: 9 } } as Omit<Command, "t">);
  }

  attest(): void {
    for (const shard of shards) this.#send({ c: "attest", shard, from: 0, to: slotCount } as Omit<Command, "t">);
  }

  #send(command: Omit<Command, "t">): void {
    const { entries } = applyCommand(this.floor, { t: 1, ...command } as Command);
    for (const { shard, entry } of entries) this.enter(shard, entry);
  }

  #answer(shard: string, { facts, effects }: Applied): void {
    const to = facts.at(-1)?.seq;
    if (to !== undefined) {
      this.#factsAt += 1;
      const news = readFacts(this.floor, facts);
      this.#send({ c: "facts", shard, to, at: this.#factsAt, ...news } as Omit<Command, "t">);
    }
    for (const effect of effects) this.#send({ c: "effect", shard, epoch: 1, effect } as Omit<Command, "t">);
  }
}

describe("backup providers of two shards", () => {
  const document = rules({
    instruments: [perpetual({ tick: "0.5", tiers: [{ from: "0", im: "0.01", mm: "0.005" }] })],
    providers: [
      { account: far, instrument: "X", capacity: "100", discount: "0.02" },
      { account: near, instrument: "X", capacity: "100", discount: "0.03" },
    ],
  });

  test("LIQ-14 INV-11 a position goes to those of its own shard, and both shards agree with the matching engine", () => {
    const exchange = new Exchange(document);
    exchange.everywhere({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
    exchange.everywhere({ k: "fund", asset: "USDT", amount: "1000" });
    for (const [account, amount] of Object.entries({ [loser]: "50", [near]: "1000", [winner]: "1000", [far]: "1000" }))
      exchange.cash(account, amount);
    exchange.place(winner, "sell", 10, 200);
    exchange.place(loser, "buy", 10, 200);
    exchange.everywhere({ k: "frame", index: { BTC: "95.4" }, mark: { X: "95.4" } });
    exchange.attest();
    const [own, other] = shards.map((shard) => exchange.log(shard)) as [LiveLog, LiveLog];
    expect(own.of("liquidation.step")).toMatchObject([
      { stage: 4, account: loser, counterparty: near, qty: "10", price: "92.538" },
    ]);
    expect(own.of("liquidation.ended")).toHaveLength(1);
    expect(own.engine.machine.openEffects.size).toBe(0);
    for (const log of [own, other]) {
      expect(log.of("positions.differ")).toEqual([]);
      expect(log.of("positions.attested")).toHaveLength(1);
      expect(log.broken()).toEqual([]);
    }
  });
});

describe("open interest over two shards", () => {
  const document = rules({ instruments: [perpetual({ limits: { maxOpenInterest: "20" } })] });

  /** Everybody of the first shard is long, everybody of the second short. */
  function apart(): Exchange {
    const exchange = new Exchange(document);
    exchange.everywhere({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
    for (const account of [loser, winner, far]) exchange.cash(account, "100000");
    const half = { k: "fill", trade: "t1", instrument: "X", qty: "15", price: "100", liquidity: "taker" } as const;
    exchange.enter("0", { ...half, account: loser, side: "buy", order: "b" });
    exchange.enter("1", { ...half, account: winner, side: "sell", order: "s" });
    return exchange;
  }

  test("LIM-13 binds those who only sell as well: clearing is long what the other shard's traders are", () => {
    const gate = new Gate(apart().log("1").engine);
    const codes = (qty: string): readonly string[] => {
      const order = { id: qty, instrument: "X", side: "sell", qty, price: "100" } as const;
      return gate.check({ request: qty, account: far, order }, 0).codes;
    };
    expect([codes("5"), codes("6")]).toEqual([[], ["open_interest_limit"]]);
  });

  test("LIM-13 what the shards answer adds up to what traders hold", () => {
    const exchange = apart();
    expect(shards.map((shard) => exchange.log(shard).engine.exchange().openInterest)).toEqual([
      { X: "15" },
      { X: "0" },
    ]);
  });
});
