import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import type { HaltRecord } from "#libs/domain/breakers/halts.ts";
import {
  effectiveState,
  haltsAt,
  nextReopening,
  operatorHalt,
  triggerHalt,
  withoutExpired,
} from "#libs/domain/breakers/halts.ts";
import type { IndexWindow } from "#libs/domain/breakers/price-move.ts";
import {
  emptyWindow,
  largestMove,
  loadWindow,
  priceMoveState,
  recordIndex,
  saveWindow,
} from "#libs/domain/breakers/price-move.ts";
import type { HaltedAction, HaltState } from "#libs/domain/breakers/states.ts";
import {
  cancelsRestingOrders,
  haltStates,
  needsReduceOnlyMark,
  permits,
  strictest,
} from "#libs/domain/breakers/states.ts";
import {
  drawdown,
  fundDrawdownState,
  liquidationRateState,
  priceQualityState,
  recordLiquidation,
} from "#libs/domain/breakers/triggers.ts";
import type { PriceQuality } from "#libs/domain/mark-price/quality.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { BreakerRules } from "#libs/domain/rule-set/types.ts";
import { table } from "#test/support/table.ts";

const number = (text: string): Rational => Rational.parse(text);

const rulesWith = (breakers: RuleDocument["breakers"]): BreakerRules =>
  compileRules({ assets: [], instruments: [], breakers: breakers ?? {} }, 1).rules.breakers;

describe("states", () => {
  const cases = table(`
    rule   | action            | normal | reduce_only | no_new_orders | cancel_all      | paused
    BRK-01 | open_risk         | yes    | no          | no            | no              | no
    BRK-02 | reduce_risk       | yes    | yes         | yes           | after_cancel    | no
    BRK-03 | liquidate_on_book | yes    | yes         | yes           | waits_for_depth | parked
    BRK-04 | adl               | yes    | yes         | yes           | yes             | by_operator
    BRK-05 | withdraw          | yes    | yes         | no            | no              | no
    BRK-06 | upkeep            | yes    | yes         | yes           | yes             | yes
  `);
  for (const row of cases)
    for (const state of haltStates)
      test(`${row.rule} ${row.action} when ${state}: ${row[state]}`, () =>
        expect(permits(row.action as HaltedAction, state)).toBe(row[state]));

  test("BRK-07 the strictest state wins, in any order; none is normal", () => {
    expect(strictest(["normal", "cancel_all", "reduce_only"])).toBe("cancel_all");
    expect(strictest(["paused", "no_new_orders"])).toBe("paused");
    expect(strictest([])).toBe("normal");
  });
  test("BRK-08 from no_new_orders on only marked orders reduce", () => {
    expect(haltStates.filter(needsReduceOnlyMark)).toEqual(["no_new_orders", "cancel_all", "paused"]);
  });
  test("BRK-19 cancel_all and paused take resting orders", () => {
    expect(haltStates.filter(cancelsRestingOrders)).toEqual(["cancel_all", "paused"]);
  });
});

