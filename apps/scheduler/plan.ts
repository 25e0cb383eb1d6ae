import type { EntryBody, Fact, FrameEntry } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { emptySettlement, loadSettlement, recordSettlementIndex } from "#libs/domain/funding/expiry.ts";
import { saveSettlement, settlementIndex } from "#libs/domain/funding/expiry.ts";
import type { SettlementRecord } from "#libs/domain/funding/expiry.ts";
import { addPremium, fundingRate, nextFundingTime } from "#libs/domain/funding/rate.ts";
import type { InstrumentRules, RuleSet } from "#libs/domain/rule-set/types.ts";

/** When things happen; times are of the market's clock, UTC. */
export const policy = {
  sampleMs: 5_000,
  dayMs: 86_400_000,
  weekMs: 7 * 86_400_000,
  /** Work of which nothing was heard for so long was refused: the next may begin. */
  runMaxMs: 86_400_000,
  /** The first Monday of the epoch, 5 January 1970. */
  firstWeekMs: 4 * 86_400_000,
} as const;

/** Chunks of one piece of work: the next is sent when the fact of the one before says that more are left. */
interface Run {
  readonly shard: string;
  readonly body: Extract<EntryBody, { k: "settle" | "session" }>;
  readonly key: string;
  readonly chunk: number;
  /** Market time of its first chunk: a fact from before it answers something else. */
  readonly since: number;
}

/** All that must outlive the process, as JSON: kept in the transaction that queues the entries which follow from it. */
export interface ScheduleState {
  readonly index: Readonly<Record<string, string>>;
  readonly mark: Readonly<Record<string, string>>;
  /** By instrument: premiums of this interval. */
  readonly premiums: Readonly<Record<string, { readonly sum: string; readonly count: number }>>;
  /** By asset: what a dated instrument settles on. */
  readonly windows: Readonly<Record<string, SettlementRecord>>;
  readonly sampledAt: number;
  /** By instrument: when it is next due. */
  readonly funding: Readonly<Record<string, number>>;
  readonly expired: readonly string[];
  /** The session that was opened last. */
  readonly day: number;
  readonly week: number;
  readonly runs: readonly Run[];
  /** By shard: the last fact that was looked at. */
  readonly facts: Readonly<Record<string, number>>;
}

export const emptySchedule: ScheduleState = {
  index: {},
  mark: {},
  premiums: {},
  windows: {},
  sampledAt: 0,
  funding: {},
  expired: [],
  day: 0,
  week: 0,
  runs: [],
  facts: {},
};

/** An entry for one shard; the same key again is the same entry. */
export interface Planned {
  readonly shard: string;
  readonly key: string;
  readonly body: EntryBody;
}

export interface Plan {
  readonly state: ScheduleState;
  readonly entries: readonly Planned[];
}

const sessionStart = (t: number, first: number, length: number): number =>
  t < first ? 0 : first + Math.floor((t - first) / length) * length;

/** FUND-05, EXP-01: a frame's prices; premiums are sampled at most once in `sampleMs` of market time. */
export function observe(state: ScheduleState, t: number, frame: FrameEntry, rules: RuleSet): ScheduleState {
  const index = { ...state.index, ...frame.index };
  const mark = { ...state.mark, ...frame.mark };
  const instruments = [...rules.instruments.values()];
  const dated = new Set(instruments.filter(({ expiry }) => expiry !== null).map((one) => one.index));
  const windows = { ...state.windows };
  for (const [asset, price] of Object.entries(frame.index ?? {})) {
    if (!dated.has(asset)) continue;
    const before = windows[asset];
    const window = before === undefined ? emptySettlement : loadSettlement(before);
    windows[asset] = saveSettlement(recordSettlementIndex(window, Rational.parse(price), t, rules.settlementMinutes));
  }
  if (t - state.sampledAt < policy.sampleMs) return { ...state, index, mark, windows };
  const premiums = { ...state.premiums };
  for (const instrument of instruments) {
    const [at, of] = [mark[instrument.id], index[instrument.index]];
    if (instrument.expiry !== null || at === undefined || of === undefined) continue;
    const { sum, count } = premiums[instrument.id] ?? { sum: "0", count: 0 };
    const added = addPremium({ sum: Rational.parse(sum), count }, Rational.parse(at), Rational.parse(of));
    premiums[instrument.id] = { sum: added.sum.toStringDown(), count: added.count };
  }
  return { ...state, index, mark, windows, premiums, sampledAt: t };
}

const busy = (state: ScheduleState, instrument: string): boolean =>
  state.runs.some(({ body }) => body.k === "settle" && body.instrument === instrument);

class Planner {
  readonly #shards: readonly string[];
  readonly entries: Planned[] = [];
  state: ScheduleState;

  constructor(state: ScheduleState, shards: readonly string[]) {
    this.state = state;
    this.#shards = shards;
  }

