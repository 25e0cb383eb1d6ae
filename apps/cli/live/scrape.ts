import type { Measured } from "./latencies.ts";

const withinMs = 1_000;
const line = /^(\w+)_bucket\{[^}]*le="([^"]+)"[^}]*\} (\d+)$/;

/** Shares of a Prometheus histogram that has no other labels than `le`, ms: the upper bound of the bucket they fall into. */
export function shares(exposition: string, name: string): Measured | null {
  const buckets: { readonly upTo: number; readonly count: number }[] = [];
  for (const text of exposition.split("\n")) {
    const match = line.exec(text);
    if (match?.[1] !== name) continue;
    const upTo = match[2] === "+Inf" ? Number.POSITIVE_INFINITY : Number(match[2]) * 1_000;
    buckets.push({ upTo, count: Number(match[3]) });
  }
  const count = buckets.at(-1)?.count ?? 0;
  if (count === 0) return null;
  const at = (share: number): number => buckets.find((one) => one.count >= share * count)?.upTo ?? Number.NaN;
  return { count, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** What a process counts of itself; null: it does not answer. */
export async function scrape(port: number): Promise<string | null> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(withinMs) });
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}
