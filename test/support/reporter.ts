import type { Reporter, TestModule } from "vitest/node";

const messageMax = 160;
const firstLine = (message = ""): string => message.split("\n", 1).join("").slice(0, messageMax);

/** Prints a line `failed: ...` for each failure, and `N passed, N failed` (and `, N skipped` when some were) alone on the last line. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0;
    let skipped = 0;
    // An error outside every test is a failure too, or a run could end red with "0 failed".
    let failed = unhandled.length;
    const failures = unhandled.map((error) => firstLine((error as Partial<Error>).message ?? String(error)));
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "failed") {
          failed += 1;
          failures.push(`${module.relativeModuleId} > ${test.fullName}: ${firstLine(errors?.[0]?.message)}`);
        } else skipped += 1;
      }
      const errors = module.errors();
      if (module.state() === "failed" && errors.length > 0) {
        failed += 1;
        failures.push(`${module.relativeModuleId}: ${firstLine(errors[0]?.message)}`);
      }
    }
    for (const failure of failures) process.stdout.write(`\nfailed: ${failure}`);
    const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
    // The default reporter prints its summary first, since it is listed first.
    process.stdout.write(`\n${line}\n`);
  }
}
