import type { IncomingMessage } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import fastify from "fastify";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Access, Principal } from "#libs/access/index.ts";
import { closeCodes, streamPath } from "#libs/contracts/stream/codes.ts";
import { frameBytesMax } from "#libs/contracts/stream/reading.ts";
import { type Logger, limited } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { limits } from "./limits.ts";
import type { Socket } from "./outgoing.ts";
import type { World } from "./world.ts";

export interface ServerParts {
  readonly hub: Hub;
  readonly world: World;
  readonly access: Access;
  readonly run: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Monotonic ms. */
  readonly now: () => number;
}

export interface StreamServer {
  readonly port: number;
  readonly connections: number;
  close(): Promise<void>;
}

const tendMs = 1_000;

/** `/v1/stream` on a server of its own. */
export async function startStreamServer(parts: ServerParts): Promise<StreamServer> {
  const { host, port } = parts;
  const app = fastify({
    logger: false,
    requestTimeout: limits.upgradeWithinMs,
    bodyLimit: frameBytesMax,
    http: { connectionsCheckingInterval: limits.upgradeCheckMs },
  });
  // Those that never become a WebSocket hold a place too.
  app.server.maxConnections = limits.connections + limits.strangers;
  app.get(streamPath, async (_, reply) =>
    reply.code(426).header("upgrade", "websocket").send({ code: "upgrade_required" }),
  );
  const sockets = new Sockets(parts);
  app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    sockets.upgrade(request, socket as NetSocket, head),
  );
  await app.listen({ host, port });
  const address = app.server.address();
  const timer = setInterval(() => sockets.tend(), tendMs);
  return {
    port: address !== null && typeof address === "object" ? address.port : port,
    get connections() {
      return sockets.size;
    },
    async close() {
      clearInterval(timer);
      sockets.close();
      // Those that are no WebSocket yet.
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

/** Every connection of the server, and how many of them are whose. */
class Sockets {
  readonly #parts: ServerParts;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: frameBytesMax,
    maxFragments: limits.fragments,
    maxBufferedChunks: limits.chunks,
    autoPong: false,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #open = new Map<Connection, WebSocket>();
  readonly #perPrincipal = new Map<string, number>();
  readonly #warn: (fields: object, message: string) => void;
  #strangers = 0;
  #owners: unknown;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.#owners = parts.world.owners;
    this.#warn = limited((fields, message) => parts.logger.warn(fields, message));
  }

  get size(): number {
    return this.#open.size;
  }

  upgrade(request: IncomingMessage, socket: NetSocket, head: Buffer): void {
    // Before a WebSocket takes over, its errors are nobody's.
    socket.on("error", () => socket.destroy());
    const path = (request.url ?? "").split("?")[0];
    if (path !== streamPath) return refuseUpgrade(socket, "404 Not Found");
    if (this.#open.size >= limits.connections || this.#strangers >= limits.strangers)
      return refuseUpgrade(socket, "503 Service Unavailable");
    this.#server.handleUpgrade(request, socket, head, (ws) => this.#opened(ws, socket));
  }

  /** Looks after every connection; errors of the directory of logins are for the next look. */
  tend(): void {
    const { world } = this.#parts;
    const { owners } = world;
    const changed = owners !== this.#owners;
    this.#owners = owners;
    for (const connection of this.#open.keys())
      if (connection.tend() || changed)
        void connection.recheck().catch((error: unknown) => this.#warn({ error }, "a login cannot be looked at"));
  }

  close(): void {
    for (const [connection, ws] of this.#open) {
      connection.close(closeCodes.restarting, "the server stops");
      ws.terminate();
    }
    this.#server.close();
  }

  #opened(ws: WebSocket, socket: NetSocket): void {
    const { hub, access, run, world, metrics, now, logger } = this.#parts;
    this.#strangers += 1;
    let principal: string | null = null;
    const connection = new Connection({
      socket: this.#socketOf(ws),
      hub,
      access,
      run,
      ownerOf: (account) => world.ownerOf(account),
      admit: (of) => {
        principal = this.#admitted(of);
        return principal !== null;
      },
      now,
      wall: Date.now,
      onSent: (frames) => metrics.streamFrames.inc(frames),
      onTrouble: (error) => this.#warn({ error }, "a login cannot be looked at"),
    });
    this.#open.set(connection, ws);
    metrics.streamConnections.set(this.#open.size);
    ws.on("message", (data: RawData, binary: boolean) => {
      void connection.hear(bytesOf(data), !binary).catch((error: unknown) => logger.error({ error }, "a frame broke"));
    });
    ws.on("ping", (data) => connection.pinged(data));
    ws.on("pong", () => connection.heard());
    socket.on("drain", () => connection.drained());
    ws.on("error", (error) => logger.debug({ error }, "a connection broke"));
    ws.on("close", (code) => {
      connection.ended();
      this.#open.delete(connection);
      this.#left(principal);
      metrics.streamConnections.set(this.#open.size);
      metrics.streamCloses.with(labelOf(code)).inc();
    });
  }

  #socketOf(ws: WebSocket): Socket {
    return {
      get bufferedAmount() {
        return ws.bufferedAmount;
      },
      send: (frame, options) => ws.send(frame, options),
      ping: () => ws.ping(),
      pong: (data) => ws.pong(data),
      close: (code, reason) => this.#end(ws, code, reason),
    };
  }

  #end(ws: WebSocket, code: number, reason: string): void {
    ws.close(code, reason);
    // A reader that has not read what came before will not read this either.
    const late = setTimeout(() => ws.terminate(), limits.closeWithinMs).unref();
    ws.once("close", () => clearTimeout(late));
  }

  #admitted({ id }: Principal): string | null {
    const open = this.#perPrincipal.get(id) ?? 0;
    if (open >= limits.connectionsPerPrincipal) return null;
    this.#perPrincipal.set(id, open + 1);
    this.#strangers -= 1;
    return id;
  }

  #left(principal: string | null): void {
    if (principal === null) {
      this.#strangers -= 1;
      return;
    }
    const open = (this.#perPrincipal.get(principal) ?? 1) - 1;
    if (open === 0) this.#perPrincipal.delete(principal);
    else this.#perPrincipal.set(principal, open);
  }
}

/** Clients close with whatever they like, up to 4999; a series for each would be theirs to make. */
const labelled = new Set<number>([...Object.values(closeCodes), 1000, 1001, 1002, 1005, 1006, 1007, 1008]);
const labelOf = (code: number): string => (labelled.has(code) ? String(code) : "other");

function refuseUpgrade(socket: NetSocket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
