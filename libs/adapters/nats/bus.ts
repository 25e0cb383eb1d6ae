import {
  connect,
  DebugEvents,
  Events,
  headers as newHeaders,
  NatsError,
  ServiceErrorCodeHeader,
  ServiceErrorHeader,
} from "nats";
import type { JetStreamClient, JetStreamManager, Msg, MsgHdrs, NatsConnection } from "nats";
import { busNames } from "#libs/contracts/live/subjects.ts";
import type { BusNames } from "#libs/contracts/live/subjects.ts";
import { retry } from "#libs/process/backoff.ts";
import { limited, silentLogger } from "#libs/telemetry/logger.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { BusClosed, BusError, BusOverloaded, BusRefused, BusTimeout, NoResponders, Unanswered } from "./errors.ts";

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: ReadonlyMap<string, string>;
}

export interface Subscription {
  stop(): void;
}

/** Messages between processes. Bodies are JSON. */
export interface Bus {
  readonly names: BusNames;
  /** Resolves when the connection is closed for good, with the error unless `close` was called. */
  readonly closed: Promise<Error | undefined>;
  readonly connected: boolean;
  /** The server's own id, another after its restart. */
  readonly serverId: string;
  /** At most once; while the link is down, not at all. Throws when the body is larger than the server takes. */
  publish(subject: string, body: unknown, headers?: Readonly<Record<string, string>>): void;
  /** Throws `BusTimeout`, `NoResponders`, `BusRefused`, `BusOverloaded` or `BusClosed`. */
  request<T>(subject: string, body: unknown, options: { readonly timeoutMs: number }): Promise<T>;
  /** An error of the handler is logged; the subscription goes on. */
  subscribe(
    subject: string,
    handle: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): Subscription;
  /** The handler's result is the answer. Its error is one too: a `BusRefused` as it is, `Unanswered` none, any other as code 500. */
  respond(
    subject: string,
    handle: (data: Uint8Array, subject: string, headers: ReadonlyMap<string, string>) => unknown,
    options?: { readonly queue?: string },
  ): Subscription;
  /** Resolves when the server has everything that was published. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface BusOptions {
  /** One or more servers of one cluster, with commas between them. */
  readonly url: string;
  readonly user?: string | null;
  readonly password?: string | null;
  readonly name: string;
  readonly namespace: string;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  /** How long the first connection may take, ms. */
  readonly connectWithinMs?: number;
}

/** A half-open link is noticed after two missed answers. */
export const pingIntervalMs = 2_000;
export const missedPingsMax = 2;
export const reconnectWaitMs = 100;
export const connectTimeoutMs = 1_000;
/** JetStream's answers. */
export const jetStreamTimeoutMs = 1_000;
export const connectWithinMsDefault = 15_000;
export const requestsMax = 20_000;
/** Answers that one subscription may be working on. */
export const answersMax = 2_000;
const closeWithinMs = 2_000;

export async function connectBus(options: BusOptions): Promise<Bus> {
  const [url, ...others] = options.url.split(",").map((one) => new URL(one.trim()));
  if (url === undefined) throw new BusError("no server is named");
  const servers = [url, ...others].map(({ protocol, host }) => `${protocol}//${host}`);
  const user = options.user ?? (url.username === "" ? null : decodeURIComponent(url.username));
  const password = options.password ?? (url.password === "" ? null : decodeURIComponent(url.password));
  const open = async (): Promise<NatsConnection> =>
    connect({
      servers,
      name: options.name,
      // Answers come to a place of the user's own, so that no other user need be let in there.
      ...(user === null ? {} : { user, pass: password ?? "", inboxPrefix: `_INBOX_${user}` }),
      pingInterval: pingIntervalMs,
      maxPingOut: missedPingsMax,
      maxReconnectAttempts: -1,
      reconnectTimeWait: reconnectWaitMs,
      reconnectJitter: reconnectWaitMs,
      timeout: connectTimeoutMs,
      noAsyncTraces: true,
      ignoreClusterUpdates: true,
    });
  const withinMs = options.connectWithinMs ?? connectWithinMsDefault;
  const isAuth = (error: unknown): boolean => error instanceof NatsError && error.isAuthError();
  const connection = await retry(open, {
    attempts: Number.POSITIVE_INFINITY,
    withinMs,
    firstMs: reconnectWaitMs,
    maxMs: connectTimeoutMs,
    retryIf: (error) => !isAuth(error),
  }).catch((error: unknown) => {
    throw new BusError(
      `no connection to NATS at ${servers.join(", ")}: ${error instanceof Error ? error.message : ""}`,
      {
        cause: error,
      },
    );
  });
  const manager = await connection.jetstreamManager({ timeout: jetStreamTimeoutMs, checkAPI: false });
  return new NatsBus(connection, manager, options);
}

