import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { Digest, sha256 } from "#libs/engine/digest.ts";
import { Reader, Unreadable, Writer } from "#libs/engine/writer.ts";

const filled = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * 31 + 7) & 255);
const expected = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test.each([0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 70_001])(
  "the digest of %d bytes is the one of the runtime",
  (length) => {
    expect(sha256(filled(length))).toBe(expected(filled(length)));
  },
);

test("a digest does not depend on the pieces it came in", () => {
  const bytes = filled(1000);
  for (const step of [1, 7, 63, 64, 65, 200]) {
    const digest = new Digest();
    for (let at = 0; at < bytes.length; at += step) digest.update(bytes.subarray(at, at + step));
    expect(digest.hex()).toBe(expected(bytes));
    expect(digest.hex()).toBe(expected(bytes));
    expect(() => digest.update(bytes)).toThrow(RangeError);
  }
});

test("the length of a digest's input may pass 2^29 bytes", { timeout: 60_000 }, () => {
  const digest = new Digest();
  // Only the counter is of interest here: the hash of half a gigabyte would take seconds.
  Object.assign(digest, { length: 2 ** 29 - 1 });
  expect(digest.update(filled(65)).hex()).toBe(lengthened(filled(65), 2 ** 29 - 1));
});

/** What the padding rule of FIPS 180-4 says, computed by the digest itself over a message padded by hand. */
function lengthened(bytes: Uint8Array, before: number): string {
  const bits = BigInt(before + bytes.length) * 8n;
  const padded = new Uint8Array(128);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  new DataView(padded.buffer).setBigUint64(120, bits);
  const digest = new Digest().update(padded);
  const state = (digest as unknown as { state: Int32Array }).state;
  return [...state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

test("everything reads back as it was written", () => {
  const naturals = [0, 1, 127, 128, 16_383, 16_384, 2 ** 32, Number.MAX_SAFE_INTEGER];
  const writer = new Writer();
  for (const natural of naturals) writer.natural(natural);
  for (const text of ["", "id_1", "größe ✓", "x".repeat(200_000)]) writer.text(text);
  writer.flag(true);
  writer.int32(-5);
  writer.float64(-0.1);
  const reader = new Reader(writer.bytes());
  expect(naturals.map(() => reader.natural())).toEqual(naturals);
  expect([reader.text(), reader.text(), reader.text(), reader.text().length]).toEqual(["", "id_1", "größe ✓", 200_000]);
  expect([reader.flag(), reader.int32(), reader.float64(), reader.ended]).toEqual([true, -5, -0.1, true]);
});

test("a sink gets the same bytes in chunks", () => {
  const write = (writer: Writer): void => {
    for (let at = 0; at < 30_000; at += 1) writer.integer(BigInt(at) ** 3n);
    writer.raw(filled(100_000));
    for (let at = 0; at < 10; at += 1) writer.text("end");
  };
  const whole = new Writer();
  write(whole);
  const digest = new Digest();
  let chunks = 0;
  const piecewise = new Writer((chunk) => {
    digest.update(chunk);
    chunks += 1;
  });
  write(piecewise);
  piecewise.finish();
  expect(digest.hex()).toBe(sha256(whole.bytes()));
  expect(chunks).toBeGreaterThan(2);
});

const doubtful: [string, number[], (reader: Reader) => unknown][] = [
  ["a flag of 2", [2], (reader) => reader.flag()],
  ["a natural with a leading zero", [0x80, 0], (reader) => reader.natural()],
  ["a natural above 2^53", [255, 255, 255, 255, 255, 255, 255, 127], (reader) => reader.natural()],
  ["a natural without end", Array.from({ length: 12 }, () => 255), (reader) => reader.natural()],
  ["an integer with a leading zero", [4, 1, 0], (reader) => reader.integer()],
  ["a negative zero", [1], (reader) => reader.integer()],
  ["a denominator of zero", [2, 1, 0], (reader) => reader.rational()],
  ["a text that is no UTF-8", [1, 255], (reader) => reader.text()],
  ["a text longer than the bytes", [9, 65], (reader) => reader.text()],
  ["bytes that have ended", [], (reader) => reader.float64()],
];
test.each(doubtful)("%s is unreadable", (_, bytes, read) => {
  expect(() => read(new Reader(Uint8Array.from(bytes)))).toThrow(Unreadable);
});
