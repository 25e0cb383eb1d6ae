import { jetStreamTimeoutMs, natsOf } from "./bus.ts";
import type { Bus } from "./bus.ts";

export interface DeadLetter {
  /** A code. */
  readonly reason: string;
  /** Where in the message. */
  readonly path?: string;
  readonly subject?: string;
  /** As it came. */
  readonly payload: Uint8Array | string;
}

const payloadKept = 64 * 1024;

/**
 * Keeps what was refused at a border for a person to look at, and counts it. A dead letter that cannot be stored is logged, never
 * an error: the message is refused either way.
 */
export async function deadLetter(bus: Bus, border: string, letter: DeadLetter): Promise<void> {
  const nats = natsOf(bus);
  nats.metrics?.deadLetters.with(border, letter.reason).inc();
  const bytes = typeof letter.payload === "string" ? new TextEncoder().encode(letter.payload) : letter.payload;
  const body = {
    ...letter,
    border,
    at: new Date().toISOString(),
    bytes: bytes.length,
    payload: Buffer.from(bytes.subarray(0, payloadKept)).toString("base64"),
  };
  try {
    await nats.jetStream.publish(bus.names.subjects.deadLetter(border), JSON.stringify(body), {
      timeout: jetStreamTimeoutMs,
    });
  } catch (error) {
    nats.logger.error(
      { error, border, reason: letter.reason, subject: letter.subject },
      "a dead letter could not be stored",
    );
  }
}
