import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Why, as JSON. */
  readonly detail: unknown;
}

export interface HealthServerOptions {
  readonly port: number;
  readonly host?: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly ready: () => Readiness | Promise<Readiness>;
  /** false: the process is stuck and should be restarted. Absent: answering at all is being alive. */
  readonly alive?: () => boolean;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

const requestTimeoutMs = 5_000;
const connectionsMax = 64;

/** `/metrics` (Prometheus), `/health/live` and `/health/ready` (200 or 503, JSON). Logs the line "listening" with the port. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { host = "127.0.0.1", logger } = options;
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      logger.error({ error, path: request.url }, "the health server failed to answer");
      send(response, 500, "application/json", JSON.stringify({ status: "failed" }));
    });
  });
  server.requestTimeout = requestTimeoutMs;
  server.headersTimeout = requestTimeoutMs;
  server.maxConnections = connectionsMax;
  const port = await listen(server, options.port, host);
  logger.info({ port, host }, "listening");
  return {
    port,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

async function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : port);
    });
  });
}

async function answer(options: HealthServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").split("?")[0];
  if (request.method !== "GET" && request.method !== "HEAD") return json(response, 405, { status: "only GET" });
  if (path === "/metrics") {
    const { registry } = options.metrics;
    return send(response, 200, registry.contentType, await registry.metrics());
  }
  if (path === "/health/live") {
    const alive = options.alive?.() ?? true;
    return json(response, alive ? 200 : 503, { status: alive ? "live" : "stuck" });
  }
  if (path === "/health/ready") {
    const { ready, detail } = await options.ready();
    return json(response, ready ? 200 : 503, { status: ready ? "ready" : "not ready", detail });
  }
  json(response, 404, { status: "not found" });
}

const json = (response: ServerResponse, status: number, body: unknown): void =>
  send(response, status, "application/json", JSON.stringify(body));

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(body);
}
