import { limited, type Logger } from "#libs/telemetry/logger.ts";
import type { FillSlippage } from "./fill-slippage.ts";
import { limits } from "./limits.ts";
import { breathe } from "./waiting.ts";
import type { Writer } from "./writer.ts";

interface Waiting {
  /** Gives the text of `decisionLine`. */
  readonly line: () => string;
  /** About how long that is. */
  readonly bytes: number;
}

/** Keeps the gate's answers in the database, behind the answers. When it cannot keep up they are dropped and counted. */
export class Decisions {
  readonly #writer: Writer;
  /** Compares fills with what was decided. */
  readonly slippage: FillSlippage;
  readonly #warn: (fields: object, message: string) => void;
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  dropped = 0;

  constructor(writer: Writer, slippage: FillSlippage, logger: Logger) {
    this.#writer = writer;
    this.slippage = slippage;
    this.#warn = limited((fields, message) => logger.warn(fields, message));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The text is asked for once the answer is on its way. */
  add(waiting: Waiting): void {
    if (this.#waiting.length >= limits.decisionsQueued || this.#bytes + waiting.bytes > limits.decisionBytesQueued) {
      this.dropped += 1;
      this.#warn({ dropped: this.dropped }, "decisions of the gate are not kept: the database is behind");
      return;
    }
    this.#waiting.push(waiting);
    this.#bytes += waiting.bytes;
    this.#timer ??= setTimeout(() => this.#due(), limits.decisionsMs);
  }

  /** The oldest, as many as one statement takes: a long one would hold up the commits beside it. */
  #next(): (() => string)[] {
    let [count, bytes] = [0, 0];
    for (const one of this.#waiting) {
      if (count > 0 && (count === limits.decisionsPerInsert || bytes + one.bytes > limits.decisionBytesPerInsert))
        break;
      count += 1;
      bytes += one.bytes;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, count).map(({ line }) => line);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    await this.slippage.stop();
  }

  #due(): void {
    this.#timer = null;
    if (!this.#busy) this.#writing = this.#write();
    else if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#due(), limits.decisionsMs);
  }

  async #write(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const lines = await this.#texts(this.#next());
      try {
        await this.#writer.decisions(lines);
      } catch (error) {
        this.dropped += lines.length;
        this.#warn({ error, dropped: this.dropped }, "decisions of the gate were not kept");
        break;
      }
    }
    this.#busy = false;
  }

  /** A few at a time: entries and questions have their turns in between. */
  async #texts(lines: readonly (() => string)[]): Promise<string[]> {
    const texts: string[] = [];
    for (const [at, line] of lines.entries()) {
      if (at % limits.decisionsPerTurn === 0) await breathe();
      texts.push(line());
    }
    return texts;
  }
}