  everywhere(key: string, body: EntryBody): void {
    for (const shard of this.#shards) this.entries.push({ shard, key, body });
  }

  begin(key: string, body: Run["body"], since: number): void {
    const runs = this.#shards.map((shard): Run => ({ shard, body, key, chunk: 1, since }));
    this.state = { ...this.state, runs: [...this.state.runs, ...runs] };
    this.everywhere(`${key}-1`, body);
  }

  /** What was missed while nobody ran is paid once: of the intervals in between there are no premiums. */
  fund({ id, funding }: InstrumentRules, t: number): void {
    const due = this.state.funding[id];
    const next = nextFundingTime(t, funding.intervalMs);
    if (due !== undefined && t < due) {
      // The interval has been made shorter: its next time holds.
      if (next < due) this.state = { ...this.state, funding: { ...this.state.funding, [id]: next } };
      return;
    }
    if (due !== undefined && busy(this.state, id)) return;
    this.state = { ...this.state, funding: { ...this.state.funding, [id]: next } };
    if (due === undefined) return;
    const { sum, count } = this.state.premiums[id] ?? { sum: "0", count: 0 };
    const rate = fundingRate({ sum: Rational.parse(sum), count }, funding.interest, funding.rateMax);
    const { [id]: _, ...premiums } = this.state.premiums;
    this.state = { ...this.state, premiums };
    this.everywhere(`funding-${id}-${due}`, { k: "funding", instrument: id, rate: rate.toStringDown() });
    this.begin(`settle-${id}-${due}`, { k: "settle", instrument: id }, t);
  }

  expire({ id, index }: InstrumentRules, expiry: number, t: number, minutes: number): void {
    if (t < expiry || this.state.expired.includes(id) || busy(this.state, id)) return;
    const kept = this.state.windows[index];
    const price = kept === undefined ? null : settlementIndex(loadSettlement(kept), expiry, minutes);
    // Without any price there is nothing to settle on: it stays due, which the caller can see.
    if (price === null) return;
    this.state = { ...this.state, expired: [...this.state.expired, id] };
    this.everywhere(`expire-${id}-${expiry}`, { k: "expire", instrument: id, price: price.toStringDown() });
    this.begin(`settle-${id}-expiry-${expiry}`, { k: "settle", instrument: id }, t);
  }

  session(session: "day" | "week", t: number): void {
    const start =
      session === "day" ? sessionStart(t, 0, policy.dayMs) : sessionStart(t, policy.firstWeekMs, policy.weekMs);
    if (start <= this.state[session]) return;
    // Chunks of a session that is over need no more.
    const runs = this.state.runs.filter(({ body }) => body.k !== "session" || body.session !== session);
    this.state = { ...this.state, runs, [session]: start };
    this.begin(`session-${session}-${start}`, { k: "session", session, start }, t);
  }
}

/** FUND-06, EXP-02: all that is due at market time `t`; at once the second time, it plans nothing. */
export function planDue(state: ScheduleState, t: number, rules: RuleSet, shards: readonly string[]): Plan {
  const late = state.runs.some(({ since }) => t - since >= policy.runMaxMs);
  const runs = late ? state.runs.filter(({ since }) => t - since < policy.runMaxMs) : state.runs;
  const planner = new Planner(late ? { ...state, runs } : state, shards);
  for (const instrument of rules.instruments.values()) {
    if (instrument.expiry === null) planner.fund(instrument, t);
    else planner.expire(instrument, instrument.expiry, t, rules.settlementMinutes);
  }
  planner.session("day", t);
  planner.session("week", t);
  return { state: planner.state, entries: planner.entries };
}

/** Dated instruments that are over and cannot be settled for want of a price. */
export const unsettled = (state: ScheduleState, t: number, rules: RuleSet): readonly string[] =>
  [...rules.instruments.values()]
    .filter(({ id, expiry }) => expiry !== null && t >= expiry && !state.expired.includes(id))
    .map(({ id }) => id);

/** Facts that the plan waits for. */
export const awaitedFacts: readonly string[] = ["settled", "session.opened"];

const answers = (run: Run, shard: string, fact: Fact): boolean => {
  if (run.shard !== shard || fact.t < run.since) return false;
  if (run.body.k === "settle") return fact.fact === "settled" && fact["instrument"] === run.body.instrument;
  const { session, start } = run.body;
  return fact.fact === "session.opened" && fact["session"] === session && fact["start"] === start;
};

/** Whether a chunk was not the last: it says what remains, or it was a full one. */
function moreLeft(fact: Fact, chunkMax: number): boolean {
  const { remaining, accounts } = fact;
  if (typeof remaining === "number") return remaining > 0;
  return typeof accounts === "number" && accounts >= chunkMax;
}

/** A fact of a shard: the next chunk of what it answers, or its end. A fact that was looked at before changes nothing. */
export function answered(state: ScheduleState, shard: string, fact: Fact, rules: RuleSet): Plan {
  if (fact.seq <= (state.facts[shard] ?? 0)) return { state, entries: [] };
  const facts = { ...state.facts, [shard]: fact.seq };
  const run = state.runs.find((one) => answers(one, shard, fact));
  if (run === undefined) return { state: { ...state, facts }, entries: [] };
  const others = state.runs.filter((one) => one !== run);
  if (!moreLeft(fact, rules.accountsPerEntryMax)) return { state: { ...state, facts, runs: others }, entries: [] };
  const next = { ...run, chunk: run.chunk + 1 };
  const entries = [{ shard, key: `${run.key}-${next.chunk}`, body: run.body }];
  return { state: { ...state, facts, runs: [...others, next] }, entries };
}
