import { runApp } from "#libs/process/lifecycle.ts";
import { startStreams } from "./start.ts";

await runApp("streams", startStreams);
