import { describe, expect, test } from "vitest";
import { eventFolder, readCrash } from "#apps/cli/crash-files.ts";
import { htmlReport } from "#apps/cli/report-html.ts";
import { Stopwatch } from "#apps/cli/crash-speed.ts";
import { crashOutcome } from "#libs/simulation/crash-outcome.ts";
import { CrashRun, type CrashOptions } from "#libs/simulation/crash-run.ts";
import type { Fact } from "#libs/contracts/log.ts";
import { madeCrash } from "#test/support/made-crash.ts";

const covid = readCrash(eventFolder("covid-2020-03"));
const options: CrashOptions = { accounts: 300, seed: 1, policy: "queue", audit: "full" };
// The hour in which most of the day's fall happened.
const worstHours = { from: Date.UTC(2020, 2, 12, 10, 30), to: Date.UTC(2020, 2, 12, 11, 30) };

function outcomeOf(overrides: Partial<CrashOptions> = {}) {
  const run = new CrashRun(covid, { ...options, ...worstHours, ...overrides });
  run.run();
  return crashOutcome(run);
}

describe("a recorded crash against a small population", () => {
  const first = outcomeOf();

  test("goes through the whole ladder, from a warning to deleveraging, and keeps every invariant", () => {
    expect(first.missing).toEqual([]);
    expect(first.liquidated).toBeGreaterThan(10);
    expect(first.frames).toBe(240);
    expect(first.invariants).toEqual(Object.fromEntries(Object.keys(first.invariants).map((key) => [key, true])));
    expect(first.invariantsHold).toBe(true);
    expect(first.facts["audit.failed"]).toBeUndefined();
  });

  test("is the same again with the same seed, and another with another", () => {
    expect(outcomeOf().stateHash).toBe(first.stateHash);
    expect(outcomeOf({ seed: 2 }).stateHash).not.toBe(first.stateHash);
  });

  test("deleverages exactly what was needed, and somebody else under another policy", () => {
    const proRata = outcomeOf({ audit: "light", policy: "pro-rata" });
    for (const { adl } of [first, proRata]) {
      expect(adl.fills).toBeGreaterThan(0);
      expect(adl.notionalUsd).toBeCloseTo(adl.neededUsd, 2);
    }
    expect(proRata.adl.accounts).toBeGreaterThan(first.adl.accounts);
  });

  test("takes a rule patch: who intervenes earlier closes more in part", () => {
    const liquidation = { partialAt: "1.5", fullAt: "1.4", target: "1.6" };
    const early = outcomeOf({ audit: "light", rulesPatch: { warnings: ["1.7"], liquidation } });
    expect(Object.keys(early.warnings)).toEqual(["1.7"]);
    const partial = (outcome: typeof first) => outcome.stages.find(({ stage }) => stage === 2)?.notionalUsd ?? 0;
    expect(partial(early)).toBeGreaterThan(partial(first));
  });

  test("reports what it found in one page without outside parts", () => {
    const page = htmlReport([{ name: "queue", outcome: first, speed: new Stopwatch().speed() }]);
    expect(page).toContain(first.stateHash);
    expect(page).not.toMatch(/(src|href)=|url\(|<script|https?:/);
    expect(page).not.toContain("NaN");
    expect(page.match(/<section>/g)?.length).toBe(page.match(/<\/section>/g)?.length);
  });
});

describe("silence", () => {
  const quiet = madeCrash({
    minutes: 12,
    lead: () => ({ open: 100, close: 100 }),
    other: () => ({ open: 50, close: 50 }),
    silent: (minute) => minute >= 4 && minute < 8,
  });

  test("a missing bar is not made up: the price goes stale after a minute and comes back with the next bar", () => {
    const seen: Fact[] = [];
    new CrashRun(quiet, { ...options, accounts: 20, facts: (facts) => seen.push(...facts) }).run();
    const { from } = quiet.manifest;
    const changes = seen.filter((one) => one.fact === "price.quality" && one["id"] === "ETH" && one.t >= from);
    expect(changes.map((one) => [one["quality"], (one.t + 1 - from) / 15_000])).toEqual([
      ["stale", 4 * 4 + 5],
      ["good", 8 * 4 + 1],
    ]);
  });
});
