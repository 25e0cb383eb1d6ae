import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, connectBus, ensureStreams, type EntryWriter, openEntryWriter } from "#libs/adapters/nats/index.ts";
import { type Database, migrate, openDatabase } from "#libs/adapters/postgres/index.ts";
import { urlAs } from "./database-roles.ts";
import type { ReconcileReply, ShardStatus } from "#libs/contracts/live/margin.ts";
import type { RpcVerb } from "#libs/contracts/live/subjects.ts";
import type { Entry, EntryBody } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { btcPerp, btcPerpAssets } from "./btc-perp.ts";
import { Partner } from "./partner.ts";
import { deleteStreams } from "./streams.ts";

const marketStart = 1_760_000_000_000;

export const shardRules: RuleDocument = {
  assets: btcPerpAssets(),
  instruments: [btcPerp({ tiers: [{ from: "0", im: "0.02", mm: "0.01" }] })],
};

const withinMs = 30_000;
const stepMs = 20;

/** Asks until the answer is there; fails with `what` when it does not come. */
export async function eventually<T>(what: string, ask: () => Promise<T | null | false | undefined>): Promise<T> {
  const until = performance.now() + withinMs;
  let last: unknown;
  while (performance.now() < until) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
  throw new Error(`${what} did not come`, { cause: last });
}

interface Place {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly bus: Bus;
  readonly db: Database;
  readonly folder: string;
}

export type Role = "leader" | "follower";

/** A shard of its own, with a partner instead of a matching engine. */
export class LiveShard {
  readonly bus: Bus;
  readonly db: Database;
  readonly partner: Partner;
  readonly natsUrl: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #apps: RunningApp[] = [];
  readonly #writers = new Map<string, EntryWriter>();
  #t = marketStart;
  #lastSeq = 0;

  constructor({ natsUrl, databaseUrl, bus, db, folder }: Place) {
    this.bus = bus;
    this.db = db;
    this.natsUrl = natsUrl;
    this.partner = new Partner(bus);
    this.#folder = folder;
    const rules = join(folder, "rules.json");
    writeFileSync(rules, JSON.stringify(shardRules));
    const servers = { NATS_URL: natsUrl, DATABASE_URL: databaseUrl };
    this.#environment = { ...servers, PLIMSOLL_NAMESPACE: bus.names.namespace, PLIMSOLL_RULES: rules };
  }

  /** Position of the newest entry put here. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  async start(role: Role = "leader", settings: Readonly<Record<string, string>> = {}): Promise<RunningApp> {
    const clock = { PLIMSOLL_CLOCK: `${marketStart}@1@${Date.now()}` };
    const app = await spawnApp("margin", { ...this.#environment, ...clock, ...settings }, { arguments: [role] });
    this.#apps.push(app);
    return app;
  }

  /** One of an operator's or the mark-price process's entries, stored. */
  async put(source: string, body: EntryBody): Promise<number> {
    return this.#note(this.#writer(source).write(body, this.#tick()).stored);
  }

  /** Puts an entry of the matching engine into the log. */
  async trade(body: EntryBody): Promise<void> {
    await this.#note(this.#writer("venue").writeNumbered(this.partner.number(body, this.#tick())).stored);
  }

  /** An entry that the matching engine numbers and the log never gets. */
  lose(body: EntryBody): Entry {
    return this.partner.number(body, this.#tick());
  }

  /** Any bytes on a subject of the log. */
  async raw(kind: string, body: unknown): Promise<void> {
    this.bus.publish(this.bus.names.subjects.entry("0", kind), body);
    await this.bus.flush();
  }

  async ask<T>(verb: RpcVerb, body: unknown): Promise<T> {
    return this.bus.request<T>(this.bus.names.subjects.rpc("0", verb), body, { timeoutMs: 2_000 });
  }

  async status(asked: object = {}): Promise<ShardStatus> {
    return this.ask<ShardStatus>("status", asked);
  }

  /** Waits until everything put so far is committed. */
  async settled(): Promise<ShardStatus> {
    return this.committed(this.#lastSeq);
  }

  /** Waits until a position is committed. */
  async committed(seq: number): Promise<ShardStatus> {
    return eventually("the commit", async () => {
      const now = await this.status();
      return now.committedSeq >= seq ? now : null;
    });
  }

  /** Memory against tables, of the accounts above one. */
  async reconcile(after: string): Promise<ReconcileReply> {
    return this.ask<ReconcileReply>("reconcile", { limit: 1000, ...(after === "" ? {} : { after }) });
  }

  async stop(): Promise<void> {
    for (const app of this.#apps) if (app.running) await app.stop();
    for (const one of this.#writers.values()) await one.close();
    await this.bus.close();
    await this.db.close();
    await deleteStreams(this.natsUrl, this.bus.names).catch(() => {});
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #writer(source: string): EntryWriter {
    const known = this.#writers.get(source) ?? openEntryWriter(this.bus, { shard: "0", source, lastSeq: 0 });
    this.#writers.set(source, known);
    return known;
  }

  #tick(): number {
    this.#t += 1;
    return this.#t;
  }

  async #note(stored: Promise<number>): Promise<number> {
    const seq = await stored;
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    return seq;
  }
}

let runs = 0;

/** On these servers, with names of its own. */
export async function liveShard(natsUrl: string, databaseUrl: string): Promise<LiveShard> {
  runs += 1;
  const namespace = `shard${process.pid}x${runs}`;
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-shard-"));
  await migrate(databaseUrl);
  const ownUrl = await urlAs("margin", databaseUrl);
  const db = openDatabase({ url: databaseUrl, name: "test" });
  const bus = await connectBus({ url: natsUrl, name: "test", namespace });
  await ensureStreams(bus, ["0"]);
  return new LiveShard({ natsUrl, databaseUrl: ownUrl, bus, db, folder });
}
