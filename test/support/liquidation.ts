import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import { type Bus, connectBus, ensureStreams } from "#libs/adapters/nats/index.ts";
import { acquireShard, type Database, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { VenueCommand } from "#libs/contracts/live/venue.ts";
import type { Effect, Fact } from "#libs/contracts/log.ts";
import { wait } from "#libs/process/backoff.ts";
import { type PrivateServer, startNats, startRedis } from "#libs/process/servers/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { urlAs } from "./database-roles.ts";
import { migratedPostgres } from "./servers.ts";
import { messagesOf } from "./streams.ts";

/** The servers of a file's own around a liquidation process, and a matching engine that only answers. */
export interface LiquidationBench {
  readonly bus: Bus;
  readonly db: Database;
  readonly redis: PrivateServer;
  readonly nats: PrivateServer;
  /** What the matching engine was told, in order, and whether it answers. */
  readonly told: VenueCommand[];
  answering: boolean;
  /** The one process that leads; it is started when none runs. */
  leader(): Promise<RunningApp>;
  /** kill -9 of the one that leads. */
  crash(): Promise<void>;
  /** Opens an effect as a committed batch does; `attempts`: made before, the last of them so long ago. */
  open(
    effect: Effect,
    options?: { readonly pushed?: boolean; readonly attempts?: number; readonly agoMs?: number },
  ): Promise<void>;
  /** As margin does when the engine has applied the outcome. */
  answer(id: string): Promise<void>;
  times(id: string): number;
  /** Commits facts with the next numbers. */
  facts(facts: readonly (Omit<Fact, "seq" | "t"> & { readonly fact: string })[]): Promise<readonly Fact[]>;
  /** Everything that one of the queues holds, whatever its state. */
  jobs(queue: string): Promise<readonly { readonly id: string; readonly priority: number; readonly state: string }[]>;
  flushRedis(): Promise<void>;
  /** What the stream of notices holds, in order. */
  notices(): Promise<readonly { readonly subject: string; readonly id: string; readonly body: Stored }[]>;
}

export interface Stored {
  readonly id: string;
  readonly channel?: string;
  readonly code?: string;
  readonly fact?: Fact;
  readonly detail?: unknown;
}

const withinMs = 30_000;

/** Waits until it holds. */
export async function poll(holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come to hold: ${holds.toString()}`);
    await wait(20);
  }
}

export const block = (id: string, saga = `saga-${id}`): Effect => ({
  id,
  effect: "block",
  saga,
  account: `a-${id}`,
  instrument: null,
});

export function useLiquidation(): () => LiquidationBench {
  let bench: Bench | null = null;
  beforeAll(async () => {
    bench = await Bench.start();
  }, 60_000);
  afterAll(async () => bench?.stop());
  return () => {
    if (bench === null) throw new Error("the servers run only during the file's tests");
    return bench;
  };
}

class Bench implements LiquidationBench {
  readonly told: VenueCommand[] = [];
  answering = true;
  readonly bus: Bus;
  readonly db: Database;
  readonly redis: PrivateServer;
  readonly nats: PrivateServer;
  /** Of the process itself, which may do no more than it must. */
  #databaseUrl = "";
  #app: RunningApp | null = null;
  #factSeq = 0;

  private constructor([nats, redis]: readonly [PrivateServer, PrivateServer], bus: Bus, db: Database) {
    this.nats = nats;
    this.redis = redis;
    this.bus = bus;
    this.db = db;
    bus.respond(bus.names.subjects.venue("command"), async (data) => {
      const command = JSON.parse(new TextDecoder().decode(data)) as VenueCommand;
      this.told.push(command);
      if (!this.answering) await wait(1_000);
      return { effect: command.effect.id, state: "working", seq: null };
    });
  }

  static async start(): Promise<Bench> {
    const [nats, redis, { url }] = await Promise.all([startNats(), startRedis(), migratedPostgres()]);
    const db = openDatabase({ url, name: "test" });
    const bus = await connectBus({ url: nats.url, name: "test", namespace: "" });
    await ensureStreams(bus, ["0"]);
    await acquireShard(db, "0", "test", 60_000);
    const bench = new Bench([nats, redis], bus, db);
    bench.#databaseUrl = await urlAs("liquidation", url);
    return bench;
  }

  async stop(): Promise<void> {
    await this.#app?.stop();
    await this.bus.close();
    await this.db.close();
    await Promise.all([this.nats.stop(), this.redis.stop()]);
  }

  async leader(): Promise<RunningApp> {
    if (this.#app?.running === true) return this.#app;
    this.#app = await spawnApp("liquidation", {
      NATS_URL: this.nats.url,
      DATABASE_URL: this.#databaseUrl,
      REDIS_URL: this.redis.url,
    });
    await this.#app.whenMessage("leading");
    return this.#app;
  }

  async crash(): Promise<void> {
    await this.#app?.kill("SIGKILL");
  }

  async open(effect: Effect, { pushed = true, attempts = 0, agoMs = 0 } = {}): Promise<void> {
    await this.db.query({
      text: `INSERT INTO effect (shard, id, kind, body, opened_seq, attempts, last_sent_at)
        VALUES ('0', $1, $2, $3, 1, $4::integer, CASE WHEN $4::integer > 0
          THEN clock_timestamp() - $5::integer * interval '1 millisecond' END)`,
      values: [effect.id, effect.effect, JSON.stringify(effect), attempts, agoMs],
    });
    if (pushed) this.bus.publish(this.bus.names.subjects.effects("0"), { shard: "0", epoch: 1, effects: [effect] });
  }

  async answer(id: string): Promise<void> {
    await this.db.query({
      text: "UPDATE effect SET answered_seq = 2, answered_at = clock_timestamp() WHERE shard = '0' AND id = $1",
      values: [id],
    });
  }

  times(id: string): number {
    return this.told.filter(({ effect }) => effect.id === id).length;
  }

  async facts(said: readonly (Omit<Fact, "seq" | "t"> & { readonly fact: string })[]): Promise<readonly Fact[]> {
    const facts = said.map((fact): Fact => {
      this.#factSeq += 1;
      return { ...fact, seq: this.#factSeq, t: 1_000 + this.#factSeq };
    });
    await this.db.transaction(async (client) => {
      await client.query({
        text: `INSERT INTO fact (shard, seq, t, fact, account, body)
          SELECT '0', (one ->> 'seq')::bigint, (one ->> 't')::bigint, one ->> 'fact', one ->> 'account', one
          FROM jsonb_array_elements($1::jsonb) AS one`,
        values: [JSON.stringify(facts)],
      });
      await client.query({ text: "UPDATE shard SET fact_seq = $1 WHERE id = '0'", values: [this.#factSeq] });
    });
    return facts;
  }

  async jobs(name: string): Promise<readonly { id: string; priority: number; state: string }[]> {
    const connection = new Redis(this.redis.url, { maxRetriesPerRequest: null });
    const queue = new Queue(name, { connection, prefix: "plimsoll" });
    try {
      const found = [];
      for (const state of ["delayed", "prioritized", "active", "completed", "failed"] as const)
        for (const job of await queue.getJobs([state]))
          found.push({ id: job.id ?? "", priority: job.opts.priority ?? 0, state });
      return found;
    } finally {
      await queue.close();
      connection.disconnect();
    }
  }

  async flushRedis(): Promise<void> {
    const client = new Redis(this.redis.url);
    await client.flushall();
    client.disconnect();
  }

  async notices(): Promise<readonly { subject: string; id: string; body: Stored }[]> {
    const found = await messagesOf(this.nats.url, this.bus.names.streams.notices);
    return found.map(({ body, ...rest }) => ({ ...rest, body: body as Stored }));
  }
}
