import { vi } from "vitest";
import type { ExitCode } from "#apps/cli/exit-codes.ts";

/** Runs a command inside of this process under these variables, and gives what it wrote. */
export async function listened(
  environment: Readonly<Record<string, string>>,
  command: () => Promise<ExitCode>,
): Promise<{ readonly exit: ExitCode; readonly stdout: string; readonly stderr: string }> {
  const said = { stdout: "", stderr: "" };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    }),
  );
  try {
    return { exit: await command(), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
  }
}
