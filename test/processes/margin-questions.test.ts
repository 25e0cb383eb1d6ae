import { expect, test } from "vitest";
import type { Decisions } from "#apps/margin/decisions.ts";
import { Questions } from "#apps/margin/questions.ts";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import { Gate } from "#libs/engine/index.ts";
import { silentLogger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { limitedExchange } from "#test/support/limited-exchange.ts";

const encoder = new TextEncoder();

/** Questions on an exchange whose orders are at most 3, tried out, and positions at most 5 and 500 USD. */
function asking() {
  const limits = { maxOrderQty: "3", maxPosition: "5", maxGrossUsd: "500" };
  const { engine } = limitedExchange({ limits, shadow: ["order_size"] });
  const metrics = createMetrics("test");
  const lines: string[] = [];
  const decisions = {
    slippage: { decided: () => {} },
    add: ({ line }: { line: () => string }) => void lines.push(line()),
  } as unknown as Decisions;
  const questions = new Questions({
    shard: "0",
    epoch: 1,
    answering: () => ({ engine, gate: new Gate(engine), appliedSeq: 1 }),
    assertHeard: () => {},
    decisions,
    logger: silentLogger,
    metrics,
  });
  const ask = (qty: string): Decision => {
    const order = { id: `o-${qty}`, instrument: "X", side: "buy", qty, price: "100" };
    const asked = JSON.stringify({ request: `r-${qty}`, account: "alice", order });
    return JSON.parse(questions.answer("check", encoder.encode(asked))) as Decision;
  };
  const counted = async (code: string, shadow: string): Promise<number> => {
    const text = await metrics.registry.metrics();
    const found = new RegExp(`^risk_check_reasons_total\\{code="${code}",shadow="${shadow}".*\\} (\\d+)$`, "m").exec(
      text,
    );
    return Number(found?.[1] ?? 0);
  };
  return { ask, counted, lines };
}

test("every reason of a refusal is counted, with those of checks that are tried out, and every decision is recorded", async () => {
  const { ask, counted, lines } = asking();
  expect(ask("2").codes).toEqual([]);
  expect(ask("4")).toMatchObject({ decision: "accept", shadow: ["order_size"] });
  expect(ask("6").codes).toEqual(["position_limit", "gross_limit"]);
  expect(await counted("position_limit", "no")).toBe(1);
  expect(await counted("gross_limit", "no")).toBe(1);
  expect(await counted("order_size", "yes")).toBe(2);
  expect(await counted("order_size", "no")).toBe(0);
  expect(lines).toHaveLength(3);
});
