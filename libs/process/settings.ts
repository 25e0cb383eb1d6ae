import { clockFrom } from "./clock.ts";

/** What every process of the live backend is told by its environment; nothing else reads it. */
export interface Settings {
  /** One or more servers of one cluster, with commas between them. */
  readonly natsUrl: string;
  readonly natsUser: string | null;
  readonly natsPassword: string | null;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  /** Prefix of subjects, streams and keys on servers that other deployments use too; "" in production. */
  readonly namespace: string;
  /** On how many servers of a cluster each stream is kept: 1, 3 or 5. */
  readonly streamReplicas: number;
  /** Every shard of the deployment, in the order that slots are dealt. */
  readonly shards: readonly string[];
  /** The one that a margin process works for. */
  readonly shard: string;
  readonly httpHost: string;
  /** 0: any free port, told in the line "listening". */
  readonly httpPort: number;
  /** Of the WebSocket; 0: any free port, told in the line "ready". */
  readonly streamPort: number;
  /** Where the API is served; 0: any free port, told in the line "serving". */
  readonly apiPort: number;
  /** See `clockFrom`. */
  readonly clock: string | null;
  readonly logLevel: LogLevel;
  /** Folder for the journal of the venue. */
  readonly dataFolder: string | null;
  /** JSON file with the rules that a shard without state begins with. */
  readonly rulesFile: string | null;
  /** ms between the snapshots of a follower, and how long entries stay in the log; null: as the process has them. */
  readonly snapshotMs: number | null;
  readonly logKeptMs: number | null;
  /** Public JWKS (JSON) of who signs tokens; null: none are accepted. */
  readonly jwks: string | null;
  /** What the secrets of API keys are derived from; null: none are accepted. */
  readonly keySecret: string | null;
  /** The private JWK that `plimsoll token` signs with; no process has it. */
  readonly tokenKey: string | null;
  /** Where browsers find the streams, which the console's pages may connect to: ws:// or wss://. */
  readonly streamsUrl: string | null;
  /** Where alerts are told: Telegram's Bot API (base URL, token, chat), and a webhook with what its messages are signed with; null: not there. */
  readonly telegramUrl: string;
  readonly telegramToken: string | null;
  readonly telegramChat: string | null;
  readonly webhookUrl: string | null;
  readonly webhookSecret: string | null;
  /** USD that one command of an operator, and all of them in a UTC day, may move. */
  readonly commandUsdMax: string;
  readonly dayUsdMax: string;
  /** The same of one asset, in its units, for the assets that are named; decimal. */
  readonly commandAssetMax: ReadonlyMap<string, string>;
  readonly dayAssetMax: ReadonlyMap<string, string>;
  /** Names beginning with PLIMSOLL_ that mean nothing here: mistyped, or of another version. */
  readonly unknownVariables: readonly string[];
}

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface SettingProblem {
  readonly variable: string;
  /** As given, shortened; `***` for secrets and the password of a URL. */
  readonly value: string | null;
  readonly message: string;
}

/** Names every variable that is wrong, so that a deployment is put right in one go. */
export class SettingsRefused extends Error {
  readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    const lines = problems.map(({ variable, value, message }) => {
      const given = value === null ? "not set" : JSON.stringify(value);
      return `${variable} (${given}): ${message}`;
    });
    super(`the environment cannot be used:\n${lines.join("\n")}`);
    this.name = "SettingsRefused";
    this.problems = problems;
  }
}

/** A server that a process cannot do without: its URL must be set. */
export type Need = "nats" | "redis" | "database";
const everyNeed: readonly Need[] = ["nats", "redis", "database"];

/** One variable: `parse` throws a `RangeError` whose message says what a good value is. */
interface Variable<T> {
  readonly name: string;
  readonly secret?: boolean;
  readonly absent: T | Required;
  readonly parse: (value: string) => T;
}

const required = Symbol("required");
type Required = typeof required;

const variable = <T>(
  name: string,
  absent: T | Required,
  parse: (value: string) => T,
  options: { readonly secret?: boolean } = {},
): Variable<T> => ({ name, absent, parse, ...options });

const idPattern = /^[A-Za-z0-9_-]{1,64}$/;
const shardsMax = 64;
const valueShownMax = 80;
const dayMs = 86_400_000;

const refuse = (message: string): never => {
  throw new RangeError(message);
};
const text = (value: string): string => value;
const path = (value: string): string => (value.includes("\0") ? refuse("must be a path") : value);
const id = (value: string): string =>
  idPattern.test(value) ? value : refuse("must be an id: letters, digits, _ and -");

function url(...protocols: readonly string[]): (value: string) => string {
  return (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : null;
    if (parsed === null || !protocols.includes(parsed.protocol) || parsed.hostname === "") {
      return refuse(`must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`);
    }
    return value;
  };
}

