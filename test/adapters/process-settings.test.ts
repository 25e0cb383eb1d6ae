import { expect, test } from "vitest";
import { clockFrom, clockSetting } from "#libs/process/clock.ts";
import { readSettings, SettingsRefused } from "#libs/process/settings.ts";
import { table } from "#test/support/table.ts";

const good = {
  NATS_URL: "nats://127.0.0.1:1",
  REDIS_URL: "redis://127.0.0.1:2",
  DATABASE_URL: "postgres://me:hidden@127.0.0.1:3/db",
};

test("what is not said has its default, and servers have none", () => {
  const settings = readSettings(good);
  expect(settings).toMatchObject({
    namespace: "",
    shards: ["0"],
    shard: "0",
    httpPort: 0,
    clock: null,
    logLevel: "info",
  });
  expect(() => readSettings({})).toThrow(
    /NATS_URL.*must be set[^]*REDIS_URL.*must be set[^]*DATABASE_URL.*must be set/,
  );
  expect(readSettings({ NATS_URL: good.NATS_URL }, ["nats"]).redisUrl).toBe("");
});

test("NATS may be a cluster, and then its streams be kept on several of its servers", () => {
  const cluster = { ...good, NATS_URL: "nats://a:1, nats://b:2", PLIMSOLL_STREAM_REPLICAS: "3" };
  expect(readSettings(cluster)).toMatchObject({ natsUrl: "nats://a:1,nats://b:2", streamReplicas: 3 });
  expect(readSettings(good)).toMatchObject({ streamReplicas: 1 });
});

test("assets have caps where they are named", () => {
  const { commandAssetMax, dayAssetMax } = readSettings({ ...good, PLIMSOLL_COMMAND_ASSET_MAX: "BTC=0.5, USDT=7" });
  expect([[...commandAssetMax], [...dayAssetMax]]).toEqual([
    [
      ["BTC", "0.5"],
      ["USDT", "7"],
    ],
    [],
  ]);
});

test("the shard is the first unless told", () => {
  expect(readSettings({ ...good, PLIMSOLL_SHARDS: "b, a" }).shard).toBe("b");
  expect(readSettings({ ...good, PLIMSOLL_SHARDS: "b,a", PLIMSOLL_SHARD: "a" }).shard).toBe("a");
});

const refusals = table(`
  variable           | value             | shown             | says
  NATS_URL           | http://x          | http://x          | must be a URL
  NATS_URL           | nats://u:pw@a,x   | nats://***@a,x    | must be a URL
  PLIMSOLL_STREAM_REPLICAS | 2           | 2                 | 1, 3 or 5
  DATABASE_URL       | mysql://u:pw@h/d  | mysql://***@h/d   | must be a URL
  PLIMSOLL_NAMESPACE | Upper             | Upper             | lower case
  PLIMSOLL_SHARDS    | a,a               | a,a               | distinct
  PLIMSOLL_SHARDS    | a b               | a b               | distinct
  PLIMSOLL_SHARD     | 7                 | 7                 | must be one of PLIMSOLL_SHARDS
  PLIMSOLL_TELEGRAM_TOKEN | 12:short   | ***               | a bot's token
  PLIMSOLL_TELEGRAM_CHAT | a group     | a group           | a chat's number
  PLIMSOLL_WEBHOOK_SECRET | tooshort   | ***               | at least 32
  PLIMSOLL_WEBHOOK_URL | ftp://a:1     | ftp://a:1         | begins with
  PLIMSOLL_HTTP_PORT | 65536             | 65536             | whole number
  PLIMSOLL_HTTP_PORT | 1e3               | 1e3               | whole number
  PLIMSOLL_LOG_LEVEL | loud              | loud              | must be one of
  PLIMSOLL_CLOCK     | 1@0@1             | 1@0@1             | speed above 0
  PLIMSOLL_CLOCK     | now               | now               | speed above 0
  PLIMSOLL_COMMAND_ASSET_MAX | BTC=1,BTC=2 | BTC=1,BTC=2    | distinct assets
  PLIMSOLL_DAY_ASSET_MAX | BTC=-1        | BTC=-1            | BTC=100,USDT
  PLIMSOLL_DAY_ASSET_MAX | BTC           | BTC               | BTC=100,USDT
`);

for (const { variable, value, shown, says } of refusals) {
  test(`${variable}=${value} is refused with its name, its value and what is right`, () => {
    const problems = problemsOf({ ...good, [variable]: value });
    expect(problems).toEqual([{ variable, value: shown, message: expect.stringContaining(says) as string }]);
  });
}

test("all problems come at once, and no secret with them", () => {
  const problems = problemsOf({
    ...good,
    NATS_URL: "x",
    REDIS_URL: "y",
    PLIMSOLL_HTTP_PORT: "-1",
    NATS_PASSWORD: "pw",
  });
  expect(problems.map(({ variable }) => variable)).toEqual(["NATS_URL", "REDIS_URL", "PLIMSOLL_HTTP_PORT"]);
  expect(JSON.stringify(problems)).not.toContain("hidden");
});

test("a mistyped name is told, not refused", () => {
  expect(readSettings({ ...good, PLIMSOLL_SHARDZ: "1" }).unknownVariables).toEqual(["PLIMSOLL_SHARDZ"]);
});

function problemsOf(environment: NodeJS.ProcessEnv): SettingsRefused["problems"] {
  try {
    readSettings(environment);
  } catch (error) {
    if (error instanceof SettingsRefused) return error.problems;
  }
  throw new Error("the settings were not refused");
}

test("an accelerated clock runs from its anchor, in whole milliseconds", () => {
  let wall = 1_000;
  const clock = clockFrom(clockSetting(50_000, 60, 1_000), () => wall);
  expect([clock.now(), clock.speed]).toEqual([50_000, 60]);
  wall += 1_500;
  expect(clock.now()).toBe(140_000);
});

test("no clock falls when the wall clock is set back", () => {
  let wall = 1_000;
  const clock = clockFrom(null, () => wall);
  expect(clock.now()).toBe(1_000);
  wall = 400;
  expect(clock.now()).toBe(1_000);
  wall = 1_001;
  expect(clock.now()).toBe(1_001);
});

test("what is of no use alone is named: a bot without a chat, a webhook without a secret", () => {
  const alone = { ...good, PLIMSOLL_TELEGRAM_TOKEN: "1:abcdefghij", PLIMSOLL_WEBHOOK_SECRET: "s".repeat(32) };
  expect(problemsOf(alone).map(({ variable }) => variable)).toEqual(["PLIMSOLL_TELEGRAM_CHAT", "PLIMSOLL_WEBHOOK_URL"]);
  const both = { ...alone, PLIMSOLL_TELEGRAM_CHAT: "@risk", PLIMSOLL_WEBHOOK_URL: "https://hooks.example/x" };
  expect(readSettings(both)).toMatchObject({ telegramChat: "@risk", webhookUrl: "https://hooks.example/x" });
});
