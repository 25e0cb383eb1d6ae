import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { createApiKey } from "#libs/adapters/postgres/index.ts";
import { secretOfKey } from "#libs/access/index.ts";
import { rootFolder } from "#libs/process/root.ts";
import { type ApiExchange, keySecret } from "./api-exchange.ts";
import { eventually } from "./live-shard.ts";

const run = promisify(execFile);
const withinMs = 20_000;
/** Each answer is followed by its status. */
const prelude = `curl() { command curl --noproxy '*' --max-time 10 -w '\\n%{http_code}\\n' "$@"; }`;

/** The blocks of a page in which something is asked, in order. */
const blocks = (page: string): readonly string[] =>
  [...readFileSync(join(rootFolder, page), "utf8").matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
    .map(([, block = ""]) => block)
    .filter((block) => /^curl /m.test(block));

interface Asked {
  readonly statuses: readonly number[];
  readonly bodies: readonly Readonly<Record<string, unknown>>[];
}

async function asked(block: string, variables: Readonly<Record<string, string>>): Promise<Asked> {
  const script = `set -euo pipefail\n${prelude}\n${block}`;
  const { stdout } = await run("bash", ["-c", script], { env: { ...process.env, ...variables }, timeout: withinMs });
  const lines = stdout.split("\n").filter((line) => line !== "");
  const bodies = lines
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Asked["bodies"][number]);
  return { statuses: lines.filter((line) => /^\d{3}$/.test(line)).map(Number), bodies };
}

/** Runs every example of docs/api.md as it stands, each with what the one before it answered. */
export async function expectExamples(exchange: ApiExchange): Promise<void> {
  await exchange.enter({ k: "cash", account: "trader-0001", asset: "USDT", amount: "1000" });
  await eventually(
    "the account of the examples",
    async () => (await exchange.get("/v1/accounts/trader-0001", "viewer")).status === 200,
  );
  const key = { id: "alices-bot", subject: "alice", owner: "alice", roles: ["trader"], label: "", expiresAt: null };
  await createApiKey(exchange.db, key);
  const variables: Record<string, string> = {
    API: exchange.url,
    TOKEN: await exchange.token("viewer"),
    OPERATOR: await exchange.token("operator:op"),
    OFFICER: await exchange.token("officer:off"),
    KEY: key.id,
    SECRET: secretOfKey(keySecret, key.id),
  };
  const got: Asked[] = [];
  for (const block of blocks("docs/api.md")) {
    const answers = await asked(block, variables);
    got.push(answers);
    const { id, payloadHash } = answers.bodies.at(-1) ?? {};
    if (typeof id === "string" && typeof payloadHash === "string")
      Object.assign(variables, { ID: id, HASH: payloadHash });
  }
  expect(got.map(({ statuses }) => statuses)).toEqual([[200, 200, 200, 200], [200], [200], [202], [200, 200], [200]]);
  const states = got.flatMap(({ bodies }) => bodies.flatMap(({ state }) => (state === undefined ? [] : [state])));
  expect(states).toEqual(["applied", "proposed", "proposed", "applied"]);
}
