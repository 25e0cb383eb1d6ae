import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import LongestFirst from "./support/longest-first.ts";

// The top level of the repository is fixed, so this file lives in test/ while the root stays the repository.
const root = fileURLToPath(new URL("..", import.meta.url));

export default defineConfig({
  root,
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: [fileURLToPath(new URL("support/run-folder.ts", import.meta.url))],
    pool: "threads",
    // Modules have no effect on import, so the files may share a worker, which saves most of the run.
    isolate: false,
    // vitest would leave a processor free, of two one half; most of these tests wait for processes that they have started.
    maxWorkers: Math.max(2, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    reporters: ["default", fileURLToPath(new URL("support/reporter.ts", import.meta.url))],
    testTimeout: 60_000,
  },
});
