import { expect, test } from "vitest";
import { Latencies } from "#apps/cli/live/latencies.ts";
import { LiveModel } from "#apps/cli/live/model.ts";
import { shares } from "#apps/cli/live/scrape.ts";
import { cut } from "#apps/cli/live/screen.ts";
import { stagesReached } from "#apps/cli/live/summary.ts";

const fact = (seq: number, name: string, fields: object = {}) => ({ seq, t: 1_000, fact: name, ...fields });

test("a latency runs from the frame that started a liquidation, whatever comes first over the bus", () => {
  const latencies = new Latencies();
  latencies.frame("0", 1_000, 10);
  latencies.command("0", close("7-0"), 14);
  latencies.fact("0", fact(1, "liquidation.started", { saga: "7-0" }), 15);
  latencies.command("0", close("7-0"), 40);
  latencies.fact("0", fact(2, "liquidation.step", { saga: "7-0" }), 22);
  latencies.fact("0", fact(3, "liquidation.step", { saga: "7-0" }), 90);
  expect(latencies.get("close")).toEqual({ count: 1, p50: 4, p99: 4, max: 4 });
  expect(latencies.get("settled")).toEqual({ count: 1, p50: 12, p99: 12, max: 12 });
});

test("a liquidation that no frame started has no latency", () => {
  const latencies = new Latencies();
  latencies.fact("0", fact(1, "liquidation.started", { saga: "7-0" }), 15);
  latencies.command("0", close("7-0"), 40);
  expect(latencies.get("close")).toBeNull();
});

const close = (saga: string) =>
  ({
    id: `${saga}-2`,
    effect: "close",
    saga,
    account: "a",
    instrument: "X",
    side: "sell",
    qty: "1",
    limit: null,
    depthShare: null,
    whenDeep: false,
    backing: null,
  }) as const;

test("facts count once and those that are missing are noticed", () => {
  const model = new LiveModel();
  model.tookFacts("0", 1, [fact(1, "fill"), fact(2, "liquidation.started", { saga: "7-0", account: "a", ratio: "1" })]);
  model.tookFacts("0", 1, [fact(1, "fill"), fact(2, "liquidation.started", { saga: "7-0", account: "a", ratio: "1" })]);
  expect([model.fills, model.liquidations, model.missedFacts]).toEqual([1, 1, 0]);
  model.tookFacts("0", 5, [fact(5, "liquidation.ended", { saga: "7-0", outcome: "closed" })]);
  expect([model.missedFacts, model.sagas.size, model.outcomes.get("closed")]).toEqual([2, 0, 1]);
});

test("slots count as attested from the moment on that was asked for", () => {
  const model = new LiveModel();
  model.tookFacts("0", 1, [fact(1, "positions.attested", { from: 0, to: 10 })]);
  model.beginAttestation();
  expect(model.attestedSlots).toBe(0);
  model.tookFacts("0", 2, [
    fact(2, "positions.attested", { from: 5, to: 10 }),
    fact(3, "positions.differ", { from: 0, to: 7 }),
  ]);
  expect([model.attestedSlots, model.differing]).toEqual([10, 1]);
});

test("stages that were not reached are named, and count only for the demonstration as it comes", () => {
  const model = new LiveModel();
  for (const stage of [2, 3, 4, 6]) model.stages.set(stage, { steps: 1, usd: 1 });
  expect(stagesReached(model, true)).toMatchObject({ ok: false, detail: "not reached: fund-backed" });
  expect(stagesReached(model, false).ok).toBe(true);
  model.stages.set(5, { steps: 1, usd: 1 });
  expect(stagesReached(model, true).ok).toBe(true);
});

test("shares of a histogram are the bounds that they lie below", () => {
  const text = [
    'risk_check_latency_seconds_bucket{le="0.001",app="margin"} 90',
    'risk_check_latency_seconds_bucket{le="0.01",app="margin"} 100',
    'risk_check_latency_seconds_bucket{le="+Inf",app="margin"} 100',
    'other_bucket{le="0.5",app="margin"} 7',
  ].join("\n");
  expect(shares(text, "risk_check_latency_seconds")).toMatchObject({ count: 100, p50: 1, p99: 10 });
  expect(shares(text, "missing")).toBeNull();
});

test("a line is cut to the terminal's width, colours aside", () => {
  expect(cut("abcdef", 4)).toBe("abcd");
  expect(cut("\u001b[31mabc\u001b[0m", 3)).toBe("\u001b[31mabc\u001b[0m");
  expect(cut("\u001b[31mabcdef\u001b[0m", 3)).toBe("\u001b[31mabc\u001b[0m");
});
