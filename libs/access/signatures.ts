import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** What comes with a signed request, as text. */
export interface Signed {
  readonly key: string;
  /** UTC ms, digits. */
  readonly timestamp: string;
  readonly nonce: string;
  /** HMAC-SHA256 of `signedText` with the key's secret, hex in lower case. */
  readonly signature: string;
}

/** What is signed when a WebSocket logs in. */
export const streamLogin = "GET /v1/stream";

/**
 * What is signed of a REST request beside timestamp and nonce: method and path with its query as sent, the body's hash, and, of commands, the
 * idempotency key, so that none of them can be exchanged.
 */
export function requestText(method: string, path: string, body: Uint8Array | string, idempotencyKey = ""): string {
  const hash = createHash("sha256").update(body).digest("hex");
  return `${method} ${path}\n${hash}${idempotencyKey === "" ? "" : `\n${idempotencyKey}`}`;
}

const signedText = (timestamp: string, nonce: string, what: string): string => `${timestamp}\n${nonce}\n${what}`;

export function sign(secret: string, timestamp: string, nonce: string, what: string): string {
  return createHmac("sha256", secret)
    .update(signedText(timestamp, nonce, what))
    .digest("hex");
}

/** The secret of an API key, which is kept nowhere: it follows from the deployment's and the key's id. */
export function secretOfKey(master: string, key: string): string {
  return Buffer.from(hkdfSync("sha256", master, "plimsoll api key", key, 32)).toString("base64url");
}

/** In a time that does not depend on where they differ. Both hex of 64 digits. */
export function sameSignature(left: string, right: string): boolean {
  return timingSafeEqual(Buffer.from(left, "latin1"), Buffer.from(right, "latin1"));
}
