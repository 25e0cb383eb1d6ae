import type { ErrorBody } from "#libs/contracts/stream/protocol.ts";

export const noReason: ErrorBody = { code: "bad_frame", reason: "an answer without a reason", retryAfterMs: null };

/** The server has refused a request: `code` and `message` as docs/streams.md lists them. */
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

  /** The same request may be taken later. */
  get transient(): boolean {
    return this.retryAfterMs !== null || this.code === "too_many_connections" || this.code === "too_many_requests";
  }
}
