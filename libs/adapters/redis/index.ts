import { Redis } from "ioredis";
import type { RedisOptions } from "ioredis";

import { limited, silentLogger } from "#libs/telemetry/logger.ts";
import type { Logger } from "#libs/telemetry/logger.ts";

/**
 * `producer`: a command fails at once while Redis is away, so that nobody waits for a wake-up. `worker`: commands wait until it is
 * back, because a worker that gives up is dead for good.
 */
export type RedisRole = "producer" | "worker";

export interface RedisLink {
  readonly client: Redis;
  /** Every key begins with it and a colon. */
  readonly prefix: string;
  readonly role: RedisRole;
  close(): Promise<void>;
}

export interface ConnectRedis {
  readonly url: string;
  readonly name: string;
  readonly namespace: string;
  readonly role: RedisRole;
  readonly logger?: Logger;
  /** How long the first connection may take, ms. */
  readonly connectWithinMs?: number;
}

export const commandTimeoutMs = 500;
const connectTimeoutMs = 1_000;
/** Of a server that does not answer a goodbye. */
const disconnectTimeoutMs = 500;
const connectWithinMsDefault = 15_000;
const reconnectFirstMs = 50;
const reconnectMaxMs = 500;
const keepAliveMs = 2_000;

export const redisPrefix = (namespace: string): string => (namespace === "" ? "plimsoll" : `plimsoll:${namespace}`);

/** Resolves once commands are answered. Nothing that money depends on may live in Redis. */
export async function connectRedis(options: ConnectRedis): Promise<RedisLink> {
  const { url, name, role, namespace, logger = silentLogger } = options;
  const client = new Redis(url, { ...common(name), ...ofRole(role) });
  // Without a listener an error would end the process.
  const report = limited((fields, message) => logger.warn(fields, message));
  client.on("error", (error: unknown) => report({ error, role }, "Redis"));
  client.on("close", () => report({ role }, "link to Redis lost"));
  try {
    await ready(client, options.connectWithinMs ?? connectWithinMsDefault);
  } catch (error) {
    client.disconnect();
    throw error;
  }
  return {
    client,
    prefix: redisPrefix(namespace),
    role,
    async close() {
      // Between two attempts to connect nothing is open, and no end is told of what is not.
      const open = client.status !== "reconnecting" && client.status !== "end";
      client.disconnect();
      if (!open) return;
      await new Promise<void>((resolve) => {
        client.once("end", () => resolve());
      });
    },
  };
}

type Options = Omit<RedisOptions, "replyMapping">;

function common(name: string): Options {
  return {
    connectionName: name,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    keepAlive: keepAliveMs,
    retryStrategy: (times) => Math.min(reconnectFirstMs * times, reconnectMaxMs),
  };
}

function ofRole(role: RedisRole): Options {
  // A worker's blocking read goes on by itself after a reconnect. A producer's command that may have run is not run twice unasked.
  if (role === "worker") return { maxRetriesPerRequest: null, autoResendUnfulfilledCommands: true };
  return {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: commandTimeoutMs,
  };
}

async function ready(client: Redis, withinMs: number): Promise<void> {
  if (client.status === "ready") return;
  let last: unknown = null;
  const remember = (error: unknown): void => {
    last = error;
  };
  client.on("error", remember);
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no connection to Redis in ${withinMs} ms`, { cause: last }));
      }, withinMs);
      client.once("ready", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  } finally {
    client.removeListener("error", remember);
  }
}

const scanCount = 500;

/** Removes every key of a deployment whose data nobody wants any more: a demonstration's, on a server of others. */
export async function removeKeys({ client, prefix }: RedisLink): Promise<void> {
  let cursor = "0";
  do {
    const [next, keys] = await client.scan(cursor, "MATCH", `${prefix}:*`, "COUNT", scanCount);
    cursor = next;
    if (keys.length > 0) await client.unlink(...keys);
  } while (cursor !== "0");
}
