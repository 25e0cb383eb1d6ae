import { ensureServerBinaries, ServersMissing, serversToStart } from "#libs/process/servers/index.ts";
import { notice, surviveClosedPipes } from "./output.ts";

// Started by scripts/install; on its own, since it is to be over in no time when nothing is missing.
surviveClosedPipes();
try {
  ensureServerBinaries({
    install: !process.argv.includes("--no-install"),
    // The browser is needed by tests of the console alone, which are why this is called.
    servers: [...serversToStart(), "browser"],
    onInstall: (packages) => notice(`installing ${packages.join(", ")} (once, a minute or so) ...`),
  });
} catch (error) {
  if (!(error instanceof ServersMissing)) throw error;
  notice(error.message);
  process.exitCode = 1;
}
