import { describe, expect, test } from "vitest";
import type { EntryBody, Side } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { perpetual, rules } from "#test/support/exchange.ts";
import { LiveLog } from "#test/support/live-run.ts";
import { table } from "#test/support/table.ts";

function shard(breakers: RuleDocument["breakers"], changes: Partial<RuleDocument> = {}): LiveLog {
  const live = new LiveLog(
    rules({ instruments: [perpetual()], breakers: { expiryMs: 1_000, ...breakers }, ...changes }),
  );
  live.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100" } });
  for (const account of ["a", "b", "c"]) live.apply({ k: "cash", account, asset: "USDT", amount: "10000" });
  return live;
}

const halts = (live: LiveLog): string[] =>
  live.engine.machine.halts.map(({ scope, id, state, reason }) => [scope, id, state, reason].filter(Boolean).join(" "));

let trades = 0;
const fillOf = (account: string, side: Side, price: string, liquidity: "maker" | "taker"): EntryBody => {
  trades += 1;
  const trade = `s${trades}`;
  return { k: "fill", trade, account, instrument: "X", side, qty: "1", price, order: trade, liquidity };
};

const watched: RuleDocument["breakers"] = {
  lag: { commitMs: 600, engineMs: 900, state: "no_new_orders" },
  dependencyErrors: { share: "0.3" },
};

describe("what the clock tells of its process", () => {
  for (const { rule, commit, engine, failed, halt } of table(`
    rule   | commit | engine | failed | halt
    BRK-21 | 599    | 899    | 0.25   | -
    BRK-21 | 600    | 0      | 0      | global no_new_orders commit_lag
    BRK-21 | 0      | 900    | 0      | global no_new_orders engine_lag
    BRK-22 | 0      | 0      | 0.3    | global reduce_only dependency_errors
  `))
    test(`${rule} ${commit} ms to a commit, ${engine} ms late, ${failed} failed: ${halt}`, () => {
      const live = shard(watched);
      const lag = { commitMs: Number(commit), engineMs: Number(engine) };
      live.apply({ k: "time", lag, errors: { postgres: failed, venue: "0" } });
      expect(halts(live).join() || "-").toBe(halt);
    });

  test("BRK-12 BRK-16 BRK-21 a lag holds down to five sixths, then its halt runs out", () => {
    const live = shard(watched);
    const tick = (t: number, commitMs: number): string[] => {
      live.t = t;
      live.apply({ k: "time", lag: { commitMs, engineMs: 0 } });
      return halts(live);
    };
    expect(tick(0, 600)).toHaveLength(1);
    expect(tick(900, 500)).toHaveLength(1);
    // Asked for last at 900: in force until 1,900, then it opens by one state a step.
    expect(tick(1_000, 499)).toHaveLength(1);
    expect(tick(1_899, 0)).toHaveLength(1);
    expect(live.of("halt.lifted")).toEqual([]);
    expect(tick(61_900, 0)).toEqual([]);
    expect(live.of("halt.lifted")).toMatchObject([{ scope: "global", reason: "commit_lag" }]);
  });

  test("BRK-21 BRK-22 without rules nothing is asked", () => {
    const live = shard({});
    live.apply({ k: "time", lag: { commitMs: 60_000, engineMs: 60_000 }, errors: { postgres: "1" } });
    expect(halts(live)).toEqual([]);
  });
});

