import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bus, connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import {
  acknowledgeAlert,
  type Database,
  openDatabase,
  raiseAlarm,
  readAlerts,
} from "#libs/adapters/postgres/index.ts";
import type { LimitsReply } from "#libs/contracts/live/limits.ts";
import type { Alert } from "#libs/contracts/stream/alerts.ts";
import { type PrivateServer, startNats, startRedis } from "#libs/process/servers/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { metricsOf } from "#test/support/metrics.ts";
import { poll } from "#test/support/liquidation.ts";
import { migratedPostgres } from "#test/support/servers.ts";

/** A channel's other end: what it was sent, and what it answers. */
class Peer {
  readonly #server: Server;
  readonly told: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  status = 200;

  constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (data: Buffer) => (body += data.toString()));
      request.on("end", () => {
        this.told.push({ path: request.url ?? "", headers: request.headers, body });
        response.writeHead(this.status, { "content-type": "application/json" }).end("{}");
      });
    });
  }
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

const secret = "a-secret-that-is-long-enough-for-it";
const token = "123456:abcdefghijklmnop";
const telegram = new Peer();
const webhook = new Peer();
let nats: PrivateServer;
let redis: PrivateServer;
let db: Database;
let bus: Bus;
let environment: Record<string, string> = {};
let app: RunningApp;
const published: Alert[] = [];
const sums: LimitsReply["sums"] = { accounts: 1, equity: "10", im: "4", notional: "80", dayProfit: "-1" };
/** What the shard's follower says. */
let accounts: LimitsReply["accounts"] = [];

beforeAll(async () => {
  const [{ url }, ...servers] = await Promise.all([migratedPostgres(), startRedis(), startNats()]);
  [redis, nats] = servers;
  db = openDatabase({ url, name: "test" });
  bus = await connectBus({ url: nats.url, namespace: "", name: "test" });
  await ensureStreams(bus, ["0"]);
  bus.subscribe(bus.names.subjects.allAlarms, ({ data }) =>
    published.push(JSON.parse(new TextDecoder().decode(data)) as Alert),
  );
  bus.respond(bus.names.subjects.rpc("0", "limits"), (): LimitsReply => ({
    seq: 1,
    t: 1,
    accounts,
    next: null,
    sums,
    exchange: [{ what: "fund_drawdown", of: "USDT", value: "0.1", bound: "0.3", share: "0.3334" }],
  }));
  bus.respond(bus.names.subjects.rpc("0", "status"), () => ({ state: "ready", auditFailure: null }));
  environment = {
    DATABASE_URL: await urlAs("scheduler", url),
    REDIS_URL: redis.url,
    NATS_URL: nats.url,
    PLIMSOLL_TELEGRAM_URL: await telegram.start(),
    PLIMSOLL_TELEGRAM_TOKEN: token,
    PLIMSOLL_TELEGRAM_CHAT: "-100200",
    PLIMSOLL_WEBHOOK_URL: `${await webhook.start()}/alerts`,
    PLIMSOLL_WEBHOOK_SECRET: secret,
  };
  app = await start();
}, 60_000);
afterAll(async () => {
  // Redis is away: it would be looked for once more.
  await app.kill();
  await bus.close();
  await db.close();
  await Promise.all([telegram.stop(), webhook.stop(), nats.stop(), redis.stop()]);
});

async function start(): Promise<RunningApp> {
  const started = await spawnApp("scheduler", environment);
  await started.whenMessage("ready");
  return started;
}

const halted = async (id: string): Promise<void> => {
  const text = `INSERT INTO halt (shard, scope, id, state, reason, manual, since) VALUES ('0', 'instrument', $1, 'paused', 'operator', true, 1)`;
  await db.query({ text, values: [id] });
};
const texts = (): string => telegram.told.map(({ body }) => (JSON.parse(body) as { text: string }).text).join("\n");
const hooked = (): Alert[] => webhook.told.flatMap(({ body }) => (JSON.parse(body) as { alerts: Alert[] }).alerts);

