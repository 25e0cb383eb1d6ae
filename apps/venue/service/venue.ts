import type { Clock } from "#libs/process/clock.ts";
import type { Journal } from "../journal/journal.ts";
import type { Command, Outcome } from "../matching/commands.ts";
import type { Floor } from "../matching/floor.ts";
import { Acknowledged } from "./acknowledged.ts";
import type { NumberedWriter, VenueBus } from "./bus.ts";
import { behindMax, Publisher } from "./publisher.ts";

export interface VenueOptions {
  readonly journal: Journal;
  readonly folder: string;
  readonly bus: VenueBus;
  readonly clock: Clock;
  readonly writers: ReadonlyMap<string, NumberedWriter>;
  /** Something at a border that is not what it must be; kept for people. */
  readonly deadLetter: (border: string, reason: string, payload: Uint8Array) => void;
  /** The process cannot go on. */
  readonly fail: (error: unknown) => void;
}

/** Without the fields of a command that this adds. */
export type Request = Command extends infer C ? (C extends Command ? Omit<C, "t"> : never) : never;

/** The floor with its journal and its publishers: one command after the other, each written before anything of it is told. */
export class Venue {
  readonly bus: VenueBus;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly acknowledged: Acknowledged;
  readonly publishers: readonly Publisher[];
  /** By code, how many orders were refused. */
  readonly rejected = new Map<string, number>();
  readonly #fail: (error: unknown) => void;
  #broken = false;

  /** A message that is not what it must be. */
  readonly unreadable: VenueOptions["deadLetter"];

  constructor({ journal, folder, bus, clock, writers, deadLetter, fail }: VenueOptions) {
    this.journal = journal;
    this.bus = bus;
    this.clock = clock;
    this.#fail = fail;
    this.unreadable = deadLetter;
    this.acknowledged = new Acknowledged(folder, journal.floor.owners.shards);
    this.publishers = journal.floor.owners.shards.map(
      (shard) => new Publisher(shard, journal, writers.get(shard) as NumberedWriter, this.acknowledged, fail),
    );
  }

  get floor(): Floor {
    return this.journal.floor;
  }

  /** Applies and writes a command; throws where that failed: then memory and file differ, and the process ends. */
  write(request: Request): Outcome {
    if (this.#broken) throw new Error("the venue has stopped");
    try {
      const outcome = this.journal.write({ ...request, t: Math.max(this.clock.now(), this.floor.t) });
      if (this.journal.full) this.journal.compact(this.acknowledged.all);
      for (const publisher of this.publishers) publisher.push();
      return outcome;
    } catch (error) {
      this.#broken = true;
      this.#fail(error);
      throw error;
    }
  }

  /** Why no order is taken now; null: they are. */
  get closedFor(): string | null {
    if (this.#broken) return "venue_stopped";
    return this.publishers.some(({ behind }) => behind > behindMax) ? "log_behind" : null;
  }

  reject(codes: readonly string[]): void {
    for (const code of codes) {
      // Codes come from outside too: what is counted by name must not grow without end.
      const name = this.rejected.has(code) || this.rejected.size < rejectedNamesMax ? code : "other";
      this.rejected.set(name, (this.rejected.get(name) ?? 0) + 1);
    }
  }
}

const rejectedNamesMax = 100;
