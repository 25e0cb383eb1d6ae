import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "./metrics.ts";

const sampleMs = 10;
const reportMs = 1_000;

/** Writes the delay of the event loop into `engine_event_loop_lag_seconds` once a second; the worst of it counts. */
export function watchEventLoop(metrics: Metrics): { stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: sampleMs });
  delay.enable();
  const timer = setInterval(() => {
    // The histogram counts the sampling interval itself.
    metrics.engineEventLoopLag.observe(Math.max(0, delay.max / 1e9 - sampleMs / 1e3));
    delay.reset();
  }, reportMs);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      delay.disable();
    },
  };
}
