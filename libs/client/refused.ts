import type { ErrorBody } from "#libs/contracts/stream/protocol.ts";

/** The server has refused a request. */
export class StreamRefused extends Error {
  readonly code: string;
  readonly ch: string | null;
  readonly retryAfterMs: number | null;

  constructor({ code, reason, retryAfterMs, ch }: ErrorBody) {
    super(reason);
    this.name = "StreamRefused";
    this.code = code;
    this.ch = ch ?? null;
    this.retryAfterMs = retryAfterMs;
  }
}
