import { connect, type JetStreamManager } from "nats";
import type { BusNames } from "#libs/contracts/live/subjects.ts";

/** What an operator or an accident does to streams: no process of the backend may. */
export async function withStreams<T>(url: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: url });
  try {
    return await work(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
}

/** Gives back the room that a server sets aside for the streams of one shard: it is shared by many tests. */
export async function deleteStreams(url: string, { streams }: BusNames): Promise<void> {
  await withStreams(url, async (manager) => {
    for (const name of [streams.log("0"), streams.facts, streams.deadLetters, streams.notices])
      await manager.streams.delete(name).catch(() => {});
  });
}

/** Everything that a stream holds, in order: subject, the id it was stored under, and its body. */
export async function messagesOf(
  url: string,
  stream: string,
): Promise<readonly { readonly subject: string; readonly id: string; readonly body: unknown }[]> {
  return withStreams(url, async (manager) => {
    const { state } = await manager.streams.info(stream);
    const found = [];
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
      const message = await manager.streams.getMessage(stream, { seq });
      found.push({ subject: message.subject, id: message.header.get("Nats-Msg-Id"), body: message.json<unknown>() });
    }
    return found;
  });
}
