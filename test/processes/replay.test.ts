import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readScenario } from "#apps/cli/scenario.ts";
import { runScenario } from "#libs/simulation/scenario.ts";
import { table } from "#test/support/table.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const example = "docs/examples/first.json";

/** State hashes that must never change by themselves: a change here is a change of what is computed, and has to be meant. */
const golden = JSON.parse(readFileSync(`${root}test/fixtures/golden-hashes.json`, "utf8")) as Readonly<
  Record<string, string>
>;

function hashOf(file: string): string {
  const reading = readScenario(readFileSync(`${root}${file}`));
  if (!reading.ok) throw new Error(`${file} is refused`);
  return runScenario(reading.scenario).stateHash;
}

for (const [file, hash] of Object.entries(golden))
  test(`INV-08 ${file} gives the state hash that it gave on every machine so far`, () => {
    expect(hashOf(file)).toBe(hash);
  });

const places = table(`
  zone            | language
  UTC             | C
  Asia/Kathmandu  | tr_TR.UTF-8
  America/St_Johns | ar_EG.UTF-8
`);
for (const place of places)
  test(`INV-08 the command line gives the same state hash in ${place.zone} under ${place.language}`, () => {
    const ran = spawnSync(process.execPath, ["--import", "tsx", "apps/cli/main.ts", "replay", example], {
      cwd: root,
      encoding: "utf8",
      timeout: 60_000,
      env: { ...process.env, TZ: place.zone, LC_ALL: place.language, LANG: place.language },
    });
    expect(ran.stderr).toBe("");
    expect((JSON.parse(ran.stdout) as { stateHash: string }).stateHash).toBe(golden[example]);
    expect(ran.status).toBe(0);
  });
