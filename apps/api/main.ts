import { runApp } from "#libs/process/lifecycle.ts";
import { startApi } from "./start.ts";

await runApp("api", startApi);