describe("price move", () => {
  /** "0:100 500:90": the index from each instant on. */
  const windowOf = (text: string): IndexWindow => {
    let window = emptyWindow;
    for (const step of text === "—" ? [] : text.split(" ")) {
      const [t, price] = step.split(":");
      window = recordIndex(window, number(price ?? ""), 60_000, Number(t));
    }
    return window;
  };
  const moves = table(`
    rule   | index                    | t      | price | move | because
    BRK-09 | 0:100                    | 0      | 90    | 0.1  | down from the highest
    BRK-09 | 0:100                    | 0      | 110   | 0.1  | up from the lowest
    BRK-09 | 0:100 1:125              | 1      | 125   | 0.25 | a rise is measured from the low
    BRK-09 | 0:125 1:100              | 1      | 100   | 0.2  | a fall from the high
    BRK-09 | 0:100 1:125              | 1      | 100   | 0.2  | the larger of the two
    BRK-09 | 0:100 1:90               | 60001  | 90    | 0.1  | it stood until 60 s ago exactly
    BRK-09 | 0:100 1:90               | 60002  | 90    | 0    | a ms later it is out of the window
    BRK-09 | 0:100 999999:90          | 999999 | 90    | 0.1  | an old price that stood until now counts
    BRK-09 | 0:100 1:120 2:110 3:105  | 60001  | 96    | 0.2  | the highest
    BRK-09 | 0:100 1:120 2:110 3:105  | 60003  | 99    | 0.1  | then the next highest
    BRK-09 | 0:100 1:80 2:90 3:100    | 60003  | 99    | 0.1  | and the next lowest
    BRK-09 | —                        | 0      | 90    | 0    | without an index nothing has moved
  `);
  for (const { rule, index, t, price, move, because } of moves)
    test(`${rule} ${because}`, () => {
      const window = windowOf(index);
      expect(largestMove(window, number(price), 60_000, Number(t)).toStringDown()).toBe(move);
      expect(largestMove(loadWindow(saveWindow(window)), number(price), 60_000, Number(t)).toStringDown()).toBe(move);
    });
  test("BRK-09 an index that is not positive is refused", () => {
    expect(() => recordIndex(emptyWindow, Rational.zero, 60_000, 0)).toThrow(RangeError);
  });

  const states = table(`
    rule   | move     | before        | state         | because
    BRK-10 | 0.0999   | normal        | normal        | below ten per cent
    BRK-11 | 0.1      | normal        | reduce_only   | ten per cent exactly
    BRK-10 | 0.1999   | normal        | reduce_only   | below twenty
    BRK-11 | 0.2      | normal        | no_new_orders | twenty exactly
    BRK-10 | 0.9      | no_new_orders | no_new_orders | no move asks for more
    BRK-12 | 0.0834   | reduce_only   | reduce_only   | above five sixths of ten it holds
    BRK-12 | 0.0833   | reduce_only   | normal        | below it is released
    BRK-12 | 0.0834   | normal        | normal        | but does not trip
    BRK-12 | 0.1667   | no_new_orders | no_new_orders | above five sixths of twenty
    BRK-12 | 0.1666   | no_new_orders | reduce_only   | below, the milder one still holds
    BRK-12 | 0.0833   | no_new_orders | normal        | and at last neither
  `);
  const rules = rulesWith({ priceMove: {} }).priceMove;
  for (const { rule, move, before, state, because } of states)
    test(`${rule} ${because}`, () => {
      if (rules === null) throw new Error("the rules have a price move");
      expect(priceMoveState(number(move), rules, before as HaltState)).toBe(state);
    });
  test("BRK-12 five sixths exactly still holds", () => {
    const even = rulesWith({ priceMove: { reduceOnlyAt: "0.12", noNewOrdersAt: "0.24" } }).priceMove;
    if (even === null) throw new Error("the rules have a price move");
    expect(priceMoveState(number("0.1"), even, "reduce_only")).toBe("reduce_only");
    expect(priceMoveState(number("0.2"), even, "no_new_orders")).toBe("no_new_orders");
  });
});

