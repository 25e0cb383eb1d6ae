import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { run } from "#apps/cli/program.ts";
import { readEnvironment } from "#libs/process/environment.ts";
import { followedBy, sound } from "#test/support/door.ts";
import { root } from "#test/support/source.ts";

interface Ended {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command as a user would; `readBytes` stops listening to it after so much. */
function plimsoll(words: readonly string[], input = "", readBytes = Number.POSITIVE_INFINITY): Promise<Ended> {
  const main = ["--import", join(root, "node_modules/tsx/dist/esm/index.mjs"), join(root, "apps/cli/main.ts")];
  const child = spawn(process.execPath, [...main, ...words], {
    env: { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.json") },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    if (stdout.length > readBytes) child.stdout.destroy();
  });
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  // A command that refuses its command line does not read its input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exit) => resolve({ exit, stdout, stderr }));
  });
}

/** Runs the command inside of this process: enough where nothing is read and the exit code is the answer. */
async function inProcess(words: readonly string[]): Promise<Ended> {
  const said = { stdout: "", stderr: "" };
  const listen = (stream: "stdout" | "stderr") =>
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    });
  const spies = [listen("stdout"), listen("stderr")];
  try {
    const exit = await run(words);
    return { exit, ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

let folder = "";
const rejected = followedBy(
  { t: 1, k: "cash", account: "alice", asset: "USDT", amount: "-1000000" },
  { t: 2, k: "ask", what: "account", account: "alice" },
);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-cli-"));
  mkdirSync(join(folder, "many"));
  mkdirSync(join(folder, "none"));
  writeFileSync(join(folder, "rejected.json"), rejected);
  writeFileSync(join(folder, "many", "b.json"), JSON.stringify(sound));
  writeFileSync(join(folder, "many", "a.json"), "{");
  writeFileSync(join(folder, "many", "c.json"), rejected);
  writeFileSync(join(folder, "many", "notes.txt"), "not a scenario");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("replay", () => {
  test("prints one JSON object for one file, the same from standard input", async () => {
    const file = await plimsoll(["replay", join(folder, "rejected.json")]);
    expect([file.exit, file.stderr]).toEqual([0, ""]);
    const result = JSON.parse(file.stdout) as { facts: unknown[]; answers: unknown[] };
    expect(Object.keys(result)).toEqual(["ok", "stateHash", "answers", "facts", "invariants"]);
    expect(result.answers.length).toBe(1);
    expect(await plimsoll(["replay", "-"], rejected)).toEqual(file);
    const facts = await plimsoll(["replay", "--facts", "-"], rejected);
    expect(
      facts.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(result.facts);
  });

  test("prints a line for each file of a folder, in order of name, going on after a refused one", async () => {
    const { exit, stdout } = await plimsoll(["replay", join(folder, "many")]);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { file: string; ok: boolean });
    expect(lines.map(({ file, ok }) => [file, ok])).toEqual([
      [join(folder, "many", "a.json"), false],
      [join(folder, "many", "b.json"), true],
      [join(folder, "many", "c.json"), true],
    ]);
    expect(exit).toBe(2);
  });

  test("refuses with every problem on standard output and exit 2", async () => {
    const { exit, stdout } = await plimsoll(["replay", "-"], '{"rules":{},"entries":[{"t":0,"k":"cash"}],"more":1}');
    expect(exit).toBe(2);
    const { ok, problems } = JSON.parse(stdout) as { ok: boolean; problems: { path: string; code: string }[] };
    expect(ok).toBe(false);
    expect(problems.map(({ path, code }) => `${path} ${code}`)).toEqual([
      "$.more unknown_key",
      "$.entries[0].account missing_key",
      "$.entries[0].asset missing_key",
      "$.entries[0].amount missing_key",
    ]);
    const missing = await plimsoll(["replay", join(folder, "nowhere.json")]);
    expect([missing.exit, JSON.parse(missing.stdout)]).toMatchObject([2, { problems: [{ code: "unreadable" }] }]);
  });

  test("speaks in tables to people, without colours where nobody sees them", async () => {
    const { exit, stdout } = await plimsoll(["replay", "--table", join(folder, "rejected.json")]);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^seq {2,}t {2,}fact/);
    expect(stdout).toContain("cash.rejected");
    expect(stdout).not.toContain("\u001b");
    expect(readEnvironment({ NO_COLOR: "1" }).noColor).toBe(true);
    expect(readEnvironment({ NO_COLOR: "" }).noColor).toBe(false);
    expect(readEnvironment({}).noColor).toBe(false);
  });

  test("ends quietly when its reader stops listening", async () => {
    const asks = Array.from({ length: 5000 }, () => ({ t: 2, k: "ask", what: "account", account: "alice" }));
    const { exit, stderr } = await plimsoll(["replay", "-"], followedBy(...asks), 10);
    expect([exit, stderr]).toEqual([141, ""]);
  });
});

describe("explain", () => {
  test("shows the receipt of a rejection, for people and as JSON", async () => {
    const file = join(folder, "rejected.json");
    const text = await plimsoll(["explain", file, "--last"]);
    expect(text.exit).toBe(0);
    expect(text.stdout).toMatch(/^rejection: fact \d+ cash\.rejected\n/);
    for (const heading of ["who", "rule", "prices", "inputs", "computation"]) expect(text.stdout).toContain(heading);
    const { stdout } = await plimsoll(["explain", file, "--account", "alice", "--json"]);
    expect(JSON.parse(stdout.split("\n")[0] ?? "")).toMatchObject({
      receipt: { kind: "rejection", subject: { account: "alice" } },
    });
    const nothing = await plimsoll(["explain", file, "--account", "bob"]);
    expect([nothing.exit, nothing.stdout]).toEqual([1, ""]);
    expect(nothing.stderr).toContain("nothing to explain about the account bob; facts with a receipt: ");
  });
});

describe("usage", () => {
  test.each([
    [[]],
    [["replay"]],
    [["replay", "--json", "--table", "x"]],
    [["replay", "-", "-"]],
    [["replay", "--colour", "x"]],
    [["explain", "x"]],
    [["explain", "x", "--last", "--fact", "1"]],
    [["explain", "x", "--fact", "one"]],
    [["sail"]],
  ])("%j is answered on standard error, with exit 64", async (words: string[]) => {
    const { exit, stdout, stderr } = await inProcess(words);
    expect([exit, stdout]).toEqual([64, ""]);
    expect(stderr).not.toContain("    at ");
  });

  test.each([[["--help"]], [["replay", "--help"]], [["explain", "--help"]]])(
    "%j says how, and the exit codes",
    async (words: string[]) => {
      const { exit, stdout } = await inProcess(words);
      expect(exit).toBe(0);
      expect(stdout).toContain("Usage: plimsoll");
      expect(stdout).toContain("Exit codes:");
      if (words.length > 1) expect(stdout).toContain("Examples:");
    },
  );

  test("a folder without scenarios is said to be one", async () => {
    const { exit, stderr } = await inProcess(["replay", join(folder, "none")]);
    expect([exit, stderr]).toEqual([1, "plimsoll: no *.json to run\n"]);
  });
});
