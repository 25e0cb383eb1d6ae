import { expect, test } from "vitest";
import { createLogger } from "#libs/telemetry/logger.ts";
import { createMetrics, setState } from "#libs/telemetry/metrics.ts";
import { seriesMax } from "#libs/telemetry/labelled.ts";
import { childOf, newTrace, traceIdOf } from "#libs/telemetry/trace.ts";

function logged(fields: object, message = "said"): Record<string, unknown> {
  const lines: string[] = [];
  createLogger("test", "info", { write: (line: string) => void lines.push(line) }).info(fields, message);
  return JSON.parse(lines[0] ?? "") as Record<string, unknown>;
}

test("secrets by name and passwords in URLs never reach the log, at any depth", () => {
  const error = new Error("no postgres://me:pw1@h/d", { cause: new Error("redis://:pw2@h") });
  const fields = { natsPassword: "pw3", nested: { token: "pw4", list: ["nats://u:pw5@h"] }, "api-key": "pw6", error };
  const line = logged(fields, "at nats://u:pw7@h");
  expect(JSON.stringify(line)).not.toMatch(/pw\d/);
  expect(line).toMatchObject({ level: "info", name: "test", msg: "at nats://u:***@h", nested: { token: "***" } });
});

test("what is no secret stays readable", () => {
  expect(logged({ account: "a1", qty: 12n, bytes: new Uint8Array(3), key: "effect-1" })).toMatchObject({
    account: "a1",
    qty: "12",
    bytes: "3 bytes",
    key: "effect-1",
  });
});

test("metrics have the field's names, and counting goes to the labels given", async () => {
  const metrics = createMetrics("margin");
  metrics.riskChecks.with("reject", "notional").inc();
  metrics.riskChecks.with("reject", "notional").inc(2);
  metrics.riskCheckLatency.observe(0.000_2);
  setState(metrics.shardState, ["starting", "ready"], "ready");
  const text = await metrics.registry.metrics();
  expect(text).toContain('risk_checks_total{decision="reject",code="notional",app="margin"} 3');
  expect(text).toContain('risk_check_latency_seconds_count{app="margin"} 1');
  expect(text).toContain('shard_state{state="ready",app="margin"} 1');
  expect(text).toContain('shard_state{state="starting",app="margin"} 0');
  expect(text).toContain("process_cpu_seconds_total");
  expect(() => metrics.riskChecks.with("reject")).toThrow("labels are decision, code");
});

test("labels cannot fill the memory", async () => {
  const metrics = createMetrics("margin");
  for (let at = 0; at < seriesMax + 50; at += 1) metrics.engineEntries.with(`kind-${at}`).inc();
  const text = await metrics.registry.metrics();
  expect(text).toContain('engine_entries_total{kind="other",app="margin"} 50');
});

test("a trace keeps its id from span to span, and begins anew where none can be read", () => {
  const trace = newTrace();
  const child = childOf(trace);
  expect(trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect([traceIdOf(child) === traceIdOf(trace), child === trace]).toEqual([true, false]);
  for (const bad of [undefined, "", `00-${"0".repeat(32)}-${"1".repeat(16)}-01`, `${trace}0`]) {
    expect(traceIdOf(childOf(bad))).not.toBe(traceIdOf(trace));
  }
});
