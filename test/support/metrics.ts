import type { RunningApp } from "#libs/process/spawn-app.ts";

/** What a process's /metrics say: series with their labels, as they are written → value. */
export async function metricsOf(app: RunningApp): Promise<ReadonlyMap<string, number>> {
  const line = await app.whenMessage("listening");
  const response = await fetch(`http://127.0.0.1:${String(line["port"])}/metrics`);
  const found = new Map<string, number>();
  for (const text of (await response.text()).split("\n")) {
    const at = text.lastIndexOf(" ");
    if (!text.startsWith("#") && at > 0) found.set(text.slice(0, at), Number(text.slice(at + 1)));
  }
  return found;
}
