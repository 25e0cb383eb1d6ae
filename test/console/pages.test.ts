import { expect, test } from "vitest";
import { scopeText, strictest } from "#apps/api/console/exchange-state.ts";
import { hrefOf, readRoute, tokenIn, type View, views } from "#apps/api/console/routes.ts";
import { nothingSeen, tallied } from "#apps/api/console/tally-of.ts";

test("every view's address is read back, and any other leads to the overview", () => {
  for (const view of Object.keys(views) as View[]) {
    expect(readRoute(hrefOf(view))).toEqual({ view, id: null, part: null });
    expect(readRoute(hrefOf(view, "a-1", "b"))).toEqual({ view, id: "a-1", part: "b" });
  }
  for (const hash of ["", "#", "#/", "#/nowhere", "#/__proto__", "#/constructor/x"])
    expect(readRoute(hash)).toMatchObject({ view: "overview" });
  expect(readRoute("#/account/%3Cscript%3E")).toEqual({ view: "account", id: null, part: null });
});

test("views are told apart by their keys", () => {
  const keys = Object.values(views).map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
});

test("a token in a link is found, with where it leads", () => {
  expect(tokenIn("#token=a.b.c")).toEqual({ token: "a.b.c", next: "#/overview" });
  expect(tokenIn("#token=a.b.c&to=%23%2Fbreakers")).toEqual({ token: "a.b.c", next: "#/breakers" });
  expect(tokenIn("#/overview")).toBeNull();
  expect(tokenIn("#token=")).toBeNull();
});

test("of several halts the strictest counts", () => {
  expect(strictest([])).toBe("normal");
  expect(strictest([{ state: "reduce_only" }, { state: "paused" }, { state: "no_new_orders" }])).toBe("paused");
  expect([scopeText({ scope: "global", id: null }), scopeText({ scope: "account", id: "a" })]).toEqual([
    "whole exchange",
    "account a",
  ]);
});

test("liquidations are counted from their facts, what the fund paid exactly", () => {
  const at = { shard: "0", seq: 1, t: 0 };
  const tally = tallied(nothingSeen, [
    { ...at, fact: "liquidation.started" },
    { ...at, fact: "liquidation.step", stage: 2 },
    { ...at, fact: "liquidation.step", stage: 2 },
    { ...at, fact: "adl.filled" },
    { ...at, fact: "insurance.paid", asset: "USDT", amount: "0.1" },
    { ...at, fact: "insurance.paid", asset: "USDT", amount: "0.2" },
    { ...at, fact: "liquidation.ended" },
    { ...at, fact: "warning" },
  ]);
  expect(tally).toEqual({ started: 1, ended: 1, steps: { 2: 2, 6: 1 }, paid: [["USDT", "0.3"]] });
  expect(tallied(tally, []).steps).toEqual(tally.steps);
});
