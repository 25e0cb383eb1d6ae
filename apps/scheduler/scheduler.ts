import type { Database } from "#libs/adapters/postgres/index.ts";
import type { FrameEntry } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { Clock } from "#libs/process/clock.ts";
import { answered, observe, planDue } from "./plan.ts";
import type { Plan, ScheduleState } from "./plan.ts";
import { factsAfter, keepPlan, loadSchedule } from "./schedule-store.ts";

export interface SchedulerOptions {
  readonly db: Database;
  readonly epoch: number;
  readonly shards: readonly string[];
  readonly clock: Clock;
  /** The rules in force, asked for at each look. */
  readonly rules: () => Promise<RuleDocument>;
}

/** Frames that may wait for the next look; beyond, the oldest are merged, since the newest price of each counts. */
const framesMax = 10_000;

/** Plans by the market's clock; every look writes what it decided before it counts as decided. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  #state: ScheduleState;
  #frames: { readonly t: number; readonly frame: FrameEntry }[] = [];

  private constructor(options: SchedulerOptions, state: ScheduleState) {
    this.#options = options;
    this.#state = state;
  }

  static async open(options: SchedulerOptions): Promise<Scheduler> {
    return new Scheduler(options, await loadSchedule(options.db));
  }

  /** Of one shard only: all are given the same prices. */
  take(t: number, frame: FrameEntry): void {
    this.#frames.push({ t, frame });
    if (this.#frames.length > framesMax) this.#frames.splice(0, this.#frames.length - framesMax);
  }

  /** One look: frames, facts, then what is due. Returns how many entries it queued; throws with nothing changed. */
  async look(): Promise<number> {
    const { db, epoch, shards, clock } = this.#options;
    const rules = await this.#options.rules();
    const taken = this.#frames.length;
    let state = this.#state;
    for (const { t, frame } of this.#frames.slice(0, taken)) state = observe(state, t, frame, rules);
    const entries: Plan["entries"][number][] = [];
    const follow = (plan: Plan): void => {
      ({ state } = plan);
      entries.push(...plan.entries);
    };
    for (const shard of shards) {
      if (!state.runs.some((run) => run.shard === shard)) continue;
      for (const fact of await factsAfter(db, shard, state.facts[shard] ?? 0))
        follow(answered(state, shard, fact, rules));
    }
    const t = clock.now();
    follow(planDue(state, t, rules, shards));
    if (state !== this.#state) await keepPlan(db, epoch, { state, entries }, t);
    this.#state = state;
    this.#frames.splice(0, taken);
    return entries.length;
  }
}