/** The connection behind a bus, for the modules of this folder alone. */
export function natsOf(bus: Bus): NatsBus {
  if (bus instanceof NatsBus) return bus;
  throw new TypeError("a bus that connectBus has made is needed");
}

export type LinkListener = (link: "up" | "down") => void;

export class NatsBus implements Bus {
  readonly names: BusNames;
  readonly closed: Promise<Error | undefined>;
  readonly connection: NatsConnection;
  readonly jetStream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly logger: Logger;
  readonly metrics: Metrics | undefined;
  readonly #linkListeners = new Set<LinkListener>();
  #connected = true;
  #waiting = 0;
  #payloadMax: number;

  constructor(connection: NatsConnection, manager: JetStreamManager, options: BusOptions) {
    this.names = busNames(options.namespace);
    this.connection = connection;
    this.#payloadMax = connection.info?.max_payload ?? 0;
    this.manager = manager;
    this.jetStream = connection.jetstream({ timeout: jetStreamTimeoutMs });
    this.logger = options.logger ?? silentLogger;
    this.metrics = options.metrics;
    this.closed = connection.closed().then((error) => error ?? undefined);
    void this.#watchLink();
  }

  get connected(): boolean {
    return this.#connected;
  }

  get serverId(): string {
    return this.connection.info?.server_id ?? "";
  }

  /** Largest message that the server takes, bytes. While a new link is being made the server is not known: as it was before. */
  get payloadMax(): number {
    this.#payloadMax = this.connection.info?.max_payload ?? this.#payloadMax;
    return this.#payloadMax;
  }

  /** Calls at every loss and return of the link, in the order that it happened. */
  onLink(listener: LinkListener): () => void {
    this.#linkListeners.add(listener);
    return () => this.#linkListeners.delete(listener);
  }

  publish(subject: string, body: unknown, headers?: Readonly<Record<string, string>>): void {
    if (!this.#connected || this.connection.isClosed()) {
      // The client would keep it without bound and then throw it away.
      this.metrics?.busDropped.inc();
      return;
    }
    this.connection.publish(
      subject,
      JSON.stringify(body),
      headers === undefined ? {} : { headers: headersOf(headers) },
    );
  }

