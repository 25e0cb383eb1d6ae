export { ensureServerBinaries, missingPrograms, ServersMissing } from "./binaries.ts";
export { startNats } from "./nats.ts";
export type { NatsOptions } from "./nats.ts";
export { freePort } from "./ports.ts";
export { startPostgres } from "./postgres.ts";
export type { PostgresOptions, PrivatePostgres } from "./postgres.ts";
export { startRedis } from "./redis.ts";
export type { RedisOptions } from "./redis.ts";
export type { PrivateServer, ServerOptions } from "./server.ts";