describe("other triggers", () => {
  const qualities = table(`
    rule   | configured    | quality  | state
    BRK-13 | reduce_only   | good     | normal
    BRK-13 | reduce_only   | stale    | reduce_only
    BRK-13 | no_new_orders | stale    | no_new_orders
    BRK-13 | reduce_only   | disputed | no_new_orders
    BRK-13 | reduce_only   | invalid  | paused
    BRK-13 | —             | invalid  | normal
  `);
  for (const { rule, configured, quality, state } of qualities)
    test(`${rule} a ${quality} price under ${configured}: ${state}`, () => {
      const stalePrice = { state: configured as "reduce_only" };
      const rules = rulesWith(configured === "—" ? {} : { stalePrice });
      expect(priceQualityState(quality as PriceQuality, rules)).toBe(state);
    });

  const funds = table(`
    rule   | peak | now    | before      | state       | because
    BRK-14 | 1000 | 700.01 | normal      | normal      | a cent above
    BRK-11 | 1000 | 700    | normal      | reduce_only | thirty per cent exactly
    BRK-12 | 1000 | 750    | reduce_only | reduce_only | held down to 25 %
    BRK-12 | 1000 | 750.01 | reduce_only | normal      | released above
    BRK-14 | 0    | 0      | normal      | normal      | a fund that never held anything has lost nothing
    BRK-14 | 1000 | 1200   | normal      | normal      | nor one above its peak
  `);
  for (const { rule, peak, now, before, state, because } of funds)
    test(`${rule} ${because}`, () => {
      const rules = rulesWith({ fundDrawdown: {} });
      expect(fundDrawdownState(number(peak), number(now), rules, before as HaltState)).toBe(state);
      expect(fundDrawdownState(number(peak), number(now), rulesWith({}), before as HaltState)).toBe("normal");
    });
  test("BRK-14 drawdown is a share of the peak", () => {
    expect(drawdown(number("1000"), number("600")).toStringDown()).toBe("0.4");
  });

  describe("liquidation rate", () => {
    const rules = rulesWith({ liquidationRate: { countMax: 5, windowMs: 1_000 } }).liquidationRate;
    if (rules === null) throw new Error("the rules have a liquidation rate");
    const after = (times: readonly number[]): readonly number[] => {
      let events: readonly number[] = [];
      for (const t of times) events = recordLiquidation(events, rules, t);
      return events;
    };
    const cases = table(`
      rule   | times                   | t    | before      | state       | because
      BRK-15 | 1 2 3 4 5               | 5    | normal      | normal      | five are permitted
      BRK-15 | 1 2 3 4 5 6             | 6    | normal      | reduce_only | six are not
      BRK-15 | 1 2 3 4 5 6             | 1001 | normal      | reduce_only | the first is as old as the window
      BRK-15 | 1 2 3 4 5 6             | 1002 | normal      | normal      | a ms later it is out
      BRK-12 | 1 2 3 4 5 6             | 1002 | reduce_only | reduce_only | five sixths of six hold
      BRK-12 | 1 2 3 4 5 6             | 1003 | reduce_only | normal      | four do not
      BRK-15 | 1 2 3 4 5 6 7 8 9 10 11 | 1006 | normal      | reduce_only | the newest six are enough to know
      BRK-15 | 1 2 3 4 5 6 7 8 9 10 11 | 1007 | normal      | normal      | of eleven five are left
    `);
    for (const { rule, times, t, before, state, because } of cases)
      test(`${rule} ${because}`, () => {
        const events = after(times.split(" ").map(Number));
        expect(events.length).toBeLessThanOrEqual(6);
        expect(liquidationRateState(events, rules, before as HaltState, Number(t))).toBe(state);
      });
  });
});

