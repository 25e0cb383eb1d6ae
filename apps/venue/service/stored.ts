import type { VenueBus } from "./bus.ts";

const requestTimeoutMs = 1_000;

interface Answer {
  readonly message?: { readonly seq: number; readonly data: string };
  readonly error?: { readonly code: number; readonly description?: string };
}

export interface Stored {
  readonly seq: number;
  readonly text: string;
}

/** The first message of a stream at a position or behind it, of those on a subject; null: there is none. */
export async function storedNext(bus: VenueBus, stream: string, subject: string, seq: number): Promise<Stored | null> {
  const asked = { seq, next_by_subj: subject };
  const answer = await bus.request<Answer>(`$JS.API.STREAM.MSG.GET.${stream}`, asked, { timeoutMs: requestTimeoutMs });
  if (answer.error?.code === 404) return null;
  if (answer.message === undefined) throw new Error(answer.error?.description ?? "no message and no error");
  return { seq: answer.message.seq, text: Buffer.from(answer.message.data, "base64").toString("utf8") };
}
