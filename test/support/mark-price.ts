import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll } from "vitest";
import { type Bus, connectBus, openLogReader } from "#libs/adapters/nats/index.ts";
import { type Database, openDatabase } from "#libs/adapters/postgres/index.ts";
import type { FrameEntry } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { wait } from "#libs/process/backoff.ts";
import { clockFrom } from "#libs/process/clock.ts";
import { type PrivateServer, startNats } from "#libs/process/servers/index.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { urlAs } from "./database-roles.ts";
import { migratedPostgres } from "./servers.ts";

export type Frame = FrameEntry & { readonly t: number; readonly sourceSeq: number; readonly source: string };

export interface Frames {
  readonly seen: readonly Frame[];
  /** The next that fits; what was looked at is passed over. */
  until(fits: (frame: Frame) => boolean): Promise<Frame>;
  stop(): Promise<void>;
}

/** The servers of a file's own around mark-price processes of two shards. */
export interface MarkPriceBench {
  readonly bus: Bus;
  readonly db: Database;
  readonly nats: PrivateServer;
  start(): Promise<RunningApp>;
  /** A quote of each of these sources (a, b and c), dated by the market's clock. */
  say(price: string, options?: { readonly sources?: readonly string[]; readonly t?: number }): void;
  /** All frames of a shard's log so far and to come, in order. */
  framesOf(shard: string): Promise<Frames>;
}

const withinMs = 30_000;

export async function poll(holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come to hold: ${holds.toString()}`);
    await wait(50);
  }
}

/** `clock`: as in `clockFrom`; the wall clock unless given. */
export function useMarkPrice(rules: RuleDocument, clock: string | null = null): () => MarkPriceBench {
  let bench: Bench | null = null;
  beforeAll(async () => {
    bench = await Bench.start(rules, clock);
  }, 60_000);
  afterEach(async () => bench?.stopApps());
  afterAll(async () => bench?.stop());
  return () => {
    if (bench === null) throw new Error("the servers run only during the file's tests");
    return bench;
  };
}

class Bench implements MarkPriceBench {
  readonly bus: Bus;
  readonly db: Database;
  readonly nats: PrivateServer;
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #now: () => number;
  readonly #apps: RunningApp[] = [];
  readonly #readers: Frames[] = [];

  private constructor(
    nats: PrivateServer,
    links: { readonly bus: Bus; readonly db: Database },
    own: { readonly folder: string; readonly databaseUrl: string; readonly clock: string | null },
  ) {
    this.nats = nats;
    this.bus = links.bus;
    this.db = links.db;
    this.#folder = own.folder;
    const clock = clockFrom(own.clock);
    this.#now = () => clock.now();
    this.#environment = {
      NATS_URL: this.nats.url,
      DATABASE_URL: own.databaseUrl,
      PLIMSOLL_RULES: join(own.folder, "rules.json"),
      PLIMSOLL_SHARDS: "0,1",
      ...(own.clock === null ? {} : { PLIMSOLL_CLOCK: own.clock }),
    };
  }

  static async start(rules: RuleDocument, clock: string | null): Promise<Bench> {
    const [nats, { url }] = await Promise.all([startNats(), migratedPostgres()]);
    const db = openDatabase({ url, name: "test" });
    const bus = await connectBus({ url: nats.url, name: "test", namespace: "" });
    const folder = mkdtempSync(join(tmpdir(), "plimsoll-mark-price-"));
    writeFileSync(join(folder, "rules.json"), JSON.stringify(rules));
    const databaseUrl = await urlAs("mark_price", url);
    return new Bench(nats, { bus, db }, { folder, databaseUrl, clock });
  }

  /** So that the next test's first one leads at once. */
  async stopApps(): Promise<void> {
    await Promise.all(this.#apps.splice(0).map(async (app) => app.stop()));
  }

  async stop(): Promise<void> {
    await this.stopApps();
    await Promise.all(this.#readers.map((reader) => reader.stop()));
    await this.bus.close();
    await this.db.close();
    await this.nats.stop();
    rmSync(this.#folder, { recursive: true });
  }

  async start(): Promise<RunningApp> {
    const app = await spawnApp("mark-price", this.#environment);
    this.#apps.push(app);
    await app.whenMessage("ready");
    return app;
  }

  say(price: string, options: { readonly sources?: readonly string[]; readonly t?: number } = {}): void {
    const t = options.t ?? this.#now();
    for (const source of options.sources ?? ["a", "b", "c"])
      this.bus.publish(this.bus.names.subjects.quote(source, "BTC"), { price, t });
  }

  async framesOf(shard: string): Promise<Frames> {
    const reader = await openLogReader(this.bus, shard, { from: 1 });
    const seen: Frame[] = [];
    let looked = 0;
    const frames: Frames = {
      seen,
      async until(fits) {
        const deadline = performance.now() + withinMs;
        for (;;) {
          for (const { data } of await reader.next(100, 50))
            seen.push(JSON.parse(new TextDecoder().decode(data)) as Frame);
          for (; looked < seen.length; looked += 1) if (fits(seen[looked] as Frame)) return seen[looked++] as Frame;
          if (performance.now() > deadline) throw new Error(`no such frame: ${JSON.stringify(seen.slice(-5))}`);
        }
      },
      stop: async () => reader.stop(),
    };
    this.#readers.push(frames);
    return frames;
  }
}
