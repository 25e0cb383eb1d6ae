import { runApp } from "#libs/process/lifecycle.ts";
import { readSettings } from "#libs/process/settings.ts";
import { startHealthServer } from "#libs/telemetry/health-server.ts";
import { createLogger } from "#libs/telemetry/logger.ts";
import { createMetrics } from "#libs/telemetry/metrics.ts";

/** A small process for the tests of the frame that every process has; the first argument says how it goes wrong. */
await runApp("sample", async (app) => {
  const settings = readSettings(process.env, ["nats"]);
  const logger = createLogger("sample", settings.logLevel);
  app.logTo(logger);
  const [mode] = process.argv.slice(2);
  if (mode === "throws") throw new Error("cannot reach nats://me:hidden@host");
  app.onStop(() => logger.info({}, "first part stopped"));
  const ready = () => ({ ready: mode !== "unready", detail: { mode } });
  const health = await startHealthServer({ port: 0, logger, metrics: createMetrics("sample"), ready });
  app.onStop(async () => health.close());
  app.onStop(() => logger.info({}, "last part stopped"));
  if (mode === "rejects") void Promise.reject(new Error("nobody listens"));
  logger.info({}, "ready");
});
