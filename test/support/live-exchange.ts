import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { openEntryWriter } from "#libs/adapters/nats/index.ts";
import { reckon } from "#apps/cli/live/ending.ts";
import type { Latencies } from "#apps/cli/live/latencies.ts";
import { LiveModel } from "#apps/cli/live/model.ts";
import { type Program, Processes } from "#apps/cli/live/processes.ts";
import { type Servers, startServers } from "#apps/cli/live/servers.ts";
import { Watch } from "#apps/cli/live/watch.ts";
import { leaderOf } from "#apps/cli/live/shard-programs.ts";
import { shardOf } from "#libs/contracts/live/shards.ts";
import type { TradingReply } from "#libs/contracts/live/venue.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { btcPerp, btcPerpAssets } from "./btc-perp.ts";
import { eventually } from "./live-shard.ts";

/** One perpetual of which a close is one slice, so that a liquidation is as short as it can be. */
export const exchangeRules: RuleDocument = {
  assets: btcPerpAssets(),
  instruments: [btcPerp({ tiers: [{ from: "0", im: "0.01", mm: "0.005" }] })],
  liquidation: { partialAt: "1.05", fullAt: "1.04", target: "1.1", depthShare: "1", maxSlippage: "0.05" },
  liquidity: "depth",
};

const programsOf = (shards: readonly string[]): readonly Program[] => [
  { name: "venue", app: "venue", ready: "ready" },
  ...shards.map(leaderOf),
  { name: "liquidation", app: "liquidation", ready: "listening" },
];
const withinMs = 5_000;

type Order = {
  readonly account: string;
  readonly instrument?: string;
  readonly side: "buy" | "sell";
  readonly qty: string;
  readonly price?: string;
  readonly ioc?: boolean;
};

/**
 * Matching engine, risk engine and liquidation as processes on servers of their own; the test is its traders, its operator and its
 * prices. A process that dies is started again, as by a supervisor.
 */
export class LiveExchange {
  readonly servers: Servers;
  readonly processes: Processes;
  readonly watch: Watch;
  readonly model: LiveModel;
  readonly shards: readonly string[];
  /** By source and shard, and the last position that each shard's log has acknowledged. */
  readonly #writers: ReadonlyMap<string, ReturnType<typeof openEntryWriter>>;
  readonly #stored = new Map<string, number>();
  #orders = 0;
  #filled = 0;
  #prices: NodeJS.Timeout | null = null;
  readonly #marks = new Map([["BTC", "50000"]]);

  private constructor(parts: Pick<LiveExchange, "servers" | "processes" | "watch" | "model" | "shards">) {
    const { servers, processes, watch, model, shards } = parts;
    this.servers = servers;
    this.processes = processes;
    this.watch = watch;
    this.model = model;
    this.shards = shards;
    this.#writers = new Map(
      ["operator", "mark-price"].flatMap((source) =>
        shards.map((shard) => [`${source} ${shard}`, openEntryWriter(watch.bus, { shard, source, lastSeq: 0 })]),
      ),
    );
  }

  static async start(rules: RuleDocument = exchangeRules, shards: readonly string[] = ["0"]): Promise<LiveExchange> {
    const servers = await startServers({ nats: null, redis: null, database: null }, null, () => {});
    const file = join(servers.folder, "rules.json");
    writeFileSync(file, JSON.stringify(rules));
    const model = new LiveModel();
    const watch = await Watch.open({ ...servers, shards }, model);
    const processes = new Processes({
      NATS_URL: servers.natsUrl,
      REDIS_URL: servers.redisUrl,
      DATABASE_URL: servers.databaseUrl,
      PLIMSOLL_NAMESPACE: servers.namespace,
      PLIMSOLL_SHARDS: shards.join(","),
      PLIMSOLL_DATA: servers.folder,
      PLIMSOLL_RULES: file,
    });
    await processes.start(programsOf(shards), () => {});
    const exchange = new LiveExchange({ servers, processes, watch, model, shards });
    exchange.#frame();
    exchange.#prices = setInterval(() => exchange.#frame(), 100);
    await exchange.ready();
    return exchange;
  }

  get latencies(): Latencies {
    return this.watch.latencies;
  }

  /** Trades of these orders that the matching engine has acknowledged, in contracts of 0.001. */
  get filled(): number {
    return this.#filled;
  }

  async ready(): Promise<void> {
    for (const shard of this.shards)
      await eventually("a shard that is ready", async () => (await this.watch.status(shard, {})).state === "ready");
  }

  /** The shard that keeps an account. */
  shardOf(account: string): string {
    return shardOf(account, this.shards);
  }

  /** An entry of an operator's, acknowledged by the log of its account's shard; one of no account by every shard's. */
  async enter(body: EntryBody): Promise<void> {
    const account = "account" in body && typeof body.account === "string" ? body.account : null;
    for (const shard of account === null ? this.shards : [this.shardOf(account)])
      await this.#write("operator", shard, body);
  }

  async deposit(account: string, amount: string): Promise<void> {
    await this.enter({ k: "cash", account, asset: "USDT", amount });
  }

  /** From now on the mark of a base's perpetual, and the index with it: in a frame at once and every 100 ms. */
  price(mark: string, base = "BTC"): void {
    this.#marks.set(base, mark);
    this.#frame();
  }

  #frame(): void {
    const index = { USDT: "1", ...Object.fromEntries(this.#marks) };
    const mark = Object.fromEntries([...this.#marks].map(([base, price]) => [`${base}-PERP`, price]));
    for (const shard of this.shards) void this.#write("mark-price", shard, { k: "frame", index, mark }).catch(() => {});
  }

  async place(order: Order): Promise<TradingReply> {
    this.#orders += 1;
    const body = { instrument: "BTC-PERP", id: `o${this.#orders}`, ...order };
    const { bus } = this.watch;
    const reply = await bus.request<TradingReply>(bus.names.subjects.trading("place"), body, { timeoutMs: withinMs });
    this.#filled += Math.round(Number(reply.filled) * 1_000);
    return reply;
  }

  async #write(source: string, shard: string, body: EntryBody): Promise<void> {
    const writer = this.#writers.get(`${source} ${shard}`);
    if (writer === undefined) throw new Error(`nobody writes as ${source}`);
    const stored = await writer.write(body, Date.now()).stored;
    this.#stored.set(shard, Math.max(this.#stored.get(shard) ?? 0, stored));
  }

  /** Everything that has been acknowledged is committed, and nothing is under way. */
  async settled(): Promise<void> {
    for (const shard of this.shards)
      await eventually("rest", async () => {
        const { committedSeq, openEffects, openSagas } = await this.watch.status(shard, {});
        return committedSeq >= (this.#stored.get(shard) ?? 0) && openEffects === 0 && openSagas === 0;
      });
  }

  /** Memory = PostgreSQL = ledger = matching engine, and a fresh engine reaches the leader's hash. Ends the processes. */
  async expectAgreement(): Promise<void> {
    const checks = await reckon(this, () => {});
    // A process that was killed is a problem of its own making here.
    const broken = checks.filter(({ what, ok }) => !ok && what !== "processes");
    expect(broken).toEqual([]);
  }

  async stop(): Promise<void> {
    if (this.#prices !== null) clearInterval(this.#prices);
    for (const writer of this.#writers.values()) await writer.close();
    await this.processes.stop();
    await this.watch.close();
    await this.servers.stop();
  }
}
