import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  BadRecording,
  type CrashManifest,
  parseBars,
  parseTiers,
  type RecordedCrash,
} from "#libs/simulation/recorded-crash.ts";

/** Contracts of the demonstration: the first linear ones of the recording. */
export const instrumentsMax = 5;

const textOf = (file: string): string => {
  const bytes = readFileSync(file);
  return (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
};

/** A recorded crash of a folder, cut down to a few contracts settled in USDT. Throws `BadRecording`. */
export function readRecording(folder: string): RecordedCrash {
  const whole = JSON.parse(textOf(join(folder, "crash.json"))) as CrashManifest;
  const instruments = whole.instruments.filter(({ kind }) => kind === "linear").slice(0, instrumentsMax);
  if (instruments.length === 0) throw new BadRecording(`${folder}: no linear contract`);
  const wanted = new Set(instruments.map(({ index }) => index).concat("BTC", "ETH"));
  const manifest: CrashManifest = {
    ...whole,
    instruments,
    assets: whole.assets.filter(({ id }) => wanted.has(id)),
    sources: whole.sources.filter(({ symbol }) => wanted.has(symbol)),
    crossSources: (whole.crossSources ?? []).filter(({ symbol }) => wanted.has(symbol)),
    funding: [],
  };
  const files = new Set(manifest.sources.map(({ file }) => file));
  for (const { file, over } of manifest.crossSources ?? []) files.add(file).add(over);
  return {
    manifest,
    bars: new Map([...files].map((file) => [file, parseBars(file, textOf(join(folder, file)))])),
    tiers: new Map(
      instruments.map(({ id, tierFile, tierSymbol }) => [
        id,
        parseTiers(tierFile, textOf(join(folder, tierFile)), tierSymbol),
      ]),
    ),
    funding: new Map(),
  };
}

/** The folder of a crash that came with the repository. */
export const recordingFolder = (name: string): string =>
  join(dirname(new URL(import.meta.url).pathname), "../../../test/fixtures/crashes", name);
