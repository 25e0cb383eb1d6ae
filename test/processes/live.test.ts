import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Summary } from "#apps/cli/live/summary.ts";
import { rootFolder } from "#libs/process/root.ts";

const withinMs = 240_000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly log: string;
}

/** The command as a person runs it; `until`: a line of its log at which it is interrupted, and again with all that follows it. */
async function live(words: readonly string[], until?: RegExp): Promise<Ran> {
  const child = spawn(join(rootFolder, "scripts/start"), words, { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let log = "";
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => {
    log += data.toString();
    if (until?.test(log) === true) child.kill("SIGINT");
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, log };
}

test(
  "scripts/start --once runs every process on a recorded crash, and everything that must hold does",
  { timeout: withinMs },
  async () => {
    const times = ["--from", "2020-03-12T10:38Z", "--to", "2020-03-12T10:50Z"];
    const { code, out, log } = await live(["--once", "--json", "--traders", "40", "--speed", "20", ...times]);
    expect(out, log).toContain('"ok"');
    const summary = JSON.parse(out) as Summary;
    expect(summary.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect([summary.ok, code]).toEqual([true, 0]);
    // Something has happened that could have gone wrong.
    expect(summary.trades).toBeGreaterThan(0);
    expect(summary.checks.map(({ what }) => what)).toEqual([
      "stages of the waterfall",
      "checks of the gate refuse",
      "API lets everybody in",
      "halt by one, release by two",
      "stream = API",
      "audit",
      "came to rest",
      "memory = matching engine",
      "memory = PostgreSQL, shard 0",
      "journal = tables = ledger, shard 0",
      "replay reaches the leader's hash, shard 0",
      "facts arrived without a gap",
      "self-audit",
      "processes",
    ]);
  },
);

test("Ctrl-C stops it cleanly while it starts or runs", { timeout: withinMs }, async () => {
  const { code, log } = await live(["--traders", "20"], /starting crowd/);
  expect([code, log.includes("stopping ...")], log).toEqual([0, true]);
});

test("times outside of the recording are refused", { timeout: withinMs }, async () => {
  const { code, log } = await live(["--from", "2019-01-01T00:00Z"]);
  expect(code).toBe(2);
  expect(log).toContain("must lie within the recording");
});
