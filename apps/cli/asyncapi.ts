import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { asyncApi } from "#libs/contracts/asyncapi.ts";
import { streamAsyncApi } from "#libs/contracts/stream/asyncapi.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodes } from "./exit-codes.ts";
import { write } from "./output.ts";

/** The document as a file: two spaces, one line break at the end. `stream`: of the WebSocket instead of NATS. */
export function asyncApiText(stream = false): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(manifest) as { readonly version: string };
  return `${JSON.stringify((stream ? streamAsyncApi : asyncApi)(version), null, 2)}\n`;
}

export function registerAsyncApi(program: Command, finish: (exit: ExitCode) => void): void {
  program
    .command("asyncapi")
    .description("Write the AsyncAPI document of everything that crosses NATS, or of the WebSocket.")
    .argument("[file]", "where to write it; without one, to standard output")
    .option("--stream", "of the WebSocket that traders and operators follow")
    .action(async (file: string | undefined, { stream = false }: { readonly stream?: boolean }) => {
      const text = asyncApiText(stream);
      if (file === undefined) await write(text);
      else writeFileSync(file, text);
      finish(exitCodes.ok);
    });
}
