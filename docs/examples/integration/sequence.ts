import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type JetStreamClient, JSONCodec, type NatsConnection } from "nats";

/** An entry before it has its number: see the table of kinds in docs/integration.md. */
export type Body = Readonly<Record<string, unknown>> & { readonly k: string };
export type Entry = Body & { readonly t: number; readonly source: "venue"; readonly sourceSeq: number };

/** One line of the journal: what must be remembered, and the entries that come of it. */
interface Line {
  readonly note: unknown;
  readonly entries: readonly Entry[];
}

const codec = JSONCodec();
const againMs = 100;

/**
 * The entries of one shard: numbered from 1 without gaps, written to a journal before anything of them leaves, then published in
 * order until the log has them. A line that a crash has torn was never published and is cut off.
 */
export class Sequence {
  readonly shard: string;
  readonly entries: Entry[] = [];
  /** What was remembered beside them, in order. */
  readonly notes: unknown[];
  readonly #file: string;
  readonly #log: JetStreamClient;
  readonly #nats: NatsConnection;
  #published = 0;
  #sending: Promise<void> | null = null;

  constructor(nats: NatsConnection, shard: string, file: string) {
    this.shard = shard;
    this.#nats = nats;
    this.#log = nats.jetstream();
    this.#file = file;
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
    const lines = whole
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
    this.notes = lines.flatMap(({ note }) => (note === null ? [] : [note]));
    for (const line of lines) this.entries.push(...line.entries);
    // What the log has already it drops by its number: publishing again changes nothing.
    this.#publish();
  }

  get lastSeq(): number {
    return this.entries.length;
  }

  /** One command: all its entries and its note, or none of them. `t`: the market's time, UTC ms. */
  write(bodies: readonly Body[], note: unknown = null, t = Date.now()): readonly Entry[] {
    const time = Math.max(t, this.entries.at(-1)?.t ?? 0);
    const entries = bodies.map((body, at): Entry => ({
      ...body,
      t: time,
      source: "venue",
      sourceSeq: this.lastSeq + at + 1,
    }));
    appendFileSync(this.#file, `${JSON.stringify({ note, entries } satisfies Line)}\n`);
    this.entries.push(...entries);
    if (note !== null) this.notes.push(note);
    this.#publish();
    return entries;
  }

  /** Resolves when the log has everything, or the connection is closed. */
  async published(): Promise<void> {
    await this.#sending;
  }

  #publish(): void {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
  }

  async #send(): Promise<void> {
    for (let entry = this.entries[this.#published]; entry !== undefined; entry = this.entries[this.#published]) {
      if (this.#nats.isClosed()) return;
      try {
        const { k, sourceSeq } = entry;
        await this.#log.publish(`risk.log.${this.shard}.${k}`, codec.encode(entry), { msgID: `venue:${sourceSeq}` });
        this.#published += 1;
      } catch {
        // Not acknowledged says nothing: it is sent again under the same id.
        await delay(againMs);
      }
    }
  }
}
