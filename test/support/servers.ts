import { randomBytes } from "node:crypto";
import { afterAll, beforeAll } from "vitest";
import { migrate } from "#libs/adapters/postgres/index.ts";
import { startNats, startPostgres, startRedis } from "#libs/process/servers/index.ts";
import type {
  NatsOptions,
  PostgresOptions,
  PrivatePostgres,
  PrivateServer,
  RedisOptions,
} from "#libs/process/servers/index.ts";

/*
 * Real servers of a test file's own, each on a free port and with its own data. To be called at a file's top level; the server
 * starts before the file's tests and ends after them:
 *
 *   const nats = useNats();
 *   test("…", async () => { const bus = await connectBus({ url: nats().url, … }); });
 *
 * A test that needs one for itself calls `startNats` and its `stop` (libs/process/servers).
 */

const startWithinMs = 60_000;

export const useNats = (options: NatsOptions = {}): (() => PrivateServer) => forFile(async () => startNats(options));

export const useRedis = (options: RedisOptions = {}): (() => PrivateServer) => forFile(async () => startRedis(options));

/** A cluster of a file's own, for tests that kill it; durable unless told otherwise. Others take `privatePostgres`. */
export const useCluster = (options: PostgresOptions = {}): (() => PrivatePostgres) =>
  forFile(async () => startPostgres(options));

function forFile<S extends PrivateServer>(start: () => Promise<S>): () => S {
  let server: S | null = null;
  beforeAll(async () => {
    server = await start();
  }, startWithinMs);
  afterAll(async () => {
    await server?.stop();
    server = null;
  });
  return () => {
    if (server === null) throw new Error("the server runs only during the file's tests");
    return server;
  };
}

export interface PrivateDatabase {
  /** Of a database that nobody else uses, empty or a copy of the template. */
  readonly url: string;
  readonly name: string;
  /** The cluster, which the other files of this worker use too: never kill or stop it. */
  readonly cluster: PrivatePostgres;
}

/** One cluster for each worker of the test run: starting one costs half a second. It ends with the worker. */
let cluster: Promise<PrivatePostgres> | null = null;
const templates = new Map<string, Promise<string>>();

/**
 * A database of its own on a cluster that the files of a worker share; fsync is off. `template`: a name and what fills the
 * database, done once for each name; every caller then gets a copy.
 */
export async function privatePostgres(template?: {
  readonly name: string;
  readonly fill: (url: string) => Promise<void>;
}): Promise<PrivateDatabase> {
  cluster ??= startPostgres({ fsync: false });
  const server = await cluster;
  const from = template === undefined ? undefined : await templateOf(server, template.name, template.fill);
  const name = `t_${randomBytes(6).toString("hex")}`;
  await server.createDatabase(name, from);
  return { url: server.urlOf(name), name, cluster: server };
}

/** The same with the newest schema in it, which is made once and copied: a third of a second for each that does not make it anew. */
export const migratedPostgres = async (): Promise<PrivateDatabase> =>
  privatePostgres({ name: "migrated", fill: async (url) => void (await migrate(url)) });

async function templateOf(
  server: PrivatePostgres,
  name: string,
  fill: (url: string) => Promise<void>,
): Promise<string> {
  const known = templates.get(name);
  if (known !== undefined) return known;
  const made = (async () => {
    const database = `template_${name}`;
    await server.createDatabase(database);
    await fill(server.urlOf(database));
    return database;
  })();
  templates.set(name, made);
  return made;
}
