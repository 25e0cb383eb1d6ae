import { planCrowd } from "./crowd/plan.ts";
import { readRecording, recordingFolder } from "./crowd/recording.ts";

export interface CrowdOptions {
  /** Name of a recorded crash under `test/fixtures/crashes`. */
  readonly crash: string;
  readonly traders: number;
  readonly seed: number;
  /** UTC ms of the market at which the crowd stops; null: at the end of the recording. */
  readonly to: number | null;
}

export const crowdDefaults: CrowdOptions = { crash: "covid-2020-03", traders: 300, seed: 1, to: null };

const limits = { tradersMax: 10_000, seedMax: 2 ** 31 } as const;
/** The end of the year 2199, UTC ms. */
const timeMax = 7_258_118_399_999;

/** `--crash name --traders n --seed n --to ms`; throws for anything else. */
export function readCrowdOptions(args: readonly string[]): CrowdOptions {
  const options = { ...crowdDefaults };
  for (let at = 0; at < args.length; at += 2) {
    const [name, value = ""] = [args[at], args[at + 1]];
    if (name === "--crash" && /^[a-z0-9-]{1,64}$/.test(value)) options.crash = value;
    else if (name === "--traders") options.traders = whole(name, value, limits.tradersMax);
    else if (name === "--seed") options.seed = whole(name, value, limits.seedMax);
    else if (name === "--to") options.to = whole(name, value, timeMax);
    else throw new RangeError(`unknown argument ${name ?? ""} ${value}`);
  }
  return options;
}

function whole(name: string, value: string, most: number): number {
  const number = /^\d{1,13}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= 1 && number <= most)) throw new RangeError(`${name} must be a whole number from 1 to ${most}`);
  return number;
}

/** The genesis rules of the demonstration as JSON: contracts and tiers of the recording, ladder and fund sized by the crowd. */
export function demoRules(options: CrowdOptions = crowdDefaults): string {
  return `${JSON.stringify(planCrowd(readRecording(recordingFolder(options.crash)), options).rules, null, 2)}\n`;
}
