import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type Access, may, mayRead, type Principal } from "#libs/access/index.ts";
import { type Route, routes } from "#libs/contracts/api/routes.ts";
import { monotonicMs } from "#libs/process/clock.ts";
import { TokenBuckets } from "#libs/process/token-bucket.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import type { Metrics } from "#libs/telemetry/metrics.ts";
import type { Attempts } from "../attempts.ts";
import { limits } from "../limits.ts";
import { attemptOf, type RefusedRequest } from "./attempts.ts";
import { type Asked, bodyMax, doorOf } from "./door.ts";
import { idempotencyKey, login } from "./login.ts";
import { ApiRefused, refusalOf, refusals } from "./refused.ts";

/** What a handler is told. `principal` is nobody on routes that need no login. */
export interface Call extends Asked {
  readonly principal: Principal;
  /** Of commands, in order; "" elsewhere. */
  readonly idempotencyKey: string;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}
export type Handler = (call: Call) => Promise<Answer>;
export type Handlers = Readonly<Record<string, Handler>>;

export interface HttpOptions {
  readonly access: Access;
  readonly handlers: Handlers;
  /** The owner of an account, under the rules in force. */
  readonly ownerOf: (account: string) => Promise<string>;
  readonly streamsUrl: string | null;
  /** Told of everything privileged that is refused. */
  readonly attempts: Pick<Attempts, "note">;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const nobody: Principal = { id: "", roles: new Set(), owner: null, expiresAt: 0, credential: { issuedAt: 0 } };
const keyPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** The server with every route of the contract; not listening yet. Throws an `Error` for a route without a handler. */
export async function createHttp(options: HttpOptions): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestMs,
    connectionTimeout: limits.connectionMs,
    keepAliveTimeout: limits.keepAliveMs,
    maxRequestsPerSocket: limits.requestsPerSocket,
    routerOptions: { maxParamLength: limits.pathParameter, caseSensitive: true },
    forceCloseConnections: true,
    // A path that does not decode is the client's mistake, told like every other.
    frameworkErrors: (error, request, reply) => void refuse(options, error, request, reply),
  });
  app.server.maxConnections = limits.connections;
  app.server.headersTimeout = limits.headersMs;
  const streams = options.streamsUrl === null ? [] : [new URL(options.streamsUrl).origin];
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", "data:"],
        connectSrc: ["'self'", ...streams],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    crossOriginEmbedderPolicy: false,
    referrerPolicy: { policy: "no-referrer" },
  });
  await app.register(rateLimit, {
    global: true,
    max: limits.addressPerSecond,
    timeWindow: 1_000,
    cache: limits.principalsKept,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler(async (error, request, reply) => refuse(options, error, request, reply));
  app.setNotFoundHandler(async (request, reply) => refuse(options, new ApiRefused("not_found"), request, reply));
  // Nothing of an answer is kept by anybody on its way.
  app.addHook("onSend", async (_request, reply) => {
    if (!reply.hasHeader("cache-control")) void reply.header("cache-control", "no-store");
  });
  const buckets = new TokenBuckets({
    burst: limits.principalBurst,
    perSecond: limits.principalPerSecond,
    kept: limits.principalsKept,
  });
  for (const route of routes) addRoute(app, route, options, buckets);
  return app;
}

function addRoute(app: FastifyInstance, route: Route, options: HttpOptions, buckets: TokenBuckets): void {
  const handler = options.handlers[route.id];
  if (handler === undefined) throw new Error(`the route ${route.id} has no handler`);
  const door = doorOf(route);
  const latency = options.metrics.apiRequests;
  const answered = async (request: FastifyRequest, known: Known): Promise<Answer> => {
    const principal = (known.principal = await loggedIn(route, options, buckets, request));
    expectRight(route, principal);
    const asked = (known.asked = door(request));
    if (route.right === "read_own") await expectOwned(options, principal, asked);
    const key = route.command === true ? idempotencyKey(request) : "";
    if (route.command === true && !keyPattern.test(key)) throw new ApiRefused("idempotency_key_missing");
    return handler({ ...asked, principal, idempotencyKey: key });
  };
  app.route({
    method: route.method,
    url: route.path,
    exposeHeadRoute: false,
    bodyLimit: bodyMax(route),
    async handler(request, reply) {
      const started = monotonicMs();
      const known: Known = { principal: null, asked: null };
      const answer = answered(request, known).catch((error: unknown) => {
        noteRefused({ route, request, ...known }, options, error);
        throw error;
      });
      const { status = 200, headers = {}, body } = await answer;
      latency.with(route.id, String(status)).observe((monotonicMs() - started) / 1_000);
      return reply.code(status).headers(headers).send(body);
    },
  });
}

/** What has been found out of a request so far. */
interface Known {
  principal: Principal | null;
  asked: Asked | null;
}

/** Who asks, and not too fast. */
async function loggedIn(
  route: Route,
  { access }: HttpOptions,
  buckets: TokenBuckets,
  request: FastifyRequest,
): Promise<Principal> {
  if (route.right === "none") return nobody;
  const principal = await login(access, request);
  const retryAfterMs = buckets.take(principal.id, monotonicMs());
  if (retryAfterMs > 0) throw new ApiRefused("rate_limited", { retryAfterMs });
  return principal;
}

/** Rights come before the door: who may not ask is not told what was wrong. */
function expectRight({ right }: Route, principal: Principal): void {
  if (right !== "none" && !may(principal, right)) throw new ApiRefused("forbidden");
}

/** Refused attempts at privileged acts are for the audit; who wants to read what they may not is for people to see. */
function noteRefused(refused: RefusedRequest, { attempts, logger }: HttpOptions, error: unknown): void {
  const attempt = attemptOf(refused, error);
  if (attempt !== null) attempts.note(attempt);
  else if (error instanceof ApiRefused && error.code === "forbidden")
    logger.warn({ principal: refused.principal?.id, route: refused.route.id }, "forbidden");
}

/** A trader is told the same of an account that is another's and of one that does not exist. */
async function expectOwned(options: HttpOptions, principal: Principal, { params }: Asked): Promise<void> {
  const { account } = params;
  if (account === undefined || may(principal, "read")) return;
  if (!mayRead(principal, await options.ownerOf(account))) throw new ApiRefused("forbidden");
}

async function refuse(
  { logger, metrics }: HttpOptions,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const refusal = refusalOf(error);
  if (refusal === null)
    logger.error({ error, method: request.method, route: request.routeOptions.url }, "a request failed");
  const [status, reason] = refusals.failed;
  const { status: code, body } = refusal ?? { status, body: { error: { code: "failed", reason } } };
  metrics.apiRefusals.with(body.error.code).inc();
  const { retryAfterMs } = body.error;
  if (retryAfterMs !== undefined) void reply.header("retry-after", Math.ceil(retryAfterMs / 1_000));
  if (code === 401) void reply.header("www-authenticate", "Bearer");
  return reply.code(code).type("application/json").send(body);
}
