import { committedFacts, type Database, factsOfNames } from "#libs/adapters/postgres/index.ts";
import type { FrameEntry } from "#libs/contracts/log.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import type { Clock } from "#libs/process/clock.ts";
import { answered, awaitedFacts, observe, planDue, unsettled } from "./plan.ts";
import type { Plan, ScheduleState } from "./plan.ts";
import { keepPlan, loadSchedule } from "./schedule-store.ts";

export interface SchedulerOptions {
  readonly db: Database;
  readonly epoch: number;
  readonly shards: readonly string[];
  readonly clock: Clock;
  /** The rules in force, asked for at each look. */
  readonly rules: () => Promise<RuleSet>;
}

/** Frames that may wait for the next look; beyond, the oldest are merged, since the newest price of each counts. */
const framesMax = 10_000;
const factsAtOnce = 500;

/** Plans by the market's clock; every look writes what it decided before it counts as decided. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  #state: ScheduleState;
  #frames: { readonly t: number; readonly frame: FrameEntry }[] = [];
  /** By shard: up to which fact there is none that a run waits for. */
  #searched: Readonly<Record<string, number>> = {};
  #unsettled: readonly string[] = [];

  private constructor(options: SchedulerOptions, state: ScheduleState) {
    this.#options = options;
    this.#state = state;
  }

  static async open(options: SchedulerOptions): Promise<Scheduler> {
    return new Scheduler(options, await loadSchedule(options.db));
  }

  /** Dated instruments that are over and have no price to settle on, as of the last look. */
  get unsettled(): readonly string[] {
    return this.#unsettled;
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
    const searched: Record<string, number> = { ...this.#searched };
    for (const shard of shards) {
      if (!state.runs.some((run) => run.shard === shard)) continue;
      const after = Math.max(state.facts[shard] ?? 0, searched[shard] ?? 0);
      const { facts, upTo } = await factsOfNames(db, shard, after, awaitedFacts, factsAtOnce);
      for (const fact of facts) follow(answered(state, shard, fact, rules));
      searched[shard] = upTo;
    }
    const t = clock.now();
    const before = state;
    follow(planDue(state, t, rules, shards));
    // What is planned now is answered by facts that are still to come: those of the time before need not be searched.
    if (state.runs !== before.runs) state = skipping(state, before, await committedFacts(db));
    if (state !== this.#state) await keepPlan(db, epoch, { state, entries }, t);
    this.#state = state;
    this.#searched = searched;
    this.#unsettled = unsettled(state, t, rules);
    this.#frames.splice(0, taken);
    return entries.length;
  }
}

/** Shards that waited for nothing before begin their search at their newest fact. */
function skipping(state: ScheduleState, before: ScheduleState, newest: ReadonlyMap<string, number>): ScheduleState {
  const waited = new Set(before.runs.map(({ shard }) => shard));
  const facts: Record<string, number> = { ...state.facts };
  for (const { shard } of state.runs)
    if (!waited.has(shard)) facts[shard] = Math.max(facts[shard] ?? 0, newest.get(shard) ?? 0);
  return { ...state, facts };
}
