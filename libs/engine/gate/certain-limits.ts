import { effective, mayBind } from "#libs/domain/limits/effective.ts";
import { levelsOf, type Subject } from "#libs/domain/limits/subject.ts";
import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { limitKeys } from "#libs/domain/rule-set/limit-types.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import { nearestFloat } from "../floats.ts";
import type { Machine } from "../machine.ts";
import { type CertainInstrument, room } from "./certain-rules.ts";

/** Limits that an order's own instrument, a count of positions and the requirement are enough for. */
const near: readonly LimitKey[] = [
  "maxPosition",
  "maxLong",
  "maxShort",
  "maxOrderQty",
  "maxOpenInterest",
  "maxOpenInterestShare",
  "maxVolumeShare",
  "maxDepthShare",
  "maxInstrumentLeverage",
  "maxLeverage",
  "maxNotionalUsd",
  "maxOpenPositions",
];

/** Those that need more than the order's own instrument and the requirement. */
const leaning: readonly LimitKey[] = [
  "maxPositionShare",
  "maxGrossUsd",
  "maxNetUsd",
  "maxDeltaUsd",
  "maxExposure",
  "maxSectorShare",
  "maxCounterpartyUsd",
  "maxVenueUsd",
  "maxRiskShare",
  "maxRiskSumShare",
  "maxCorrelation",
  "dayLoss",
  "weekLoss",
  "drawdown",
  "ordersPerDay",
  "tradesPerDay",
];

/** What only fills are held against: no order is. */
const ofFills: readonly LimitKey[] = ["maxSlippage"];

/** Limits that the screen looks at; with any other one in force nothing is certain. */
const screened: ReadonlySet<string> = new Set([...near, ...leaning, ...ofFills]);

/** Whether every limit of a list is one of those that are looked at. */
export function limitsKnown(keys: Iterable<string>): boolean {
  for (const key of keys) if (!screened.has(key)) return false;
  return true;
}

/** What binds an account on an instrument, as plain numbers; infinite: nothing does. */
export interface Figures {
  readonly by: Readonly<Record<LimitKey, number>>;
  /** Some limit is in force that needs sums over everything the account has, or counts. */
  readonly leans: boolean;
  /** False: something binds that is left to the exact check: an owner of several accounts, a ban, a limit it does not know. */
  readonly usable: boolean;
}

/** What binds nobody. Written out, and others copied from it: an object put together key by key is read several times slower. */
export const unlimited: Figures["by"] = {
  maxPosition: Infinity,
  maxLong: Infinity,
  maxShort: Infinity,
  maxOrderQty: Infinity,
  maxOpenInterest: Infinity,
  maxOpenInterestShare: Infinity,
  maxVolumeShare: Infinity,
  maxDepthShare: Infinity,
  maxPositionShare: Infinity,
  maxInstrumentLeverage: Infinity,
  maxLeverage: Infinity,
  maxNotionalUsd: Infinity,
  maxGrossUsd: Infinity,
  maxNetUsd: Infinity,
  maxDeltaUsd: Infinity,
  maxOpenPositions: Infinity,
  maxExposure: Infinity,
  maxSectorShare: Infinity,
  maxCounterpartyUsd: Infinity,
  maxVenueUsd: Infinity,
  maxRiskShare: Infinity,
  maxRiskSumShare: Infinity,
  maxCorrelation: Infinity,
  maxSlippage: Infinity,
  dayLoss: Infinity,
  weekLoss: Infinity,
  drawdown: Infinity,
  ordersPerDay: Infinity,
  tradesPerDay: Infinity,
};

function figuresOf(machine: Machine, subject: Subject, rules: InstrumentRules): Figures {
  const { hierarchy, entities } = machine.rules;
  const accounts = subject.entity === null ? 1 : (entities.get(subject.entity)?.accounts.length ?? 1);
  const by = { ...unlimited };
  let usable = true;
  for (const key of limitKeys) {
    if (!mayBind(hierarchy, key, subject)) continue;
    const { owner, account } = effective(hierarchy, key, subject, rules, machine.t);
    if (owner !== null && accounts > 1) usable = false;
    for (const one of [owner, account]) if (one !== null) by[key] = Math.min(by[key], nearestFloat(one.value));
  }
  if (!limitsKnown(limitKeys.filter((key) => by[key] !== Infinity))) usable = false;
  if (levelsOf(hierarchy, subject).some((one) => one.rules.restricted.has(rules.id))) usable = false;
  return { by, leans: leaning.some((key) => by[key] !== Infinity), usable };
}

const keptMax = 65_536;
type ByInstrument = (Figures | undefined)[];

/** The figures of accounts that have asked, under the rules in force and until an override ends. */
export class CertainFigures {
  readonly #machine: Machine;
  readonly #accounts = new Map<number, ByInstrument>();
  /** By account and API key, of keys that say something. */
  readonly #keys = new Map<string, ByInstrument>();
  /** Most are bound by the same figures, which are kept once. */
  readonly #shared = new Map<string, Figures>();
  #until = Infinity;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Under other rules nothing of what was kept holds. */
  forget(): void {
    const { rules, t } = this.#machine;
    this.#accounts.clear();
    this.#keys.clear();
    this.#shared.clear();
    this.#until = Infinity;
    for (const { until } of rules.hierarchy.overrides) if (until > t) this.#until = Math.min(this.#until, until);
  }