test("a halt and a limit nearly used reach Telegram, the webhook, signed, and the streams; an acknowledgement the streams", async () => {
  accounts = [
    {
      account: "alice",
      limit: "maxGrossUsd",
      instrument: null,
      value: "80",
      bound: "100",
      share: "0.8",
      level: "exchange",
    },
  ];
  await halted("BTC-PERP");
  await poll(
    () => texts().includes("instrument BTC-PERP is paused") && texts().includes("alice has used 80 % of maxGrossUsd"),
  );
  expect(telegram.told[0]?.path).toBe(`/bot${token}/sendMessage`);
  expect(JSON.parse(telegram.told[0]?.body ?? "")).toMatchObject({ chat_id: "-100200" });
  await poll(() => hooked().length >= 2);
  const [{ headers, body }] = webhook.told as [(typeof webhook.told)[number]];
  const signed = `${String(headers["x-plimsoll-timestamp"])}.${body}`;
  const hmac = createHmac("sha256", secret).update(signed).digest("hex");
  expect(headers["x-plimsoll-signature"]).toBe(`v1=${hmac}`);
  expect(Math.abs(Date.now() - Number(headers["x-plimsoll-timestamp"]))).toBeLessThan(60_000);
  expect(
    hooked()
      .map(({ code, level }) => `${code} ${level}`)
      .sort(),
  ).toEqual(["halted red", "limit_used orange"]);
  const id = "halted:instrument:BTC-PERP:operator";
  await poll(() => published.some((one) => one.id === id));
  await acknowledgeAlert(db, id, "eve");
  await poll(() => published.some((one) => one.id === id && one.ack?.by === "eve"));
  const metrics = [...(await metricsOf(app))];
  const metric = (name: string, ...labels: string[]): number | undefined =>
    metrics.find(([series]) => series.startsWith(`${name}{`) && labels.every((label) => series.includes(label)))?.[1];
  expect([
    metric("accounts_sum_usd", 'of="dayProfit"'),
    metric("breaker_bound", 'what="fund_drawdown"'),
    metric("halts_in_force", 'scope="instrument"'),
    metric("limit_use_ratio", 'limit="maxGrossUsd"'),
    metric("alerts_open", 'level="red"'),
  ]).toEqual([-1, 0.3, 1, 0.8, 1]);
  // The token is nobody's to read.
  expect(JSON.stringify([app.lines(), app.errors()])).not.toContain(token);
});

test("a channel that is down keeps no other waiting; after a kill what it was not told is told, and nothing else again", async () => {
  webhook.status = 503;
  await halted("ETH-PERP");
  await poll(() => texts().includes("ETH-PERP"));
  await poll(() => hooked().some(({ title }) => title.includes("ETH-PERP")));
  const { rows } = await db.query<{ waiting: string }>({
    text: "SELECT count(*) AS waiting FROM alert_delivery WHERE channel = 'webhook' AND outcome IS NULL",
  });
  expect(Number(rows[0]?.waiting)).toBe(1);
  await app.kill();
  webhook.status = 200;
  const before = webhook.told.length;
  app = await start();
  const sent = async (): Promise<boolean> => {
    const found = await db.query<{ n: string }>({
      text: "SELECT count(*) AS n FROM alert_delivery WHERE outcome = 'sent'",
    });
    return Number(found.rows[0]?.n) === 6;
  };
  await poll(sent);
  expect(webhook.told.slice(before)).toHaveLength(1);
  expect(texts().match(/ETH-PERP is paused/g)).toHaveLength(1);
});

test("without Redis alerts are told all the same, alarms among them under their own ids", async () => {
  await redis.kill();
  await raiseAlarm(db, {
    id: "stuck-1",
    shard: "0",
    code: "effect_stuck",
    text: "the matching engine does not answer",
  });
  await poll(() => texts().includes("the matching engine does not answer"));
  await poll(() => hooked().some(({ id, level }) => id === "alarm-stuck-1" && level === "red"));
  expect((await readAlerts(db)).find(({ id }) => id === "alarm-stuck-1")).toMatchObject({
    code: "effect_stuck",
    until: null,
  });
});
