import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { connectBus } from "#libs/adapters/nats/index.ts";
import type { VenueStatus } from "#libs/contracts/live/venue.ts";
import { clockSetting } from "#libs/process/clock.ts";
import { startNats } from "#libs/process/servers/index.ts";
import { spawnApp } from "#libs/process/spawn-app.ts";
import { migratedPostgres } from "#test/support/servers.ts";
import { between } from "#apps/venue/crowd/price-path.ts";
import { demoRules } from "#apps/venue/demo-rules.ts";
import { readRecording, recordingFolder } from "#apps/venue/crowd/recording.ts";

const options = { crash: "covid-2020-03", traders: 20, seed: 3, to: null };
const speed = 60;

test("the crowd brings prices and orders, and trades on the venue", async () => {
  const folder = mkdtempSync(`${tmpdir()}/plimsoll-crowd-`);
  const [nats, postgres] = await Promise.all([startNats(), migratedPostgres()]);
  const bus = await connectBus({ url: nats.url, name: "test", namespace: "" });
  writeFileSync(`${folder}/rules.json`, demoRules(options));
  const { manifest } = readRecording(recordingFolder(options.crash));
  const environment = {
    NATS_URL: nats.url,
    DATABASE_URL: postgres.url,
    PLIMSOLL_DATA: folder,
    PLIMSOLL_RULES: `${folder}/rules.json`,
    PLIMSOLL_CLOCK: clockSetting(manifest.from, speed, Date.now()),
  };
  // Risk that lets everybody trade: what the crowd does is looked at here, not what it may.
  const risk = bus.respond(bus.names.subjects.rpc("0", "check"), (data) => {
    const { request } = JSON.parse(new TextDecoder().decode(data)) as { request: string };
    return { request, decision: "accept", codes: [], epoch: 1, ttlMs: 500, expiresAt: Date.now() + 500 };
  });
  const quotes = new Set<string>();
  const listening = bus.subscribe(bus.names.subjects.quotes, ({ subject }) => quotes.add(subject));
  const venue = await spawnApp("venue", environment);
  await venue.whenMessage("ready");
  const crowd = await spawnApp("venue", environment, { arguments: ["crowd", "--traders", "20", "--seed", "3"] });
  try {
    await crowd.whenMessage("ready");
    const status = () => bus.request<VenueStatus>(bus.names.subjects.venue("status"), {}, { timeoutMs: 2_000 });
    await expect.poll(async () => (await status()).trades, { timeout: 40_000, interval: 200 }).toBeGreaterThan(10);
    expect(quotes).toContain("oracle.quote.par.USDT");
    expect([...quotes].some((subject) => subject.endsWith(".BTC"))).toBe(true);
  } finally {
    listening.stop();
    await crowd.stop();
    await venue.stop();
    risk.stop();
    await bus.close();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("prices walk from one recorded point to the next and arrive at it to the letter", () => {
  expect(between("100.5", "101", 0.5)).toBe("100.8");
  expect(between("100.50", "101", 0.5)).toBe("100.75");
  expect(between("0.0001", "0.0002", 0.5)).toBe("0.0002");
  expect(between("7.10", "6", 1)).toBe("6");
});