function urls(...protocols: readonly string[]): (value: string) => string {
  const one = url(...protocols);
  return (value) =>
    value
      .split(",")
      .map((part) => one(part.trim()))
      .join(",");
}

function shardList(value: string): readonly string[] {
  const shards = value.split(",").map((part) => part.trim());
  const good = shards.every((shard) => idPattern.test(shard)) && new Set(shards).size === shards.length;
  return good && shards.length <= shardsMax ? shards : refuse("must be distinct ids with commas between them");
}

function integer(from: number, to: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= from && number <= to ? number : refuse(`must be a whole number from ${from} to ${to}`);
  };
}

function oneOf<const T extends string>(values: readonly T[]): (value: string) => T {
  return (value) => values.find((permitted) => permitted === value) ?? refuse(`must be one of ${values.join(", ")}`);
}

function json(value: string): string {
  try {
    JSON.parse(value);
    return value;
  } catch {
    return refuse("must be JSON");
  }
}

const wholeUsd = (value: string): string =>
  /^[1-9]\d{0,14}$/.test(value) ? value : refuse("must be a whole number of USD, up to 15 digits");

const assetsMax = 256;
const assetAmount = /^([A-Za-z0-9_-]{1,64})=((?:0|[1-9]\d{0,19})(?:\.\d{1,18})?)$/;
const noAssets: ReadonlyMap<string, string> = new Map();

/** `BTC=100,USDT=5000000.5`: what each of them may at most; 0 forbids it. */
function assetAmounts(value: string): ReadonlyMap<string, string> {
  const parts = value.split(",").map((part) => assetAmount.exec(part.trim()));
  const found = new Map(parts.map((part) => [part?.[1] ?? "", part?.[2] ?? ""]));
  const good = !parts.includes(null) && found.size === parts.length && found.size <= assetsMax;
  return good ? found : refuse("must be distinct assets with amounts and commas between them: BTC=100,USDT=5000000.5");
}

const keySecretMin = 32;
const masterSecret = (value: string): string =>
  value.length >= keySecretMin ? value : refuse(`must have at least ${keySecretMin} characters`);

const botToken = (value: string): string =>
  /^\d{1,20}:[A-Za-z0-9_-]{10,100}$/.test(value)
    ? value
    : refuse("must be a bot's token: its number, a colon, its key");
const chat = (value: string): string =>
  /^(-?\d{1,20}|@[A-Za-z0-9_]{1,64})$/.test(value) ? value : refuse("must be a chat's number or @name");

const replicas = (value: string): number => (/^[135]$/.test(value) ? Number(value) : refuse("must be 1, 3 or 5"));

function clock(value: string): string {
  clockFrom(value);
  return value;
}

const namespace = (value: string): string =>
  /^[a-z0-9]{0,24}$/.test(value) ? value : refuse("must be up to 24 lower case letters and digits");

/** A new setting is one line here and one field above. */
const variables = {
  natsUrl: variable<string>("NATS_URL", required, urls("nats:", "tls:")),
  natsUser: variable<string | null>("NATS_USER", null, text),
  natsPassword: variable<string | null>("NATS_PASSWORD", null, text, { secret: true }),
  redisUrl: variable<string>("REDIS_URL", required, url("redis:", "rediss:")),
  databaseUrl: variable<string>("DATABASE_URL", required, url("postgres:", "postgresql:")),
  namespace: variable<string>("PLIMSOLL_NAMESPACE", "", namespace),
  streamReplicas: variable<number>("PLIMSOLL_STREAM_REPLICAS", 1, replicas),
  shards: variable<readonly string[]>("PLIMSOLL_SHARDS", ["0"], shardList),
  shard: variable<string | null>("PLIMSOLL_SHARD", null, id),
  httpHost: variable<string>("PLIMSOLL_HTTP_HOST", "127.0.0.1", text),
  httpPort: variable<number>("PLIMSOLL_HTTP_PORT", 0, integer(0, 65_535)),
  streamPort: variable<number>("PLIMSOLL_STREAM_PORT", 0, integer(0, 65_535)),
  apiPort: variable<number>("PLIMSOLL_API_PORT", 0, integer(0, 65_535)),
  clock: variable<string | null>("PLIMSOLL_CLOCK", null, clock),
  logLevel: variable<LogLevel>("PLIMSOLL_LOG_LEVEL", "info", oneOf(logLevels)),
  dataFolder: variable<string | null>("PLIMSOLL_DATA", null, path),
  rulesFile: variable<string | null>("PLIMSOLL_RULES", null, path),
  snapshotMs: variable<number | null>("PLIMSOLL_SNAPSHOT_MS", null, integer(1, dayMs)),
  logKeptMs: variable<number | null>("PLIMSOLL_LOG_KEPT_MS", null, integer(0, 7 * dayMs)),
  jwks: variable<string | null>("PLIMSOLL_JWKS", null, json),
  keySecret: variable<string | null>("PLIMSOLL_KEY_SECRET", null, masterSecret, { secret: true }),
  tokenKey: variable<string | null>("PLIMSOLL_TOKEN_KEY", null, json, { secret: true }),
  telegramUrl: variable<string>("PLIMSOLL_TELEGRAM_URL", "https://api.telegram.org", url("http:", "https:")),
  telegramToken: variable<string | null>("PLIMSOLL_TELEGRAM_TOKEN", null, botToken, { secret: true }),
  telegramChat: variable<string | null>("PLIMSOLL_TELEGRAM_CHAT", null, chat),
  webhookUrl: variable<string | null>("PLIMSOLL_WEBHOOK_URL", null, url("http:", "https:")),
  webhookSecret: variable<string | null>("PLIMSOLL_WEBHOOK_SECRET", null, masterSecret, { secret: true }),
  commandUsdMax: variable<string>("PLIMSOLL_COMMAND_USD_MAX", "10000000", wholeUsd),
  dayUsdMax: variable<string>("PLIMSOLL_DAY_USD_MAX", "50000000", wholeUsd),
  commandAssetMax: variable<ReadonlyMap<string, string>>("PLIMSOLL_COMMAND_ASSET_MAX", noAssets, assetAmounts),
  dayAssetMax: variable<ReadonlyMap<string, string>>("PLIMSOLL_DAY_ASSET_MAX", noAssets, assetAmounts),
  streamsUrl: variable<string | null>("PLIMSOLL_STREAMS_URL", null, url("ws:", "wss:")),
} as const;

