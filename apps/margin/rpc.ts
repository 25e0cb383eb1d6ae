import { type Bus, openService, type RunningService } from "#libs/adapters/nats/index.ts";
import { epochGroup, preTradeService } from "#libs/contracts/live/subjects.ts";
import { limits } from "./limits.ts";
import type { PreTradeVerb, Questions } from "./questions.ts";

const verbs: readonly PreTradeVerb[] = ["check", "amend", "cancel", "batch", "what-if"];

/**
 * Takes questions in turns: some are answered as they come, the next wait until entries have had theirs, beyond that they are
 * refused. Questions and entries share one thread, and neither may starve the other.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #left: number = limits.questionsPerSlice;
  #scheduled = false;

  take(answer: () => string, refuse: () => string): string | Promise<string> {
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left -= 1;
      this.#schedule();
      return answer();
    }
    if (this.#waiting.length >= limits.questionsQueued) return refuse();
    this.#schedule();
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(answer());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#scheduled = false;
    this.#left = limits.questionsPerSlice;
    for (const answer of this.#waiting.splice(0, limits.questionsPerSlice)) {
      this.#left -= 1;
      answer();
    }
    if (this.#waiting.length > 0) this.#schedule();
  }
}

/** Offers the pre-trade questions as a micro service, in the queue group of this epoch alone. */
export async function offerQuestions(
  bus: Bus,
  shard: string,
  epoch: number,
  questions: Questions,
): Promise<RunningService> {
  const turns = new Turns();
  const endpoint = (verb: PreTradeVerb) => ({
    subject: bus.names.subjects.rpc(shard, verb),
    handle: (data: Uint8Array): string | Promise<string> =>
      turns.take(
        () => questions.answer(verb, data),
        () => questions.overloaded(data),
      ),
  });
  return openService(bus, {
    name: preTradeService,
    version: "1.0.0",
    description: `Pre-trade checks of shard ${shard}`,
    group: epochGroup(shard, epoch),
    endpoints: Object.fromEntries(verbs.map((verb) => [verb, endpoint(verb)])),
  });
}
