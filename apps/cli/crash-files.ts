import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import {
  BadRecording,
  type Bar,
  type CrashManifest,
  parseBars,
  parseFunding,
  parseTiers,
  type RecordedCrash,
  type TierRow,
} from "#libs/simulation/recorded-crash.ts";

import { impliedManifest, tierTable } from "./crash-folder.ts";

/** Crashes that come with the project. */
export const crashEvents = ["covid-2020-03", "terra-2022-05", "ftx-2022-11"] as const;
export type CrashEvent = (typeof crashEvents)[number];

const recordings = fileURLToPath(new URL("../../test/fixtures/crashes/", import.meta.url));

export const eventFolder = (event: string): string => join(recordings, event);

function readText(folder: string, file: string): string {
  const path = isAbsolute(file) ? file : resolve(folder, file);
  if (!existsSync(path)) throw new BadRecording(`${path} does not exist`);
  const bytes = readFileSync(path);
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

function isManifest(value: unknown): value is CrashManifest {
  if (typeof value !== "object" || value === null) return false;
  const { name, warmupFrom, from, to, assets, instruments, sources } = value as Record<string, unknown>;
  const times = [warmupFrom, from, to].every((one) => Number.isSafeInteger(one));
  return (
    typeof name === "string" &&
    times &&
    [assets, instruments, sources].every((one) => Array.isArray(one) && one.length > 0)
  );
}

/** The manifest of a folder, its shape checked as far as the replay depends on it. Throws `BadRecording`. */
export function readManifest(folder: string): CrashManifest {
  let value: unknown;
  try {
    value = JSON.parse(readText(folder, "crash.json"));
  } catch (error) {
    if (error instanceof BadRecording) throw error;
    throw new BadRecording(`${folder}${sep}crash.json is not JSON: ${String(error)}`);
  }
  if (!isManifest(value))
    throw new BadRecording(`${folder}${sep}crash.json lacks name, times, assets, instruments or sources`);
  if (!(value.warmupFrom <= value.from && value.from < value.to))
    throw new BadRecording(`${folder}${sep}crash.json: warmupFrom, from and to must rise`);
  return value;
}

/** Symbols that the project's own tier table has. */
function tierSymbols(folder: string, file: string): ReadonlySet<string> {
  return new Set(
    readText(folder, file)
      .split("\n")
      .map((line) => line.slice(0, line.indexOf(","))),
  );
}

/**
 * Reads a recorded crash: the manifest `crash.json` of a folder and every file it names, or, where there is none, every file of bars in
 * it by its name (`venue_SYMBOL_bar.csv[.gz]`). Throws `BadRecording`.
 */
export function readCrash(folder: string): RecordedCrash {
  const bars = new Map<string, readonly Bar[]>();
  const barsOf = (file: string): readonly Bar[] => {
    const known = bars.get(file) ?? parseBars(file, readText(folder, file));
    bars.set(file, known);
    return known;
  };
  if (!existsSync(folder)) throw new BadRecording(`${folder} does not exist`);
  const manifest = existsSync(join(folder, "crash.json"))
    ? readManifest(folder)
    : impliedManifest(folder, barsOf, tierSymbols(folder, tierTable));
  const crossFiles = (manifest.crossSources ?? []).flatMap(({ file, over }) => [file, over]);
  for (const file of [...manifest.sources.map((one) => one.file), ...crossFiles]) barsOf(file);
  const tierTexts = new Map<string, string>();
  const tiers = new Map<string, readonly TierRow[]>();
  for (const { id, tierFile, tierSymbol } of manifest.instruments) {
    const text = tierTexts.get(tierFile) ?? readText(folder, tierFile);
    tierTexts.set(tierFile, text);
    tiers.set(id, parseTiers(tierFile, text, tierSymbol));
  }
  const funding = new Map(
    (manifest.funding ?? []).map(
      ({ instrument, file }) => [instrument, parseFunding(file, readText(folder, file))] as const,
    ),
  );
  return { manifest, bars, tiers, funding };
}
