import { describe, expect, test } from "vitest";
import { AlertBook } from "#apps/scheduler/alerts/book.ts";
import { alertCodes, endingAlarms, redAlarms } from "#apps/scheduler/alerts/catalogue.ts";
import { textOf } from "#apps/scheduler/alerts/channels.ts";
import {
  type Condition,
  conditionsOf,
  endsWhenSeen,
  levelOf,
  type RaisedAlarm,
  type Seen,
} from "#apps/scheduler/alerts/conditions.ts";
import { limits, retryAfterMs } from "#apps/scheduler/alerts/limits.ts";
import type { HaltRow, KeptAlert } from "#libs/adapters/postgres/index.ts";
import type { LimitUseRow } from "#libs/contracts/live/limits.ts";
import { Alert } from "#libs/contracts/stream/alerts.ts";
import { readMessage } from "#libs/contracts/live/reading.ts";
import { table } from "#test/support/table.ts";

const nothing: Seen = { halts: new Map(), alarms: [], limits: new Map(), silent: new Map(), unwatched: [] };

for (const { share, level } of table(`
  share  | level
  0.5    | -
  0.5001 | yellow
  0.75   | yellow
  0.7501 | orange
  3      | orange
`))
  test(`a limit of which ${share} is used: ${level}`, () => expect(levelOf(share) ?? "-").toBe(level));

