import { once } from "node:events";
import { readEnvironment } from "#libs/process/environment.ts";
import { exitCodes } from "./exit-codes.ts";

/** Writes a piece of the answer and waits while the reader cannot take more, so that output never piles up in memory. */
export async function write(text: string): Promise<void> {
  if (text !== "" && !process.stdout.write(text)) await once(process.stdout, "drain");
}

/** Small pieces, joined into larger ones before they are written. */
export async function writeAll(pieces: Iterable<string>): Promise<void> {
  let pending = "";
  for (const piece of pieces) {
    pending += piece;
    if (pending.length < 65_536) continue;
    await write(pending);
    pending = "";
  }
  await write(pending);
}

/** Says something to the person, beside the answer. */
export function notice(text: string): void {
  process.stderr.write(`plimsoll: ${text}\n`);
}

/** A reader that stops listening (`| head`) ends the process quietly instead of with a stack trace. */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(exitCodes.pipeClosed);
      throw error;
    });
  }
}

export interface Style {
  readonly strong: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly faint: (text: string) => string;
}

const escape = "\u001b[";
const painted =
  (code: number) =>
  (text: string): string =>
    `${escape}${code}m${text}${escape}0m`;
const plain = (text: string): string => text;

/** Colours on a terminal, unless NO_COLOR is set; none in files and pipes. */
export function style(): Style {
  if (!process.stdout.isTTY || readEnvironment().noColor) {
    return { strong: plain, good: plain, bad: plain, warn: plain, faint: plain };
  }
  return { strong: painted(1), good: painted(32), bad: painted(31), warn: painted(33), faint: painted(2) };
}
