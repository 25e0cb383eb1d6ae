import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/*
 * Runs the process that the first argument names; at SIGUSR2 it collects its garbage and says what is left.
 */
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
let times = 0;
process.on("SIGUSR2", () => {
  collect();
  times += 1;
  const { heapUsed, external } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ msg: "collected", times, bytes: heapUsed + external })}\n`);
});
await import(`#apps/${process.argv[2] ?? ""}/main.ts`);
