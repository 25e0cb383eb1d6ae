import type { Reporter, TestModule } from "vitest/node";

/** Prints `N passed, N failed` (and `, N skipped` when some were) alone on the last line of a run. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0;
    let skipped = 0;
    // An error outside every test is a failure too, or a run could end red with "0 failed".
    let failed = unhandled.length;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "failed") failed += 1;
        else skipped += 1;
      }
      if (module.state() === "failed" && module.errors().length > 0) failed += 1;
    }
    const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
    // The default reporter prints its summary first, since it is listed first.
    process.stdout.write(`\n${line}\n`);
  }
}
