import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { asyncApi } from "#libs/contracts/asyncapi.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodes } from "./exit-codes.ts";
import { write } from "./output.ts";

/** The document as a file: two spaces, one line break at the end. */
export function asyncApiText(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(manifest) as { readonly version: string };
  return `${JSON.stringify(asyncApi(version), null, 2)}\n`;
}

export function registerAsyncApi(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("asyncapi")
    .description("Write the AsyncAPI document of everything that crosses NATS.")
    .argument("[file]", "where to write it; without one, to standard output")
    .action(async (file: string | undefined) => {
      if (file === undefined) await write(asyncApiText());
      else writeFileSync(file, asyncApiText());
      finish(exitCodes.ok);
    });
}
