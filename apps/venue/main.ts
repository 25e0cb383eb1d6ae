import { runApp } from "#libs/process/lifecycle.ts";
import { readSettings } from "#libs/process/settings.ts";
import { runCrowd } from "./crowd/run.ts";
import { demoRules, readCrowdOptions } from "./demo-rules.ts";
import { serveVenue } from "./serve.ts";

/** `main.ts`: the matching engine. `main.ts crowd …`: those who trade on it. `main.ts rules …`: rules of the demonstration, on stdout. */
const [role, ...args] = process.argv.slice(2);
if (role === "rules") process.stdout.write(demoRules(readCrowdOptions(args)));
else if (role === "crowd")
  await runApp("crowd", (app) => runCrowd(app, readSettings(undefined, ["nats", "database"]), readCrowdOptions(args)));
else await runApp("venue", (app) => serveVenue(app, readSettings(undefined, ["nats"])));
