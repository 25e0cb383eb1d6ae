import { consumerOpts, JSONCodec, type NatsConnection } from "nats";
import type { Sequence } from "./sequence.ts";

export type Fact = Readonly<Record<string, unknown>> & { readonly seq: number; readonly fact: string };
interface Batch {
  readonly shard: string;
  readonly facts: readonly Fact[];
}

const codec = JSONCodec();

/** Reads the facts of a shard from behind a place in the stream on; `took` is told each batch with its place. */
export async function readFacts(
  nats: NatsConnection,
  shard: string,
  place: number,
  took: (facts: readonly Fact[], place: number) => void,
): Promise<{ stop(): void }> {
  const options = consumerOpts().orderedConsumer().bindStream("RISK_FACTS");
  options.startSequence(place + 1);
  const reading = await nats.jetstream().subscribe(`risk.facts.${shard}`, options);
  void (async () => {
    for await (const message of reading) took((codec.decode(message.data) as Batch).facts, message.seq);
  })();
  return { stop: () => reading.unsubscribe() };
}

/** As they stand in the journal: a block with the saga that wants it, and the sagas that are over, with the place they were read at. */
interface Note {
  readonly blocked?: { readonly account: string; readonly saga: string };
  readonly ended?: readonly string[];
  readonly place?: number;
}

/** Whose orders are refused: from a `block` until the facts say that its saga is over. */
export class Blocks {
  readonly #sequence: Sequence;
  readonly #sagas = new Map<string, string>();
  #place = 0;

  constructor(sequence: Sequence) {
    this.#sequence = sequence;
    for (const note of sequence.notes) this.#remember(note as Note);
  }

  has(account: string): boolean {
    return this.#sagas.has(account);
  }

  /** From now on; a later saga takes the place of an earlier one, whose end then frees nothing. */
  block(account: string, saga: string): void {
    this.#write({ blocked: { account, saga } });
  }

  /** Reading facts again changes nothing, so that only what matters is written down. */
  async follow(nats: NatsConnection): Promise<{ stop(): void }> {
    return readFacts(nats, this.#sequence.shard, this.#place, (facts, place) => {
      const over = facts.filter(({ fact }) => fact === "liquidation.ended").map(({ saga }) => String(saga));
      const ended = over.filter((saga) => [...this.#sagas.values()].includes(saga));
      if (ended.length > 0) this.#write({ ended, place });
    });
  }

  #write(note: Note): void {
    this.#sequence.write([], note);
    this.#remember(note);
  }

  #remember({ blocked, ended = [], place = this.#place }: Note): void {
    this.#place = place;
    if (blocked !== undefined) this.#sagas.set(blocked.account, blocked.saga);
    for (const [account, saga] of this.#sagas) if (ended.includes(saga)) this.#sagas.delete(account);
  }
}