describe("halts", () => {
  const rules = { expiryMs: 300_000, reopenStepMs: 30_000 };
  const call = (state: HaltState, reason = "price_move"): Parameters<typeof triggerHalt>[1] => ({
    scope: "instrument",
    id: "BTC-PERP",
    state,
    reason,
  });
  const at = (records: readonly HaltRecord[], t: number): HaltState =>
    effectiveState(records, { instrument: "BTC-PERP" }, t, rules);

  const reopening = table(`
    rule   | t      | state         | because
    BRK-16 | 0      | cancel_all    | at once
    BRK-16 | 299999 | cancel_all    | until a ms before expiry
    BRK-16 | 300000 | no_new_orders | at expiry it opens by one state
    BRK-17 | 329999 | no_new_orders | and stays
    BRK-17 | 330000 | reduce_only   | 30 s later by another
    BRK-17 | 359999 | reduce_only   | and stays
    BRK-17 | 360000 | normal        | and at last it is open
  `);
  for (const { rule, t, state, because } of reopening)
    test(`${rule} ${t} ms: ${because}`, () => {
      const records = triggerHalt([], call("cancel_all"), 0, rules);
      expect(at(records, Number(t))).toBe(state);
      expect(haltsAt(records, Number(t), rules).map((one) => one.state)).toEqual(state === "normal" ? [] : [state]);
      expect(withoutExpired(records, Number(t), rules).length).toBe(state === "normal" ? 0 : 1);
    });
  test("BRK-17 a step of 0 opens at once", () => {
    const records = triggerHalt([], call("paused"), 0, rules);
    expect(effectiveState(records, { instrument: "BTC-PERP" }, 300_000, { ...rules, reopenStepMs: 0 })).toBe("normal");
    expect(nextReopening(records, 300_000, { ...rules, reopenStepMs: 0 })).toBe(null);
  });
  test("BRK-17 the instants of re-opening are known beforehand", () => {
    const records = triggerHalt([], call("no_new_orders"), 0, rules);
    expect([0, 299_999, 300_000, 329_999, 330_000].map((t) => nextReopening(records, t, rules))).toEqual([
      300_000,
      300_000,
      330_000,
      330_000,
      null,
    ]);
    expect(nextReopening(operatorHalt([], call("paused"), 0), 0, rules)).toBe(null);
  });
  test("BRK-16 a call of the same state prolongs, and the halt is as old as it was", () => {
    const once = triggerHalt([], call("reduce_only"), 0, rules);
    const twice = triggerHalt(once, call("reduce_only"), 1_000, rules);
    expect(twice).toEqual([{ ...call("reduce_only"), manual: false, since: 0, until: 301_000 }]);
  });
  test("BRK-16 a stricter call takes over, a milder one changes nothing until it has re-opened that far", () => {
    const mild = triggerHalt([], call("reduce_only"), 0, rules);
    const strict = triggerHalt(mild, call("no_new_orders"), 1_000, rules);
    expect(strict).toEqual([{ ...call("no_new_orders"), manual: false, since: 1_000, until: 301_000 }]);
    expect(triggerHalt(strict, call("reduce_only"), 2_000, rules)).toBe(strict);
    const renewed = triggerHalt(strict, call("reduce_only"), 301_000, rules);
    expect(renewed).toEqual([{ ...call("reduce_only"), manual: false, since: 301_000, until: 601_000 }]);
    expect(triggerHalt(strict, call("normal"), 2_000, rules)).toBe(strict);
  });
  test("BRK-07 halts of several reasons stand side by side, the strictest wins", () => {
    const one = triggerHalt([], call("no_new_orders"), 0, rules);
    const two = triggerHalt(one, call("reduce_only", "fund_drawdown"), 60_000, rules);
    expect([0, 299_999, 300_000, 359_999, 360_000].map((t) => at(two, t))).toEqual([
      "no_new_orders",
      "no_new_orders",
      "reduce_only",
      "reduce_only",
      "normal",
    ]);
  });
  test("BRK-18 an operator's halt does not expire, and no trigger touches it", () => {
    const records = operatorHalt([], call("reduce_only", "drill"), 0);
    expect(at(records, 1e12)).toBe("reduce_only");
    const both = triggerHalt(records, call("no_new_orders", "drill"), 0, rules);
    expect([at(both, 0), at(both, 1e12)]).toEqual(["no_new_orders", "reduce_only"]);
  });
  test("BRK-18 an operator's halt replaces an operator's, also by a milder one, and no trigger's", () => {
    const triggered = triggerHalt([], call("no_new_orders"), 0, rules);
    const strict = operatorHalt(triggered, call("paused", "drill"), 1);
    const mild = operatorHalt(strict, call("reduce_only", "over"), 2);
    expect([at(strict, 2), at(mild, 2)]).toEqual(["paused", "no_new_orders"]);
    expect(mild.length).toBe(2);
  });
  test("BRK-18 an operator's normal lifts everything of that scope and id, and nothing else", () => {
    const elsewhere = { ...call("reduce_only"), id: "ETH-PERP" };
    let records = triggerHalt([], call("no_new_orders"), 0, rules);
    records = operatorHalt(records, call("paused", "drill"), 1);
    records = triggerHalt(records, elsewhere, 1, rules);
    records = operatorHalt(records, call("normal", "over"), 2);
    expect(records.map((one) => one.id)).toEqual(["ETH-PERP"]);
  });

  const concerns = table(`
    rule   | scope      | id       | hits
    BRK-07 | global     | —        | yes
    BRK-07 | instrument | BTC-PERP | yes
    BRK-07 | instrument | ETH-PERP | no
    BRK-07 | account    | alice    | yes
    BRK-07 | account    | bob      | no
    BRK-07 | entity     | acme     | yes
    BRK-07 | entity     | alice    | no
  `);
  for (const { rule, scope, id, hits } of concerns)
    test(`${rule} a halt of ${scope} ${id} concerns alice of acme on BTC-PERP: ${hits}`, () => {
      const halt = { scope: scope as HaltRecord["scope"], id: id === "—" ? "" : id, state: "paused" as const };
      const records = operatorHalt([], { ...halt, reason: "drill" }, 0);
      const concern = { instrument: "BTC-PERP", account: "alice", entity: "acme" };
      expect(effectiveState(records, concern, 0, rules)).toBe(hits === "yes" ? "paused" : "normal");
      expect(effectiveState(records, {}, 0, rules)).toBe(scope === "global" ? "paused" : "normal");
    });
});
