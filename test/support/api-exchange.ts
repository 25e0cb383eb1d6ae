import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Program, Processes } from "#apps/cli/live/processes.ts";
import { LiveModel } from "#apps/cli/live/model.ts";
import { type Servers, startServers } from "#apps/cli/live/servers.ts";
import { Watch } from "#apps/cli/live/watch.ts";
import { issueToken, newKeyPair, type Role } from "#libs/access/index.ts";
import { openEntryWriter } from "#libs/adapters/nats/index.ts";
import { type Database, enqueueEntry, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import type { TradingReply } from "#libs/contracts/live/venue.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { urlAs } from "./database-roles.ts";
import { exchangeRules } from "./live-exchange.ts";
import { eventually } from "./live-shard.ts";

export const keySecret = "of-the-tests-alone-and-long-enough-0123456789";
const hourMs = 3_600_000;
const withinMs = 5_000;

export interface Reply<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T & { readonly error?: { readonly code: string; readonly problems?: readonly unknown[] } };
  readonly headers: Headers;
}

/** The API before an exchange of its own: matching engine, shard with its follower, scheduler; the test is the prices and the people. */
export class ApiExchange {
  readonly servers: Servers;
  readonly processes: Processes;
  readonly watch: Watch;
  readonly db: Database;
  readonly api: RunningApp;
  readonly url: string;
  /** Of every process of it. */
  readonly environment: Readonly<Record<string, string>>;
  #mark = "50000";
  #orders = 0;
  readonly #privateKey: string;
  readonly #prices: ReturnType<typeof openEntryWriter>;
  readonly #ticking: NodeJS.Timeout;

  private constructor(parts: {
    servers: Servers;
    processes: Processes;
    watch: Watch;
    db: Database;
    api: RunningApp;
    url: string;
    environment: Readonly<Record<string, string>>;
    privateKey: string;
  }) {
    ({ servers: this.servers, processes: this.processes, watch: this.watch, db: this.db } = parts);
    ({ api: this.api, url: this.url, environment: this.environment } = parts);
    this.#privateKey = parts.privateKey;
    this.#prices = openEntryWriter(this.watch.bus, { shard: "0", source: sources.markPrice, lastSeq: 1 });
    this.price(this.#mark);
    this.#ticking = setInterval(() => this.price(this.#mark), 200);
  }

  static async start(
    rules: RuleDocument = exchangeRules,
    settings: Readonly<Record<string, string>> = {},
    more: readonly Program[] = [],
  ): Promise<ApiExchange> {
    const servers = await startServers({ nats: null, redis: null, database: null }, null, () => {});
    const file = join(servers.folder, "rules.json");
    writeFileSync(file, JSON.stringify(rules));
    const watch = await Watch.open({ ...servers, shards: ["0"] }, new LiveModel());
    const environment = {
      NATS_URL: servers.natsUrl,
      REDIS_URL: servers.redisUrl,
      DATABASE_URL: servers.databaseUrl,
      PLIMSOLL_NAMESPACE: servers.namespace,
      PLIMSOLL_DATA: servers.folder,
      PLIMSOLL_RULES: file,
    };
    const processes = new Processes(environment);
    await processes.start(
      [
        { name: "venue", app: "venue", ready: "ready" },
        { name: "margin", app: "margin", ready: "listening" },
        { name: "follower", app: "margin", arguments: ["follower"], ready: "listening" },
        { name: "scheduler", app: "scheduler", ready: "ready" },
        ...more,
      ],
      () => {},
    );
    // Before the API listens: what does not change is in no later frame.
    const writer = openEntryWriter(watch.bus, { shard: "0", source: sources.markPrice, lastSeq: 0 });
    await writer.write({ k: "frame", index: { USDT: "1" } }, Date.now()).stored;
    await writer.close();
    const { privateKey, jwks } = await newKeyPair();
    const own = { DATABASE_URL: await urlAs("api", servers.databaseUrl), PLIMSOLL_JWKS: jwks };
    const api = await spawnApp("api", { ...environment, ...own, PLIMSOLL_KEY_SECRET: keySecret, ...settings });
    const { url } = await api.whenMessage("serving");
    const db = openDatabase({ url: servers.databaseUrl, name: "test" });
    const exchange = new ApiExchange({
      servers,
      processes,
      watch,
      db,
      api,
      url: String(url),
      environment: { ...environment, PLIMSOLL_JWKS: jwks },
      privateKey,
    });
    await eventually("a shard that is ready", async () => (await watch.status("0", {})).state === "ready");
    await exchange.enter({ k: "cash", account: "alice", asset: "USDT", amount: "100000" });
    await exchange.enter({ k: "cash", account: "bob", asset: "USDT", amount: "100000" });
    await eventually("the deposits", async () => (await exchange.get("/v1/accounts/bob", "viewer")).status === 200);
    return exchange;
  }

  /** From now on the mark, and the index with it: in a frame at once and every 200 ms. */
  price(mark: string): void {
    this.#mark = mark;
    const body = { k: "frame", index: { BTC: mark }, mark: { "BTC-PERP": mark } } as const;
    void this.#prices.write(body, Date.now()).stored.catch(() => {});
  }

  /** By way of the outbox, as an operator's entry comes. */
  async enter(body: EntryBody): Promise<void> {
    await enqueueEntry(this.db, { source: sources.operator, shard: "0", key: randomUUID(), body, t: Date.now() });
    this.watch.bus.publish(this.watch.bus.names.subjects.outbox(sources.operator), {});
  }

  /** `who`: a role, or `role:name[:owner]`; the name is the role's where none is given. */
  async token(who: string, at = Date.now()): Promise<string> {
    const [role = "", name = role, owner = null] = who.split(":");
    return issueToken(this.#privateKey, { subject: name, roles: [role as Role], owner }, hourMs, at);
  }

  async send<T>(
    method: string,
    path: string,
    options: {
      readonly as?: string | null;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<Reply<T>> {
    const { as = null, body, headers = {} } = options;
    const authorization = as === null ? {} : { authorization: `Bearer ${await this.token(as)}` };
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...authorization, ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(withinMs * 2),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: (text === "" ? {} : JSON.parse(text)) as Reply<T>["body"],
      headers: response.headers,
    };
  }

  async get<T>(path: string, as: string | null): Promise<Reply<T>> {
    return this.send<T>("GET", path, { as });
  }

  async post<T>(path: string, as: string | null, body: unknown, key: string = randomUUID()): Promise<Reply<T>> {
    return this.send<T>("POST", path, { as, body, headers: { "idempotency-key": key } });
  }

  /** A limit order at the matching engine. */
  async place(account: string, side: "buy" | "sell", qty: string, price: string): Promise<TradingReply> {
    this.#orders += 1;
    const { bus } = this.watch;
    const body = { account, id: `o${this.#orders}`, instrument: "BTC-PERP", side, qty, price };
    return bus.request<TradingReply>(bus.names.subjects.trading("place"), body, { timeoutMs: withinMs });
  }

  async check(account: string, qty = "0.001"): Promise<Decision> {
    const { bus } = this.watch;
    const order = { id: randomUUID(), instrument: "BTC-PERP", side: "buy", qty, price: "50000" };
    const body = { request: randomUUID(), account, order };
    return bus.request<Decision>(bus.names.subjects.rpc("0", "check"), body, { timeoutMs: withinMs });
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticking);
    await this.api.stop();
    await this.#prices.close();
    await this.db.close();
    await this.processes.stop();
    await this.watch.close();
    await this.servers.stop();
  }
}