describe("limits found breached", () => {
  const limited = (limits: object, more: Partial<RuleDocument> = {}): LiveLog =>
    shard({ limitBreach: {} }, { instruments: [{ ...perpetual(), limits }], ...more });

  test("BRK-23 after a fill: the account, not who stands on the other side within the limit", () => {
    const live = limited({ maxLong: "5" });
    live.trade("t1", "a", "b", "5", "100");
    expect(halts(live)).toEqual([]);
    live.trade("t2", "a", "b", "1", "100");
    expect(halts(live)).toEqual(["account a reduce_only limit_breached"]);
    expect(live.of("limit.breached")).toMatchObject([
      { scope: "account", id: "a", code: "position_limit", value: "6", bound: "5", level: "instrument X" },
    ]);
  });

  test("BRK-23 once, as long as it stays so; it runs out when it is no longer", () => {
    const live = limited({ maxPosition: "5" });
    live.trade("t1", "a", "b", "6", "100");
    live.trade("t2", "a", "b", "1", "100");
    expect(live.of("limit.breached")).toHaveLength(2);
    live.trade("t3", "b", "a", "3", "100");
    live.t = 2_000_000;
    live.apply({ k: "time" });
    expect(halts(live)).toEqual([]);
    live.trade("t4", "a", "b", "3", "100");
    expect(live.of("limit.breached")).toHaveLength(4);
  });

  test("BRK-23 after a price: what is measured against equity", () => {
    const live = limited({}, { limits: { maxExposure: "1" } });
    live.trade("t1", "a", "b", "90", "100");
    expect(halts(live)).toEqual([]);
    // The long has won what its notional has grown by, the short has lost it.
    live.apply({ k: "frame", index: { BTC: "110" }, mark: { X: "110" } });
    expect(halts(live)).toEqual(["account b reduce_only limit_breached"]);
  });

  test("BRK-23 after a change of rules: the instrument at once, accounts with the next frame", () => {
    const live = limited({});
    live.trade("t1", "a", "b", "8", "100");
    const { document } = live.engine.machine;
    const instruments = [{ ...perpetual(), limits: { maxOpenInterest: "7", maxShort: "7" } }];
    live.apply({ k: "rules", document: { ...document, instruments } });
    expect(halts(live)).toEqual(["instrument X reduce_only limit_breached"]);
    live.apply({ k: "frame", mark: { X: "100" } });
    expect(halts(live)).toEqual(["instrument X reduce_only limit_breached", "account b reduce_only limit_breached"]);
  });

  test("BRK-23 of an owner whose accounts are past it together", () => {
    const entities = { desk: { accounts: ["a", "c"], limits: { maxGrossUsd: "1000" } } };
    const live = limited({}, { entities });
    live.trade("t1", "a", "b", "6", "100");
    live.trade("t2", "c", "b", "5", "100");
    live.apply({ k: "frame", mark: { X: "100" } });
    expect(halts(live)).toEqual(["entity desk reduce_only limit_breached"]);
  });

  test("BRK-23 nothing is measured where no rule asks for it", () => {
    const live = shard({}, { instruments: [{ ...perpetual(), limits: { maxLong: "1" } }] });
    live.trade("t1", "a", "b", "6", "100");
    expect(halts(live)).toEqual([]);
  });
});

describe("slippage found beyond its limit", () => {
  const limited = (limits: object, more: Partial<RuleDocument> = {}): LiveLog =>
    shard({ limitBreach: {} }, { instruments: [perpetual({ limits })], ...more });

  for (const { price, side, halt } of table(`
    price  | side | halt
    101    | buy  | -
    101.01 | buy  | account a reduce_only slippage
    99     | buy  | -
    99     | sell | -
    98.99  | sell | account a reduce_only slippage
    101.01 | sell | -
  `))
    test(`LIM-46 a taker's ${side} at ${price}, mark 100, at most 0.01: ${halt}`, () => {
      const live = limited({ maxSlippage: "0.01" });
      live.apply(fillOf("a", side === "buy" ? "buy" : "sell", price, "taker"));
      expect(halts(live).join() || "-").toBe(halt);
    });

  test("LIM-46 the numbers are told of each such fill; the halt runs out by itself after the last", () => {
    const live = limited({ maxSlippage: "0.01" });
    live.apply(fillOf("a", "buy", "102", "taker"));
    live.t = 500;
    live.apply(fillOf("a", "buy", "103", "taker"));
    expect(live.of("limit.breached")).toMatchObject([
      { scope: "account", id: "a", code: "slippage", value: "0.02", bound: "0.01", headroom: "-0.01" },
      { value: "0.03", level: "instrument X" },
    ]);
    expect(live.of("halt.set")).toHaveLength(1);
    live.t = 1_499;
    live.apply({ k: "time" });
    expect(halts(live)).toHaveLength(1);
    live.t = 61_500;
    live.apply({ k: "time" });
    expect(halts(live)).toEqual([]);
  });

  test("LIM-46 who made a price is not bound by it, and the narrowest override is what binds", () => {
    const until = 10;
    const override = { level: "account", of: "b", limit: "maxSlippage", value: "0.05", until, reason: "r" } as const;
    const live = limited({ maxSlippage: "0.01" }, { overrides: [override] });
    live.apply(fillOf("c", "buy", "150", "maker"));
    live.apply(fillOf("b", "buy", "105", "taker"));
    expect(halts(live)).toEqual([]);
    live.t = until;
    live.apply(fillOf("b", "buy", "105", "taker"));
    expect(halts(live)).toEqual(["account b reduce_only slippage"]);
  });

  test("LIM-46 without a rule that asks for it nothing is halted", () => {
    const live = shard({}, { instruments: [perpetual({ limits: { maxSlippage: "0.01" } })] });
    live.apply(fillOf("a", "buy", "150", "taker"));
    expect(halts(live)).toEqual([]);
  });
});
