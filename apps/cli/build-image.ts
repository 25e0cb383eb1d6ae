import { resolve } from "node:path";
import { buildInto } from "./build.ts";

// Started by docker/Dockerfile: the programs go into the folder that is named, and their sources stay behind.
await buildInto(resolve(process.argv[2] ?? "built"));
