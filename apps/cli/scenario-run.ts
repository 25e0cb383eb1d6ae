import type { Problem } from "#libs/domain/rule-set/documents.ts";
import type { ScenarioOptions, ScenarioResult } from "#libs/simulation/scenario.ts";
import { readInput } from "./input-files.ts";
import { readScenario } from "./scenario.ts";

/** What became of one file. */
export type Outcome =
  | { readonly kind: "ran"; readonly result: ScenarioResult; readonly warnings: readonly Problem[] }
  | { readonly kind: "refused"; readonly problems: readonly Problem[] }
  | { readonly kind: "broke"; readonly error: Error };

/** The engine's own word for a price that it was not given: the last net below the door's check. */
function priceMissing(error: unknown): readonly Problem[] | undefined {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === "price_missing" ? [{ path: "$.entries", code, message: String(message) }] : undefined;
}

/** Reads one file and runs it. Never throws: a defect of the program is an outcome too, so that the next file goes on. */
export async function runFile(path: string, options: ScenarioOptions = {}): Promise<Outcome> {
  try {
    const file = await readInput(path);
    if (!file.ok) return { kind: "refused", problems: file.problems };
    const reading = readScenario(file.bytes);
    if (!reading.ok) return { kind: "refused", problems: reading.problems };
    // Loaded when there is something to run, because help and refusals should not wait for the engine.
    const { runScenario } = await import("#libs/simulation/scenario.ts");
    return { kind: "ran", result: runScenario(reading.scenario, options), warnings: reading.warnings };
  } catch (error) {
    const problems = priceMissing(error);
    if (problems !== undefined) return { kind: "refused", problems };
    return { kind: "broke", error: error instanceof Error ? error : new Error(String(error)) };
  }
}
