import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress } from "node:zlib";
import fastifyStatic from "@fastify/static";
import { build, stop } from "esbuild";
import type { FastifyInstance } from "fastify";

const source = fileURLToPath(new URL("console", import.meta.url));
const compress = promisify(brotliCompress);
/** Where the console stands; `/` leads there. */
export const consolePath = "/console/";

/** For the console's page: where its numbers come from. */
export interface ConsoleOptions {
  /** `ws:` or `wss:` address of the streams as a browser reaches it. */
  readonly streamsUrl: string;
}

/**
 * Bundles the console into a folder of its own, which is its caller's to remove: the page, one script, one style sheet, each with
 * its compressed copy. Their names hold a hash of what is in them. Throws when it cannot be built.
 */
export async function bundleConsole({ streamsUrl }: ConsoleOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "plimsoll-console-"));
  try {
    const built = await build({
      entryPoints: { console: join(source, "main.tsx"), style: join(source, "styles/console.css") },
      outdir: folder,
      entryNames: "[name]-[hash]",
      bundle: true,
      minify: true,
      format: "esm",
      target: ["es2022"],
      jsx: "automatic",
      jsxImportSource: "preact",
      legalComments: "none",
      metafile: true,
      logLevel: "silent",
    });
    const files = Object.keys(built.metafile.outputs).map((path) => basename(path));
    const named = (ending: string): string => files.find((name) => name.endsWith(ending)) ?? "";
    const page = readFileSync(join(source, "page.html"), "utf8")
      .replace("{script}", named(".js"))
      .replace("{style}", named(".css"))
      .replace("{streams}", attribute(streamsUrl));
    writeFileSync(join(folder, "index.html"), page);
    for (const name of [...files, "index.html"])
      writeFileSync(join(folder, `${name}.br`), await compress(readFileSync(join(folder, name))));
    return folder;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  } finally {
    // Else its helper process would stay for as long as this one.
    await stop();
  }
}

const attribute = (text: string): string => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");

/**
 * Serves the console at `/console/`, under the content security policy of the whole server: scripts, styles and connections of its
 * own alone. Nothing of it is kept by caches but what its name says the content of.
 */
export async function serveConsole(app: FastifyInstance, options: ConsoleOptions): Promise<void> {
  const folder = await bundleConsole(options);
  app.addHook("onClose", async () => rmSync(folder, { recursive: true, force: true }));
  await app.register(fastifyStatic, {
    root: folder,
    prefix: consolePath,
    preCompressed: true,
    decorateReply: false,
    cacheControl: false,
    setHeaders(reply, path) {
      const kept = /-[A-Z0-9]{8}\.(js|css)/.test(path);
      void reply.header("cache-control", kept ? "public, max-age=31536000, immutable" : "no-cache");
    },
  });
  app.get("/", async (_request, reply) => reply.redirect(consolePath));
}