  async request<T>(subject: string, body: unknown, { timeoutMs }: { readonly timeoutMs: number }): Promise<T> {
    if (this.#waiting >= requestsMax) throw new BusOverloaded(`${requestsMax} requests wait for answers`);
    this.#waiting += 1;
    try {
      const message = await this.connection.request(subject, JSON.stringify(body), { timeout: timeoutMs });
      return answerOf(message) as T;
    } catch (error) {
      throw translated(error, subject);
    } finally {
      this.#waiting -= 1;
    }
  }

  subscribe(
    subject: string,
    handle: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): Subscription {
    const report = limited((fields, message) => this.logger.error(fields, message));
    const subscription = this.connection.subscribe(subject, {
      ...options,
      callback(error, message) {
        if (error !== null) return report({ error, subject }, "a subscription failed");
        try {
          handle({ subject: message.subject, data: message.data, headers: readHeaders(message.headers) });
        } catch (failure) {
          report({ error: failure, subject: message.subject }, "a message could not be handled");
        }
      },
    });
    return { stop: () => subscription.unsubscribe() };
  }

  respond(
    subject: string,
    handle: (data: Uint8Array, subject: string, headers: ReadonlyMap<string, string>) => unknown,
    options: { readonly queue?: string } = {},
  ): Subscription {
    let working = 0;
    const answer = async (message: Msg): Promise<void> => {
      working += 1;
      try {
        if (working > answersMax) throw new BusRefused(429, "too many requests");
        const body = await handle(message.data, message.subject, readHeaders(message.headers));
        if (!this.connection.isClosed()) message.respond(JSON.stringify(body ?? null));
      } catch (error) {
        if (error instanceof Unanswered) return;
        if (!(error instanceof BusRefused)) this.logger.error({ error, subject: message.subject }, "a request failed");
        if (!this.connection.isClosed()) refuse(message, error);
      } finally {
        working -= 1;
      }
    };
    const subscription = this.connection.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (error === null) void answer(message);
        else this.logger.error({ error, subject }, "a subscription failed");
      },
    });
    return { stop: () => subscription.unsubscribe() };
  }

  async flush(): Promise<void> {
    await this.connection.flush();
  }

  async close(): Promise<void> {
    if (this.connection.isClosed()) return;
    const late = setTimeout(() => void this.connection.close(), closeWithinMs);
    // A drain waits for the server's answer, which need not come: then the connection is closed without it.
    const ending = this.#connected ? this.connection.drain() : this.connection.close();
    await Promise.race([ending.catch(async () => this.connection.close()), this.closed]);
    clearTimeout(late);
  }

  async #watchLink(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === Events.Disconnect) this.#setLink("down");
      if (status.type === Events.Reconnect) {
        this.metrics?.busReconnects.inc();
        this.#setLink("up");
      }
      if (status.type === Events.Error) this.logger.warn({ detail: status.data }, "NATS reported an error");
      if (status.type === DebugEvents.StaleConnection)
        this.logger.warn({}, "NATS does not answer: the link is made again");
    }
  }

  #setLink(link: "up" | "down"): void {
    this.#connected = link === "up";
    this.logger.info({ link, server: this.serverId }, "link to NATS");
    for (const listener of this.#linkListeners) listener(link);
  }
}

const noHeaders: ReadonlyMap<string, string> = new Map();

export function readHeaders(headers: MsgHdrs | undefined): ReadonlyMap<string, string> {
  if (headers === undefined) return noHeaders;
  return new Map(headers.keys().map((key) => [key, headers.get(key)]));
}

export function headersOf(fields: Readonly<Record<string, string>>): MsgHdrs {
  const headers = newHeaders();
  for (const [name, value] of Object.entries(fields)) headers.set(name, value);
  return headers;
}

/** The body of an answer, or `BusRefused` when its headers say that it is an error. */
function answerOf(message: Msg): unknown {
  const code = message.headers?.get(ServiceErrorCodeHeader) ?? "";
  if (code === "") return readJson(message);
  const text = message.headers?.get(ServiceErrorHeader) ?? "";
  throw new BusRefused(Number(code), text, message.data.length === 0 ? null : readJson(message));
}

function readJson(message: Msg): unknown {
  try {
    return message.json();
  } catch (error) {
    throw new BusError("the answer is not JSON", { cause: error });
  }
}

function refuse(message: Msg, error: unknown): void {
  const { code, text, body } = refusalOf(error);
  message.respond(JSON.stringify(body), { headers: errorHeaders(code, text) });
}

/** Nothing of an unexpected error but that there was one goes to whoever asked. */
export function refusalOf(error: unknown): BusRefused {
  return error instanceof BusRefused ? error : new BusRefused(500, "internal error");
}

export const errorHeaders = (code: number, text: string): MsgHdrs =>
  headersOf({ [ServiceErrorHeader]: text.replaceAll(/[\r\n]+/g, " "), [ServiceErrorCodeHeader]: String(code) });

export function translated(error: unknown, what: string): unknown {
  if (!(error instanceof NatsError)) return error;
  const cause = { cause: error };
  if (error.code === "503") return new NoResponders(`nobody answers on ${what}`, cause);
  if (error.code === "TIMEOUT" || error.code === "CANCELLED")
    return new BusTimeout(`no answer on ${what} in time`, cause);
  if (error.code === "CONNECTION_CLOSED" || error.code === "CONNECTION_DRAINING") {
    return new BusClosed("the connection to NATS is closed", cause);
  }
  return new BusError(`${what}: ${error.message}`, cause);
}
