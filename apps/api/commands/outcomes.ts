import type { Bus, Subscription } from "#libs/adapters/nats/index.ts";
import type { CommandFacts } from "#libs/adapters/postgres/index.ts";
import type { FactBatch } from "#libs/contracts/live/margin.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import { wait } from "#libs/process/backoff.ts";
import { limits } from "../limits.ts";

/** An entry of a command that is on its way. */
export interface Expected {
  readonly shard: string;
  readonly sourceSeq: number;
}

export interface Waiting {
  /** From now on the facts of these are looked for; call it before anybody can publish them. */
  expect(entries: readonly Expected[]): void;
  /** What became true on every shard, or null: not in time. */
  readonly applied: Promise<readonly CommandFacts[] | null>;
  stop(): void;
}

interface Watch {
  readonly trace: string;
  expected: readonly Expected[];
  readonly found: Map<string, CommandFacts>;
  done: () => void;
}

const factsMax = 50;
const refusedEntry = '"entry.refused"';

/** Facts by the trace of the entry that made them true, as the shards publish them. While nobody waits nothing is read. */
export class Outcomes {
  readonly #watches = new Map<string, Watch>();
  readonly #subscription: Subscription;

  constructor(bus: Bus) {
    this.#subscription = bus.subscribe(bus.names.subjects.allFacts, ({ data }) => {
      if (this.#watches.size > 0) this.#take(data);
    });
  }

  watch(trace: string): Waiting {
    const ended = new AbortController();
    const watch: Watch = { trace, expected: [], found: new Map(), done: () => ended.abort() };
    if (this.#watches.size < limits.outcomesWaiting) this.#watches.set(trace, watch);
    const stop = (): void => {
      this.#watches.delete(trace);
      ended.abort();
    };
    const applied = wait(limits.appliedMs, ended.signal).then(() => {
      this.#watches.delete(trace);
      return complete(watch) ? [...watch.found.values()] : null;
    });
    return {
      expect(entries) {
        watch.expected = entries;
        if (complete(watch)) watch.done();
      },
      applied,
      stop,
    };
  }

  stop(): void {
    this.#subscription.stop();
    for (const { done } of this.#watches.values()) done();
  }

  #take(data: Uint8Array): void {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const watches = [...this.#watches.values()].filter(({ trace }) => text.includes(trace));
    const refused = text.includes(refusedEntry);
    if (watches.length === 0 && !refused) return;
    const batch = JSON.parse(text.toString("utf8")) as FactBatch;
    for (const watch of refused ? this.#watches.values() : watches) {
      const facts = batch.facts.filter((fact) => fact.trace === watch.trace || refusesOne(fact, batch.shard, watch));
      if (facts.length === 0 || watch.found.has(batch.shard)) continue;
      watch.found.set(batch.shard, {
        shard: batch.shard,
        logSeq: batch.appliedSeq,
        facts: facts.slice(0, factsMax),
      });
      if (complete(watch)) watch.done();
    }
  }
}

/** What stands in the log in place of a refused entry carries its number. */
function refusesOne(fact: Readonly<Record<string, unknown>>, shard: string, { expected }: Watch): boolean {
  if (fact["fact"] !== "entry.refused" || fact["source"] !== sources.operator) return false;
  return expected.some((one) => one.shard === shard && one.sourceSeq === fact["sourceSeq"]);
}

const complete = ({ expected, found }: Watch): boolean =>
  expected.length > 0 && expected.every(({ shard }) => found.has(shard));

/** Whether any shard has refused: a refusal is a fact too. */
export const outcomeOf = (all: readonly CommandFacts[]): "applied" | "refused" =>
  all.some(({ facts }) => facts.some(({ fact }) => fact === "entry.refused" || fact.endsWith(".rejected")))
    ? "refused"
    : "applied";