type Field = keyof typeof variables;
type Values = { [F in Field]: (typeof variables)[F] extends Variable<infer T> ? T : never };

const needOf: Partial<Record<Field, Need>> = { natsUrl: "nats", redisUrl: "redis", databaseUrl: "database" };

/** Of no use without each other. */
const together = [
  ["telegramToken", "telegramChat"],
  ["webhookUrl", "webhookSecret"],
] as const satisfies readonly (readonly [Field, Field])[];

/** Reads, checks and explains. Throws `SettingsRefused` with everything that is wrong. */
export function readSettings(
  environment: NodeJS.ProcessEnv = process.env,
  needs: readonly Need[] = everyNeed,
): Settings {
  const problems: SettingProblem[] = [];
  const values = {} as Record<Field, unknown>;
  for (const field of Object.keys(variables) as Field[]) {
    const declared = variables[field] as Variable<unknown>;
    const value = environment[declared.name] ?? "";
    try {
      values[field] = value === "" ? whenAbsent(declared, needOf[field], needs) : declared.parse(value);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      problems.push({ variable: declared.name, value: shownValue(declared, value), message });
    }
  }
  const read = values as Values;
  if (read.shards !== undefined && read.shard !== null && !read.shards.includes(read.shard)) {
    const message = `must be one of PLIMSOLL_SHARDS: ${read.shards.join(", ")}`;
    if (read.shard !== undefined) problems.push({ variable: variables.shard.name, value: read.shard, message });
  }
  for (const [one, other] of together)
    if (read[one] !== undefined && read[other] !== undefined && (read[one] === null) !== (read[other] === null)) {
      const [name, of] = [variables[one].name, variables[other].name];
      problems.push({
        variable: read[one] === null ? name : of,
        value: null,
        message: `${name} and ${of} are set together`,
      });
    }
  if (problems.length > 0) throw new SettingsRefused(problems);
  return { ...read, shard: read.shard ?? (read.shards[0] as string), unknownVariables: unknownIn(environment) };
}

function whenAbsent(declared: Variable<unknown>, need: Need | undefined, needs: readonly Need[]): unknown {
  if (declared.absent !== required) return declared.absent;
  if (need !== undefined && !needs.includes(need)) return "";
  return refuse("must be set");
}

function shownValue(declared: Variable<unknown>, value: string): string | null {
  if (value === "") return null;
  if (declared.secret === true) return "***";
  const masked = value.replaceAll(/\/\/[^@/]*@/g, "//***@");
  return masked.length > valueShownMax ? `${masked.slice(0, valueShownMax)}…` : masked;
}

/** Of the tests, which the processes they start inherit. */
const foreignVariables = new Set(["PLIMSOLL_BUILT", "PLIMSOLL_SEED", "PLIMSOLL_RUNS"]);

function unknownIn(environment: NodeJS.ProcessEnv): string[] {
  const known = new Set<string>(Object.values(variables).map(({ name }) => name));
  return Object.keys(environment)
    .filter((name) => name.startsWith("PLIMSOLL_") && !known.has(name) && !foreignVariables.has(name))
    .sort();
}
