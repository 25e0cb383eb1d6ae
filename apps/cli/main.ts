import { surviveClosedPipes } from "./output.ts";
import { run } from "./program.ts";

surviveClosedPipes();
process.exitCode = await run(process.argv.slice(2));
