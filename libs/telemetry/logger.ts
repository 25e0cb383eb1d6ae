import { pino } from "pino";
import type { DestinationStream } from "pino";
import { redact, redactText } from "./redact.ts";

/** Fields first, then the message, as one line of JSON on stdout. Errors go into a field named `error`. */
export interface Logger {
  readonly level: string;
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
  /** A logger whose lines carry these fields too. */
  child(fields: object): Logger;
}

export type LoggerLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** Secrets by name, and passwords in URLs, are masked. `to`: for tests. */
export function createLogger(name: string, level: LoggerLevel = "info", to?: DestinationStream): Logger {
  const options = {
    name,
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => redact(fields) as Record<string, unknown>,
      bindings: (fields: Record<string, unknown>) => redact(fields) as Record<string, unknown>,
    },
    hooks: {
      logMethod(this: unknown, given: unknown[], method: (...all: unknown[]) => void) {
        method.apply(
          this,
          given.map((part) => (typeof part === "string" ? redactText(part) : part)),
        );
      },
    },
  };
  return to === undefined ? pino(options as object) : pino(options as object, to);
}

/** For code that may run without one. */
export const silentLogger: Logger = {
  level: "silent",
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  child: () => silentLogger,
};

/** At most one line per `everyMs` for a thing that may happen thousands of times; the line says how many were left out. */
export function limited(write: (fields: object, message: string) => void, everyMs = 1_000): typeof write {
  let last = Number.NEGATIVE_INFINITY;
  let left = 0;
  return (fields, message) => {
    const now = performance.now();
    if (now - last < everyMs) {
      left += 1;
      return;
    }
    write(left === 0 ? fields : { ...fields, leftOut: left }, message);
    last = now;
    left = 0;
  };
}
