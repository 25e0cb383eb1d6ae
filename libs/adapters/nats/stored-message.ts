import { jetStreamTimeoutMs, natsOf, translated } from "./bus.ts";
import type { Bus } from "./bus.ts";

/**
 * Stores one message in the stream of its subject under an id, and returns once the server has it. One attempt: without an answer its
 * outcome is unknown, and making it again under the same id stores it once (within the stream's window for duplicates; beyond it,
 * readers tell copies by the id in the body). False: it was there already.
 */
export async function storeMessage(
  bus: Bus,
  subject: string,
  body: unknown,
  options: { readonly id: string; readonly timeoutMs?: number },
): Promise<boolean> {
  const { id: msgID, timeoutMs: timeout = jetStreamTimeoutMs } = options;
  try {
    const { duplicate } = await natsOf(bus).jetStream.publish(subject, JSON.stringify(body), { msgID, timeout });
    return !duplicate;
  } catch (error) {
    throw translated(error, subject);
  }
}
