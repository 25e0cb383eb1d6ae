import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Problem } from "#libs/domain/rule-set/documents.ts";
import type { ProblemCode } from "#libs/contracts/problems.ts";
import { scenarioLimits } from "#libs/contracts/scenario.ts";

/** One file to look at, and whether it was named by itself. */
export interface InputFile {
  /** `-`: standard input. */
  readonly path: string;
}

export interface Inputs {
  readonly files: readonly InputFile[];
  /** Whether the answer is one line per file: more than one name, or a folder, was given. */
  readonly many: boolean;
}

/**
 * The files that names on the command line stand for: `-` is standard input, a folder stands for every `*.json` in it
 * (not below it, no hidden ones) in order of name. A name that does not exist stays, to be refused when it is read.
 */
export async function findInputs(names: readonly string[]): Promise<Inputs> {
  const files: InputFile[] = [];
  let many = names.length > 1;
  for (const name of names) {
    const isFolder = name !== "-" && (await stat(name).catch(() => undefined))?.isDirectory() === true;
    if (!isFolder) {
      files.push({ path: name });
      continue;
    }
    many = true;
    const inside = await readdir(name).catch(() => undefined);
    const scenarios = inside?.filter((file) => file.endsWith(".json") && !file.startsWith(".")).sort();
    // A folder that cannot be listed is refused like a file that cannot be read.
    files.push(...(scenarios?.map((file) => ({ path: join(name, file) })) ?? [{ path: name }]));
  }
  return { files, many };
}

export type FileReading =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const refused = (code: ProblemCode, message: string): FileReading => ({
  ok: false,
  problems: [{ path: "$", code, message }],
});

/** The bytes of a file or of standard input; stops reading as soon as there are more than a scenario may have. */
export async function readInput(path: string): Promise<FileReading> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of path === "-" ? process.stdin : createReadStream(path)) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length > scenarioLimits.bytesMax) {
        return refused("too_large", `a scenario file may have at most ${scenarioLimits.bytesMax} bytes`);
      }
    }
  } catch (error) {
    return refused("unreadable", error instanceof Error ? error.message : String(error));
  }
  return { ok: true, bytes: Buffer.concat(chunks, length) };
}
