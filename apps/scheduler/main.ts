import { runApp } from "#libs/process/lifecycle.ts";
import { startScheduler } from "./start.ts";

await runApp("scheduler", startScheduler);