describe("what is worth a look", () => {
  const halt = (changes: Partial<HaltRow>): HaltRow => ({
    scope: "instrument",
    id: "X",
    state: "reduce_only",
    reason: "price_move",
    manual: false,
    since: 1,
    until: null,
    ...changes,
  });

  test("a halt of the exchange or of an instrument is one alert, whichever shards have it; accounts halted alike are one", () => {
    const accounts = ["a", "b"].map((id) => halt({ scope: "account", id, reason: "day_loss" }));
    const halts = new Map([
      [
        "0",
        [halt({}), halt({ scope: "global", id: null, state: "paused", reason: "operator", manual: true }), ...accounts],
      ],
      ["1", [halt({}), halt({ scope: "account", id: "c", reason: "day_loss" }), halt({ id: "Y", state: "normal" })]],
    ]);
    const found = conditionsOf({ ...nothing, halts });
    expect(found.map(({ id, level, title }) => [id, level, title])).toEqual([
      ["halted:instrument:X:price_move", "red", "instrument X is reduce_only: price_move"],
      ["halted:global:all:operator", "red", "the exchange is paused: operator, by an operator"],
      ["accounts_halted:day_loss", "red", "3 accounts are halted: day_loss"],
    ]);
    expect(found[0]?.detail).toMatchObject({ shards: ["0", "1"] });
  });

  test("limits of accounts, losses apart; breakers and the fund; the fullest where there are too many", () => {
    const row = (account: string, limit: string, share: string | null): LimitUseRow => ({
      account,
      limit,
      instrument: null,
      value: "1",
      bound: "2",
      share,
      level: "exchange",
    });
    const accounts = [row("a", "maxGrossUsd", "0.62"), row("a", "dayLoss", "0.9"), row("b", "maxNetUsd", "0.5")];
    const exchange = [{ what: "fund_drawdown", of: "USDT", value: "0.2", bound: "0.3", share: "0.6667" }] as const;
    const found = conditionsOf({ ...nothing, limits: new Map([["0", { accounts, exchange: [...exchange] }]]) });
    expect(found.map(({ code, level, title }) => [code, level, title])).toEqual([
      ["fund_drawdown_near", "yellow", "the fund's drawdown of USDT is at 65 % of its limit"],
      ["loss_limit_used", "orange", "a has used 90 % of dayLoss (exchange)"],
      ["limit_used", "yellow", "a has used 60 % of maxGrossUsd (exchange)"],
    ]);
    const many = Array.from({ length: limits.limitsMost + 9 }, (_, at) => row(`m${at}`, "maxPosition", "0.6"));
    const full = conditionsOf({
      ...nothing,
      limits: new Map([["0", { accounts: [...many, row("z", "maxPosition", null)], exchange: [] }]]),
    });
    expect([full.length, full[0]?.title]).toEqual([
      limits.limitsMost,
      "z has used more than all of maxPosition (exchange)",
    ]);
  });

  test("an alarm stands until the one that ends it, or until somebody has seen it, under its own id", () => {
    const alarm = (id: string, code: string, shard: string | null = "0"): RaisedAlarm => ({
      id,
      code,
      shard,
      text: id,
      at: 1,
    });
    const ids = (...alarms: RaisedAlarm[]) =>
      conditionsOf({ ...nothing, alarms }).map(({ id, level }) => `${id} ${level}`);
    expect(ids(alarm("m1", "memory_differs"), alarm("e1", "effect_stuck"), alarm("p1", "provider_timeout"))).toEqual([
      "m1 red",
      "e1 red",
      "p1 orange",
    ]);
    expect(ids(alarm("m1", "memory_differs"), alarm("m2", "memory_differs_over"))).toEqual([]);
    expect(ids(alarm("m1", "memory_differs", "1"), alarm("m2", "memory_differs_over"))).toEqual(["m1 red"]);
    expect(ids(alarm("m2", "memory_differs_over"), alarm("m3", "memory_differs"))).toEqual(["m3 red"]);
    expect([endsWhenSeen("effect_stuck"), endsWhenSeen("memory_differs"), endsWhenSeen("halted")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("every code has a meaning, and what is made of it is an alert of the contract", () => {
    for (const code of [...endingAlarms, ...redAlarms]) expect(alertCodes).toHaveProperty(code);
    const seen = { ...nothing, silent: new Map([["0", "gap"]]), unwatched: ["0"] };
    const { keep } = new AlertBook().step([], conditionsOf(seen), 5);
    expect(keep).toHaveLength(2);
    for (const { told: _told, forget: _forget, ...alert } of keep) {
      const message = new TextEncoder().encode(JSON.stringify(alert));
      expect(readMessage(message, { sizeMax: 10_000, schemaOf: () => Alert })).toMatchObject({ ok: true });
    }
  });
});

describe("how an alert goes on", () => {
  const condition = (level: Condition["level"], title = "t"): Condition => ({
    id: "c",
    code: "limit_used",
    level,
    title,
    group: "g",
    detail: null,
  });

  /** A book with its database: what stands, and how often it was told of each state. */
  class Kept {
    readonly #book = new AlertBook();
    readonly alerts = new Map<string, KeptAlert>();
    step(now: number, ...conditions: Condition[]): string[] {
      const { keep, tell } = this.#book.step([...this.alerts.values()], conditions, now);
      for (const { forget, ...alert } of keep) {
        const before = this.alerts.get(alert.id);
        this.alerts.set(alert.id, { ...alert, ack: forget ? null : (before?.ack ?? null) });
      }
      return tell.map(({ level, until }) => (until === null ? level : "over"));
    }
    seen(): void {
      const alert = this.alerts.get("c") as KeptAlert;
      this.alerts.set("c", { ...alert, ack: { by: "eve", at: 1 } });
    }
    get alert(): KeptAlert | undefined {
      return this.alerts.get("c");
    }
  }

  test("it is told once for each level that it reaches, not when it falls, and not again within a while", () => {
    const kept = new Kept();
    expect(kept.step(0, condition("yellow"))).toEqual(["yellow"]);
    expect(kept.step(1, condition("yellow"))).toEqual([]);
    expect(kept.step(2, condition("orange"))).toEqual(["orange"]);
    expect(kept.step(3, condition("yellow", "less"))).toEqual([]);
    expect(kept.alert).toMatchObject({ level: "yellow", title: "less", since: 0, count: 1 });
    expect(kept.step(4, condition("orange"))).toEqual([]);
    expect(kept.step(5, condition("yellow"))).toEqual([]);
    expect(kept.step(2 + limits.quietMs, condition("orange"))).toEqual(["orange"]);
  });

  test("it ends once it has not been met for a while; begun again soon it is the same, counted and not told", () => {
    const kept = new Kept();
    kept.step(0, condition("orange"));
    expect(kept.step(1)).toEqual([]);
    expect(kept.step(limits.endsAfterMs)).toEqual([]);
    expect(kept.step(1 + limits.endsAfterMs)).toEqual(["over"]);
    expect(kept.alert?.until).toBe(1 + limits.endsAfterMs);
    expect(kept.step(20_000, condition("orange"))).toEqual([]);
    expect(kept.alert).toMatchObject({ count: 2, since: 20_000, until: null });
    kept.step(21_000);
    expect(kept.step(22_000, condition("orange"))).toEqual([]);
    expect(kept.step(21_000 + limits.endsAfterMs)).toEqual([]);
    expect(kept.alert?.until).toBeNull();
  });

  test("a red one that nobody has seen is told again; seen, it is quiet until it is worse or begins anew", () => {
    const kept = new Kept();
    kept.step(0, condition("red"));
    expect(kept.step(limits.repeatMs - 1, condition("red"))).toEqual([]);
    expect(kept.step(limits.repeatMs, condition("red"))).toEqual(["red"]);
    kept.seen();
    expect(kept.step(3 * limits.repeatMs, condition("red"))).toEqual([]);
    const milder = new Kept();
    milder.step(0, condition("yellow"));
    milder.seen();
    expect(milder.step(1, condition("orange"))).toEqual(["orange"]);
    expect(milder.alert?.ack).toBeNull();
  });

  test("an alarm without an end of its own ends when somebody has seen it, and does not come back", () => {
    const kept = new Kept();
    const stuck = { ...condition("red"), code: "effect_stuck" };
    kept.step(0, stuck);
    kept.seen();
    expect(kept.step(1, stuck)).toEqual([]);
    expect(kept.alert).toMatchObject({ until: 1 });
    expect(kept.step(10 * limits.repeatMs, stuck)).toEqual([]);
    expect(kept.alert).toMatchObject({ until: 1, count: 1 });
  });
});

test("a message has what belongs together together, with its runbook, and is not too long for its channel", () => {
  const alert = (group: string, title: string, changes: Partial<Alert> = {}): Alert => ({
    id: title,
    level: "orange",
    code: "limit_used",
    title,
    group,
    since: 1,
    until: null,
    count: 1,
    ack: null,
    detail: null,
    ...changes,
  });
  expect(textOf([alert("a", "one"), alert("b", "two", { level: "red" }), alert("a", "three", { until: 2 })])).toBe(
    ["a", "🟠 one (docs/runbooks/limit_used.md)", "✅ over: three", "b", "🔴 two (docs/runbooks/limit_used.md)"].join(
      "\n",
    ),
  );
  const long = textOf(Array.from({ length: 40 }, (_, at) => alert("a", `${at} ${"x".repeat(180)}`)));
  expect(long.length).toBeLessThan(4_096);
  expect(long).toMatch(/… and \d+ lines more$/);
});

test("a delivery that fails is made again after ever longer, up to a bound", () => {
  expect([0, 1, 2, 3, 20, 30].map(retryAfterMs)).toEqual([
    0,
    1_000,
    2_000,
    4_000,
    limits.retryMostMs,
    limits.retryMostMs,
  ]);
});
