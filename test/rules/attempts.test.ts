import { expect, test } from "vitest";
import { type Attempt, Attempts } from "#apps/api/attempts.ts";
import type { AuditRecord } from "#libs/adapters/postgres/index.ts";
import { silentLogger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";
import { eventually } from "#test/support/live-shard.ts";

/** The audit of a test: what it holds, and whether it takes anything more. */
function auditOf(options: { failures?: number } = {}) {
  const held: AuditRecord[] = [];
  let failures = options.failures ?? 0;
  const append = async (record: AuditRecord): Promise<void> => {
    await Promise.resolve();
    failures -= 1;
    if (failures >= 0) throw new Error("the database is away");
    held.push(record);
  };
  const keyExists = async (id: string) => Promise.resolve(id === "known");
  const parts = { logger: silentLogger, metrics: createMetrics("test"), now: () => 7 };
  return { held, attempts: new Attempts({ append, keyExists, ...parts }) };
}
const attempt = (actor: string, key: string | null = null): Attempt => ({
  actor,
  key,
  verified: key === null,
  action: "command.halt.refused",
  code: "forbidden",
  detail: () => ({ code: "forbidden" }),
});

test("attempts of one who floods are summed up, others' are recorded by themselves, and none is lost while the database is away", async () => {
  const { held, attempts } = auditOf({ failures: 2 });
  for (let at = 0; at < 10_000; at += 1) attempts.note(attempt("flooder"));
  attempts.note(attempt("ann"));
  attempts.sum();
  attempts.note(attempt("flooder"));
  await eventually("every record", () => Promise.resolve(held.length === 8));
  const each = { actor: "flooder", action: "command.halt.refused", detail: { code: "forbidden" } };
  const of = { "command.halt.refused forbidden": 9_995 };
  const summed = { actor: "flooder", action: "attempts.summed", detail: { count: 9_995, since: 7, until: 7, of } };
  expect(held).toEqual([each, each, each, each, each, { ...each, actor: "ann" }, summed, each]);
  await attempts.stop();
});

test("of keys that nobody proved to have only those that exist are recorded, and they leave nobody else out", async () => {
  const { held, attempts } = auditOf();
  attempts.note(attempt("key:known", "known"));
  for (let at = 0; at < 500; at += 1) attempts.note(attempt(`key:k${at}`, `k${at}`));
  for (let at = 0; at < 1_001; at += 1) attempts.note(attempt(`p${at}`));
  await attempts.stop();
  const of = (actor: string) => held.filter((one) => one.actor === actor);
  expect([of("key:known").length, of("key:k0").length, of("p0").length]).toEqual([1, 0, 1]);
  expect(of("(not verified)")).toMatchObject([{ action: "attempts.summed", detail: { count: 401 } }]);
  expect(of("(others)")).toMatchObject([{ detail: { count: 2 } }]);
});
