import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, dropDatabase, migrate } from "#libs/adapters/postgres/index.ts";
import type { ServerUrls } from "#libs/process/environment.ts";
import {
  ensureServerBinaries,
  type PrivateServer,
  startNats,
  startPostgres,
  startRedis,
} from "#libs/process/servers/index.ts";

export type Say = (line: string) => void;

/** The servers of a run: those that are given, in a namespace and a database made for it, or private ones. */
export interface Servers {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly namespace: string;
  readonly folder: string;
  /** Those that this run started itself. */
  readonly own: ReadonlyMap<"nats" | "redis" | "postgres", PrivateServer>;
  stop(): Promise<void>;
}

/** Servers that are not given are started; `keep` names a folder that stays, else everything is temporary. */
export async function startServers(given: ServerUrls, keep: string | null, say: Say): Promise<Servers> {
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    const folder = keep ?? mkdtempSync(join(tmpdir(), "plimsoll-live-"));
    mkdirSync(folder, { recursive: true });
    // As root, PostgreSQL runs under an account of its own, which must be able to pass through.
    chmodSync(folder, 0o711);
    if (keep === null) stops.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const run = randomBytes(4).toString("hex");
    if (given.nats === null || given.redis === null || given.database === null)
      ensureServerBinaries({ install: true, onInstall: (names) => say(`installing ${names.join(", ")} (once) ...`) });
    const started = new Map<"nats" | "redis" | "postgres", PrivateServer>();
    const own = async (
      name: "nats" | "redis" | "postgres",
      start: (dir: string) => Promise<PrivateServer>,
    ): Promise<string> => {
      const server = await start(join(folder, name));
      started.set(name, server);
      stops.push(() => server.stop());
      return server.url;
    };
    const [natsUrl, redisUrl] = await Promise.all([
      given.nats ?? own("nats", async (dir) => startNats({ dir })),
      given.redis ?? own("redis", async (dir) => startRedis({ dir })),
    ]);
    const server = given.database ?? (await own("postgres", async (dir) => startPostgres({ dir })));
    const database = `plimsoll_live_${run}`;
    const databaseUrl = await createDatabase(server, database);
    if (given.database !== null && keep === null) stops.push(() => dropDatabase(server, database));
    await migrate(databaseUrl);
    return { natsUrl, redisUrl, databaseUrl, namespace: `live${run}`, folder, own: started, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
