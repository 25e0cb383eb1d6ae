import { createHash } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";

/** What the first batch of a shard follows. */
export const genesisHash = "0".repeat(64);

/** sha256 over the previous hash (its 64 hex characters), the journal's NDJSON and the facts' NDJSON; hex. */
export function chainHash(previous: string, journal: Uint8Array | string, facts: Uint8Array | string): string {
  return createHash("sha256").update(previous).update(journal).update(facts).digest("hex");
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const fastest = 1;
const unpackedMax = 512 * 1024 * 1024;

/** Deflated for keeping; empty stays empty. */
export function pack(ndjson: Uint8Array | string): Uint8Array {
  return ndjson.length === 0 ? new Uint8Array(0) : deflateSync(ndjson, { level: fastest });
}

/** The NDJSON again. What was kept as it is (it begins with a brace) comes back as it is. Throws for damaged bytes. */
export function unpack(kept: Uint8Array): Buffer {
  const bytes = Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength);
  if (bytes.length === 0 || bytes[0] === 0x7b) return bytes;
  return inflateSync(bytes, { maxOutputLength: unpackedMax });
}
