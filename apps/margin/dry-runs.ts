import type { Worker } from "node:worker_threads";
import { type DryRunReply, type DryRunRequest, dryRunAccountsDefault } from "#libs/contracts/live/dry-run.ts";
import { startThread } from "#libs/process/thread.ts";
import { pause } from "./waiting.ts";
import { limits } from "./limits.ts";

/** A copy of the book, and the position in the log that it was made at. */
export interface BookCopy {
  readonly bytes: Uint8Array;
  readonly seq: number;
}

/** What a thread is started with. */
export interface DryRunWork extends BookCopy, Pick<DryRunRequest, "document" | "set"> {
  readonly accounts: number;
}

interface Run {
  readonly id: string;
  readonly thread: Worker;
  readonly ended: Promise<void>;
  reply: DryRunReply | null;
}

/**
 * Dry runs, one at a time, each on a copy of the book in a thread of its own. Whoever asks is answered within a second: with the
 * result, or that he should ask again. The last answer is kept until the next run begins.
 */
export class DryRuns {
  readonly #copy: () => BookCopy | null;
  readonly #withinMs: number;
  #run: Run | null = null;

  /** `copy`: null while there is no book yet. */
  constructor(copy: () => BookCopy | null, withinMs: number = limits.dryRunMs) {
    this.#copy = copy;
    this.#withinMs = withinMs;
  }

  async ask(request: DryRunRequest): Promise<DryRunReply> {
    if (this.#run?.id !== request.run) {
      if (this.#run !== null && this.#run.reply === null) return { state: "busy" };
      const copy = this.#copy();
      if (copy === null) return { state: "failed", why: "there is no book yet" };
      this.#run = this.#start(request, copy);
    }
    const run = this.#run;
    if (run.reply === null) await Promise.race([run.ended, pause(limits.dryRunAnswerMs)]);
    return run.reply ?? { state: "running" };
  }

  async stop(): Promise<void> {
    await this.#run?.thread.terminate();
  }

  #start({ run: id, document, set, accounts = dryRunAccountsDefault }: DryRunRequest, copy: BookCopy): Run {
    const work: DryRunWork = {
      ...copy,
      accounts,
      ...(document !== undefined && { document }),
      ...(set !== undefined && { set }),
    };
    const thread = startThread(new URL("dry-run-thread.ts", import.meta.url), work);
    let end: (reply: DryRunReply) => void = () => {};
    const ended = new Promise<void>((resolve) => {
      end = (reply) => {
        run.reply ??= reply;
        resolve();
      };
    });
    const run: Run = { id, thread, ended, reply: null };
    const late = setTimeout(() => {
      end({ state: "failed", why: `it took longer than ${this.#withinMs} ms` });
      void thread.terminate();
    }, this.#withinMs);
    thread.once("message", (reply: DryRunReply) => end(reply));
    thread.once("error", (error) => end({ state: "failed", why: error.message }));
    thread.once("exit", () => {
      clearTimeout(late);
      end({ state: "failed", why: "its thread ended without an answer" });
    });
    return run;
  }
}
