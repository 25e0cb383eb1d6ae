import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, connectBus, ensureStreams, openEntryWriter } from "#libs/adapters/nats/index.ts";
import { type Database, genesisHash, journalPages, migrate, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { ReconcileReply, ShardStatus } from "#libs/contracts/live/margin.ts";
import type { RpcVerb } from "#libs/contracts/live/subjects.ts";
import type { HandshakeReply, ResendReply } from "#libs/contracts/live/venue.ts";
import type { Entry, EntryBody } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Replayer } from "#libs/journal/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";

export const shardRules: RuleDocument = {
  assets: [{ id: "USDT", quantum: "0.000001" }, { id: "BTC" }],
  instruments: [
    {
      id: "BTC-PERP",
      kind: "linear",
      base: "BTC",
      quote: "USDT",
      settle: "USDT",
      index: "BTC",
      tick: "0.5",
      lot: "0.001",
      tiers: [{ from: "0", im: "0.02", mm: "0.01" }],
    },
  ],
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

/** The other side of a shard: numbers entries as the matching engine does, and gives them again when it is asked. */
class Partner {
  readonly entries: Entry[] = [];
  resends = 0;
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
    bus.respond(bus.names.subjects.venue("handshake"), (data) => this.#handshake(data));
    bus.respond(bus.names.subjects.venue("resend"), (data) => this.#resend(data));
  }

  number(body: EntryBody, t: number): Entry {
    const entry = { ...body, t, source: "venue", sourceSeq: this.entries.length + 1 };
    this.entries.push(entry);
    return entry;
  }

  #handshake(data: Uint8Array): HandshakeReply {
    const { shard, epoch } = JSON.parse(new TextDecoder().decode(data)) as { shard: string; epoch: number };
    return { shard, epoch, lastSeq: this.entries.length, openOrders: [] };
  }

  #resend(data: Uint8Array): ResendReply {
    this.resends += 1;
    const { shard, from, to } = JSON.parse(new TextDecoder().decode(data)) as {
      shard: string;
      from: number;
      to: number;
    };
    return { shard, entries: this.entries.slice(from - 1, to), lastSeq: this.entries.length };
  }

  get bus(): Bus {
    return this.#bus;
  }
}

export interface LiveShard {
  readonly bus: Bus;
  readonly db: Database;
  readonly partner: Partner;
  start(role?: "leader" | "follower"): Promise<RunningApp>;
  /** One of an operator's or the mark-price process's entries, stored. */
  put(source: string, body: EntryBody): Promise<number>;
  /** Puts an entry of the matching engine into the log. */
  trade(body: EntryBody): Promise<void>;
  /** Any bytes on a subject of the log. */
  raw(kind: string, body: unknown): Promise<void>;
  ask<T>(verb: RpcVerb, body: unknown): Promise<T>;
  status(asked?: object): Promise<ShardStatus>;
  /** Waits until everything put so far is committed. */
  settled(): Promise<ShardStatus>;
  reconcile(): Promise<ReconcileReply>;
  replayed(): Promise<Replayer>;
  stop(): Promise<void>;
}

async function replayedFrom(db: Database): Promise<Replayer> {
  const replayer = new Replayer();
  for await (const page of journalPages(db, "0", { afterEntry: 0, hash: genesisHash }))
    for (const batch of page) replayer.replay(batch);
  return replayer;
}

async function startMargin(environment: Readonly<Record<string, string>>, role: string): Promise<RunningApp> {
  const clock = { PLIMSOLL_CLOCK: `1760000000000@1@${Date.now()}` };
  return spawnApp("margin", { ...environment, ...clock }, { arguments: [role] });
}

let runs = 0;

/** A shard of its own on these servers, with a partner instead of a matching engine. */
export async function liveShard(natsUrl: string, databaseUrl: string): Promise<LiveShard> {
  runs += 1;
  const namespace = `shard${process.pid}x${runs}`;
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-shard-"));
  const rules = join(folder, "rules.json");
  writeFileSync(rules, JSON.stringify(shardRules));
  await migrate(databaseUrl);
  const db = openDatabase({ url: databaseUrl, name: "test" });
  const bus = await connectBus({ url: natsUrl, name: "test", namespace });
  await ensureStreams(bus, ["0"]);
  const partner = new Partner(bus);
  const apps: RunningApp[] = [];
  const writers = new Map<string, ReturnType<typeof openEntryWriter>>();
  const writer = (source: string) => {
    const known = writers.get(source) ?? openEntryWriter(bus, { shard: "0", source, lastSeq: 0 });
    writers.set(source, known);
    return known;
  };
  let t = 1_760_000_000_000;
  let lastSeq = 0;
  const note = async (stored: Promise<number>): Promise<number> => {
    const seq = await stored;
    lastSeq = Math.max(lastSeq, seq);
    return seq;
  };
  const ask = async <T>(verb: RpcVerb, body: unknown): Promise<T> =>
    bus.request<T>(bus.names.subjects.rpc("0", verb), body, { timeoutMs: 2_000 });
  const status = async (asked: object = {}): Promise<ShardStatus> => ask<ShardStatus>("status", asked);
  return {
    bus,
    db,
    partner,
    async start(role = "leader") {
      const environment = { NATS_URL: natsUrl, DATABASE_URL: databaseUrl };
      const own = { PLIMSOLL_NAMESPACE: namespace, PLIMSOLL_RULES: rules };
      const app = await startMargin({ ...environment, ...own }, role);
      apps.push(app);
      return app;
    },
    put: async (source, body) => note(writer(source).write(body, (t += 1)).stored),
    async trade(body) {
      await note(writer("venue").writeNumbered(partner.number(body, (t += 1))).stored);
    },
    async raw(kind, body) {
      const subject = bus.names.subjects.entry("0", kind);
      bus.publish(subject, body);
      await bus.flush();
    },
    ask,
    status,
    settled: async () =>
      eventually("the commit", async () => {
        const now = await status();
        return now.committedSeq >= lastSeq ? now : null;
      }),
    reconcile: async () => ask<ReconcileReply>("reconcile", { limit: 1000 }),
    replayed: async () => replayedFrom(db),
    async stop() {
      for (const app of apps) if (app.running) await app.stop();
      for (const one of writers.values()) await one.close();
      await bus.close();
      await db.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
