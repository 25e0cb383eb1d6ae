import { ensureServerBinaries, type Server, ServersMissing, serversToStart } from "#libs/process/servers/index.ts";
import { notice, surviveClosedPipes } from "./output.ts";

// Started by scripts/install; on its own, since it is to be over in no time when nothing is missing.
surviveClosedPipes();

/** What is missing still, and what to do about it; null: nothing. */
function ensure(servers: readonly Server[]): string | null {
  try {
    ensureServerBinaries({
      install: !process.argv.includes("--no-install"),
      servers,
      onInstall: (packages) => notice(`installing ${packages.join(", ")} (once, a minute or so) ...`),
    });
    return null;
  } catch (error) {
    if (!(error instanceof ServersMissing)) throw error;
    return error.message;
  }
}

// The browser is needed by tests of the console alone, which are why this is called.
const missing = ensure([...serversToStart(), "browser"]);
if (missing !== null) {
  notice(missing);
  process.exitCode = 1;
} else {
  // By itself: the product and its tests go on without, and only the tests of Prometheus' rules are left out.
  const alerts = ensure(["alerts"]);
  if (alerts !== null) notice(`the alert rules are not tested here: ${alerts}`);
}
