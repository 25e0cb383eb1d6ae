import type { Worker } from "node:worker_threads";
import { startThread } from "#libs/process/thread.ts";
import type { Logger } from "#libs/telemetry/logger.ts";
import {
  type Answered,
  arrived,
  type CommitAsked,
  type DecisionsAsked,
  type WriterSettings,
} from "./writer-messages.ts";

interface Waiting {
  readonly resolve: (chainHash: string) => void;
  readonly reject: (error: Error) => void;
}

/** The engine's side of the thread that writes to PostgreSQL. */
export class Writer {
  readonly #thread: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #last = 0;
  #over: Error | null = null;

  constructor(settings: WriterSettings, logger: Logger) {
    this.#thread = startThread(new URL("writer-thread.ts", import.meta.url), settings);
    this.#thread.on("message", (answered: Answered) => {
      if ("idle" in answered) logger.warn({ error: answered.idle }, "a connection to the database broke");
      else this.#answered(answered);
    });
    this.#thread.on("error", (error) => this.#end(error));
    this.#ended = new Promise((resolve) => {
      this.#thread.once("exit", (code) => {
        this.#end(new Error(`the thread that writes ended with code ${code}`));
        resolve();
      });
    });
  }

  /** Gives the chain's hash after the batch once it is durable. Rejects as `commitBatch` does; then it may be asked again. */
  async commit(asked: Omit<CommitAsked, "kind">): Promise<string> {
    return this.#ask({ kind: "commit", ...asked });
  }

  async decisions(lines: readonly string[]): Promise<void> {
    await this.#ask({ kind: "decisions", lines });
  }

  /** After what has been asked for. */
  async close(): Promise<void> {
    if (this.#over === null) this.#thread.postMessage("close");
    await this.#ended;
  }

  async #ask(asked: CommitAsked | DecisionsAsked): Promise<string> {
    if (this.#over !== null) throw this.#over;
    this.#last += 1;
    const number = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#thread.postMessage({ ...asked, number });
    });
  }

  #answered(answered: Exclude<Answered, { idle: string }>): void {
    const waiting = this.#waiting.get(answered.number);
    this.#waiting.delete(answered.number);
    if (answered.ok) waiting?.resolve(answered.chainHash);
    else waiting?.reject(arrived(answered.error));
  }

  #end(error: Error): void {
    this.#over ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#over);
    this.#waiting.clear();
  }
}
