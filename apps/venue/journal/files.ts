import { closeSync, openSync, readFileSync, readSync, statSync, truncateSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

/** A line that is whole but not what was written: no start heals that, an operator must look. */
export class JournalDamaged extends Error {
  constructor(file: string, line: number, what: string) {
    super(`${file}, line ${line}: ${what}`);
    this.name = "JournalDamaged";
  }
}

const checksumLength = 8;
const newline = 0x0a;

export const lineOf = (value: unknown): Buffer => {
  const body = JSON.stringify(value);
  return Buffer.from(`${crc32(body).toString(16).padStart(checksumLength, "0")} ${body}\n`);
};

function valueOf(line: string): unknown {
  const body = line.slice(checksumLength + 1);
  if (crc32(body) !== Number.parseInt(line.slice(0, checksumLength), 16)) return undefined;
  return JSON.parse(body) as unknown;
}

/**
 * The values of a file, one a line. A last line that was torn by a crash is no line: `whole` is how many bytes are. Anything else
 * that does not carry its checksum throws `JournalDamaged`, and so does a last line that is whole but for what ends it: a crash
 * leaves less of a line, never something else in its place.
 */
export function readLines(file: string): { readonly values: readonly unknown[]; readonly whole: number } {
  const bytes = readFileSync(file);
  const values: unknown[] = [];
  let from = 0;
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, from)) {
    const value = valueOf(bytes.toString("utf8", from, at));
    if (value === undefined) throw new JournalDamaged(file, values.length + 1, "the checksum does not fit");
    values.push(value);
    from = at + 1;
  }
  if (bytes.length > from && valueOf(bytes.toString("utf8", from, bytes.length - 1)) !== undefined)
    throw new JournalDamaged(file, values.length + 1, "the line does not end as it was written");
  return { values, whole: from };
}

/** As `readLines`, and the torn end is cut off, so that appending goes on behind a whole line. */
export function readAndMend(file: string): readonly unknown[] {
  const { values, whole } = readLines(file);
  if (whole < statSync(file).size) truncateSync(file, whole);
  return values;
}

const headBytes = 64 * 1024;

/** The first line of a file alone; undefined: it has none. */
export function firstLine(file: string): unknown {
  const handle = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(headBytes);
    const read = readSync(handle, bytes, 0, headBytes, 0);
    const end = bytes.subarray(0, read).indexOf(newline);
    return end < 0 ? undefined : valueOf(bytes.toString("utf8", 0, end));
  } finally {
    closeSync(handle);
  }
}

/** Writes all of it: the operating system may take a part at a time. */
export function writeAll(handle: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
}