  /** What is known of an account, or of one of its API keys that says something, by instrument; `on` fills it. */
  of(account: number, name: string, key: string | null): ByInstrument {
    if (this.#machine.t >= this.#until || this.#accounts.size + this.#keys.size > keptMax) this.forget();
    if (key === null) return kept(this.#accounts, account);
    return kept(this.#keys, `${name} ${key}`);
  }

  on(known: ByInstrument, name: string, key: string | null, instrument: number): Figures {
    const found = known[instrument];
    if (found !== undefined) return found;
    const machine = this.#machine;
    const subject = { account: name, key, entity: machine.entityOfAccount.get(name) ?? null };
    return (known[instrument] = this.#share(figuresOf(machine, subject, machine.book.instrumentRules(instrument))));
  }

  #share(figures: Figures): Figures {
    const text = `${figures.usable} ${Object.values(figures.by).join(" ")}`;
    const shared = this.#shared.get(text);
    if (shared === undefined) this.#shared.set(text, figures);
    return shared ?? figures;
  }
}

function kept<Key>(map: Map<Key, ByInstrument>, key: Key): ByInstrument {
  let known = map.get(key);
  if (known === undefined) map.set(key, (known = []));
  return known;
}

const usdQuantum = 1e-8;

/**
 * LIM-19, LIM-23: whether no loss has certainly reached its share: an account is worth at least its equity from below, since no
 * weight, haircut or cap adds to it; NaN: it may be worth less.
 */
export function lossesBelow(machine: Machine, account: number, by: Figures["by"], equity: number): boolean {
  const { activity, sessions } = machine;
  if (by.dayLoss !== Infinity && !lossBelow(sessions.of("day").baseline(account), by.dayLoss, equity)) return false;
  if (by.weekLoss !== Infinity && !lossBelow(sessions.of("week").baseline(account), by.weekLoss, equity)) return false;
  return by.drawdown === Infinity || lossBelow(activity.peaks.get(account) ?? null, by.drawdown, equity);
}

function lossBelow(from: bigint | null, figure: number, equity: number): boolean {
  if (from === null || from <= 0n) return true;
  const usd = Number(from) * usdQuantum;
  return usd * (1 + room) - equity < usd * figure * (1 - room);
}

const share = (figure: number, of: number): number => (figure === Infinity ? Infinity : figure * of);

/** Sums over the instruments of an account, USD, from above: gross, and longs less shorts once every buy or every sell has filled. */
export class CertainSums {
  readonly #of: CertainInstrument;
  #gross = 0;
  #own = 0;
  #sector = 0;
  #related = 0;
  #netBuys = 0;
  #netSells = 0;
  #deltaBuys = 0;
  #deltaSells = 0;

  /** `of`: the instrument of the order. */
  constructor(of: CertainInstrument) {
    this.#of = of;
  }

  /** `size` is signed; `price`: of the settle asset, `index`: of the underlying, USD. */
  add(
    one: CertainInstrument,
    size: number,
    buy: number,
    sell: number,
    mark: number,
    price: number,
    index: number,
  ): void {
    const [long, short] = [size + buy, size - sell];
    const far = Math.max(Math.abs(size), Math.abs(long), Math.abs(short));
    // At mark the value of a size is proportional to it, for an inverse contract too.
    const unit = one.worth(1, mark) * price;
    const gross = far * unit * (1 + room);
    this.#gross += gross;
    this.#netBuys += long * unit;
    this.#netSells += short * unit;
    if (one === this.#of) this.#own += gross;
    if (one.rules.sector === this.#of.rules.sector) this.#sector += gross;
    if (one.underlying !== this.#of.underlying) return;
    const delta = one.inverse ? index / mark : index;
    this.#related += far * delta;
    this.#deltaBuys += long * delta;
    this.#deltaSells += short * delta;
  }

  /** Whether no sum is above its figure; `equity` from below. */
  within(by: Figures["by"], equity: number): boolean {
    const gross = this.#gross * (1 + room);
    // Cancelling longs and shorts loses no more than the room of what they were added up from.
    const net = Math.max(Math.abs(this.#netBuys), Math.abs(this.#netSells)) + room * gross;
    const delta = Math.max(Math.abs(this.#deltaBuys), Math.abs(this.#deltaSells)) + room * this.#related;
    return (
      gross <= Math.min(by.maxGrossUsd, by.maxCounterpartyUsd, by.maxVenueUsd, share(by.maxExposure, equity)) &&
      net <= by.maxNetUsd &&
      delta <= by.maxDeltaUsd &&
      this.#own * (1 + room) <= share(by.maxPositionShare, equity) &&
      (this.#of.rules.sector === null || this.#sector * (1 + room) <= share(by.maxSectorShare, equity))
    );
  }
}
