import type { LogMessage, LogReader } from "#libs/adapters/nats/index.ts";

/** Reads until `count` messages have come; fails when nothing comes for so long. */
export async function readMany(reader: LogReader, count: number, silenceMs = 20_000): Promise<LogMessage[]> {
  const read: LogMessage[] = [];
  while (read.length < count) {
    const more = await reader.next(count - read.length, silenceMs);
    if (more.length === 0) throw new Error(`${read.length} of ${count} messages came, then none for ${silenceMs} ms`);
    read.push(...more);
  }
  return read;
}

export const entryIn = (message: LogMessage): { k: string; sourceSeq: number } =>
  JSON.parse(new TextDecoder().decode(message.data)) as { k: string; sourceSeq: number };
