import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { readCrash } from "#apps/cli/crash-files.ts";
import { BadRecording } from "#libs/simulation/recorded-crash.ts";

const fixtures = fileURLToPath(new URL("../fixtures/crashes/covid-2020-03/", import.meta.url));
const folders: string[] = [];

function folderOf(...files: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-crash-"));
  folders.push(folder);
  for (const file of files) copyFileSync(join(fixtures, file), join(folder, file));
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

test("a folder of bars without a manifest is read by the names of its files", () => {
  const folder = folderOf("bitmex_XBTUSD_1m.csv.gz", "binance_spot_ETHUSDT_5m.csv.gz", "binance_spot_NEOBTC_1m.csv.gz");
  writeFileSync(join(folder, "notes.txt"), "not a recording");
  const { manifest } = readCrash(folder);
  expect(
    manifest.sources.map((one) => [one.source, one.symbol, one.barMs, one.quote, one.volumeUnit, one.weight]),
  ).toEqual([
    ["binance_spot", "ETH", 300_000, "USDT", "base", "2"],
    ["binance_spot", "NEO", 60_000, "BTC", "base", "2"],
    ["bitmex", "BTC", 60_000, "USDT", "usd", "1"],
  ]);
  expect(manifest.instruments.map((one) => [one.id, one.settle, one.lot])).toEqual([
    ["BTC-PERP", "USDT", "0.001"],
    ["BTC-INV", "BTC", "1"],
    ["ETH-PERP", "USDT", "0.01"],
    ["NEO-PERP", "USDT", "1"],
  ]);
  // The lowest price of the lead, 3,596 on 13 March 02:15, lies inside the two days.
  const low = Date.UTC(2020, 2, 13, 2, 15);
  expect(manifest.from < low && low < manifest.to && manifest.to - manifest.from <= 2 * 86_400_000).toBe(true);
});

test("a folder without anything to replay is refused", () => {
  expect(() => readCrash(folderOf())).toThrow(BadRecording);
  expect(() => readCrash(folderOf("binance_spot_NEOBTC_1m.csv.gz"))).toThrow(BadRecording);
  expect(() => readCrash(join(tmpdir(), "plimsoll-no-such-folder"))).toThrow(BadRecording);
});
