import type { Rational } from "#libs/decimal/index.ts";
import type { EntryBody, Fact } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { mergeRules } from "#libs/domain/rule-set/merge.ts";
import { systemAccounts } from "#libs/domain/rule-set/types.ts";
import { Engine } from "#libs/engine/index.ts";
import { CalmMarkets, CrashDepth, populationCollaterals, populationInstruments } from "./crash-market.ts";
import {
  collateralAssets,
  type CrashPolicy,
  crashRules,
  providerAccounts,
  providerCapacityShare,
} from "./crash-rules.ts";
import { CrashTally } from "./crash-tally.ts";
import { type DepthRules, decimalsOf, defaultDepth } from "./depth.ts";
import { SimulatedExchange } from "./exchange.ts";
import { replaySteps, type ReplayStep } from "./market-replay.ts";
import { deposit, makerCount, Population } from "./population.ts";
import { Random } from "./random.ts";
import type { CrashManifest, RecordedCrash } from "./recorded-crash.ts";

export interface CrashOptions {
  readonly accounts: number;
  readonly seed: number;
  readonly policy: CrashPolicy;
  readonly audit: "light" | "full";
  /** Part of the recorded window, UTC ms; whole when left out. */
  readonly from?: number;
  readonly to?: number;
  /** Laid over the rule set of the crash. */
  readonly rulesPatch?: unknown;
  readonly depth?: Partial<DepthRules>;
  readonly receipts?: boolean;
  /** Called once with the engine, before any entry: for whoever wants to measure it. */
  readonly observe?: (engine: Engine) => void;
  /** Called after each frame of the crash. */
  readonly progress?: (at: { readonly t: number; readonly share: number; readonly run: CrashRun }) => void;
  /** Called with the facts of each entry, in order. */
  readonly facts?: (facts: readonly Fact[]) => void;
}

/** The state of an exchange at one moment of the crash. USD. */
export interface CrashSample {
  readonly t: number;
  readonly leadPrice: number;
  readonly fundUsd: number;
  readonly openInterestUsd: number;
  readonly liquidated: number;
  readonly adlUsd: number;
  readonly badDebtUsd: number;
  readonly openSagas: number;
}

const sampleMs = 5 * 60_000;
/** Shares of open interest at the start. */
const fundShare = 0.005;
const houseShare = 0.02;
const providerCashShare = 0.01;
/** One saga may take this share of the fund. */
const fundEventShare = 0.05;
/** Of those warned for the last time, so many bring more money: this share of their maintenance requirement. */
const topUpChance = 0.15;
const topUpShare = 0.75;

/** Numbers of system accounts: their places in the fixed list. */
const insurance = systemAccounts.indexOf("insurance");
const badDebt = systemAccounts.indexOf("bad_debt");
const market = systemAccounts.indexOf("market");

/** A crash under way: prices, population, depth, funding and the exchange that takes them. */
export class CrashRun {
  readonly crash: RecordedCrash;
  readonly options: CrashOptions;
  readonly exchange: SimulatedExchange;
  readonly engine: Engine;
  readonly tally: CrashTally;
  readonly samples: CrashSample[] = [];
  readonly window: { readonly from: number; readonly to: number };
  document: RuleDocument;
  population: Population | null = null;
  frames = 0;
  topUps = 0;
  /** By frame: how many pools it had looked at again, because a price left their safe band. */
  readonly touched: number[] = [];
  readonly #calm = new CalmMarkets();
  readonly #chance: Random;
  #depth: CrashDepth | null = null;
  #openInterestUsd: ReadonlyMap<string, number> = new Map();
  #lastSample = 0;

  /** Throws `RulesRefused` where the patched rules are not valid, `BadRecording` where the recording is not. */
  constructor(crash: RecordedCrash, options: CrashOptions) {
    this.crash = crash;
    this.options = options;
    const { manifest } = crash;
    this.window = {
      from: Math.max(manifest.from, options.from ?? startOf(manifest)),
      to: Math.min(manifest.to, options.to ?? manifest.to),
    };
    this.#chance = new Random(options.seed, 0x7fff_ffff);
    this.document = this.#rules(new Map(), new Map(), "1000000");
    this.engine = Engine.create(this.document, {
      receipts: options.receipts ?? false,
      quietFills: true,
      roundsPerFrame: "one",
      audit: options.audit,
    });
    options.observe?.(this.engine);
    this.exchange = new SimulatedExchange(this.engine, { liquidity: "depth" });
    this.tally = new CrashTally(
      new Map(manifest.instruments.map(({ id, kind, multiplier }) => [id, { kind, multiplier: Number(multiplier) }])),
    );
  }

  /** Runs the crash to its end. */
  run(): void {
    this.#apply({ k: "frame", index: { USDT: "1" } }, this.crash.manifest.warmupFrom);
    const rules = this.engine.machine.rules.marks;
    let lastWarm: ReadonlyMap<string, Rational> = new Map();
    let populated = false;
    const funding = this.#fundingDue();
    for (const step of replaySteps(this.crash, rules, this.window)) {
      if (step.warmup) {
        this.#calm.add(step);
        lastWarm = step.indices;
        this.#tookWarmup(this.#prices(step));
        continue;
      }
      if (!populated) {
        populated = true;
        this.#populate(lastWarm, this.window.from);
      }
      while ((funding[0]?.t ?? Infinity) <= step.t) this.#fund(funding.shift() as FundingDue);
      this.#frame(step);
    }
    this.#sample(this.window.to, true);
  }

  #rules(
    capacity: ReadonlyMap<string, string>,
    settlePrices: ReadonlyMap<string, Rational>,
    cap: string,
  ): RuleDocument {
    const document = crashRules(this.crash, {
      policy: this.options.policy,
      fundEventCapUsd: cap,
      providerCapacity: capacity,
      settlePrices,
    });
    return this.options.rulesPatch === undefined ? document : mergeRules(document, this.options.rulesPatch);
  }

  #apply(entry: EntryBody, t: number): void {
    this.#took(this.exchange.apply({ ...entry, t }));
  }

  #took(facts: readonly Fact[]): void {
    this.tally.add(facts);
    this.options.facts?.(facts);
  }

  /** Of the warm-up only the haircuts count: they are what the crash starts with. */
  #tookWarmup(facts: readonly Fact[]): void {
    this.tally.add(facts.filter((fact) => fact.fact === "haircut.changed"));
    this.options.facts?.(facts);
  }

  #prices(step: ReplayStep): readonly Fact[] {
    const { t } = step;
    for (const { asset, source, price } of step.quotes) this.exchange.quote({ asset, source, price, t });
    for (const { instrument, price } of step.books) this.exchange.bookPrice({ instrument, price, t });
    return this.exchange.frame(t);
  }

  /** Traders and makers first, because fund, providers and books are measured by their open interest. */
  #populate(indices: ReadonlyMap<string, Rational>, t: number): void {
    const { accounts, seed } = this.options;
    const { manifest } = this.crash;
    const settlePrices = new Map(
      [...indices].filter(([asset]) => manifest.instruments.some((one) => one.settle === asset)),
    );
    this.document = this.#rules(new Map(), settlePrices, "1000000");
    this.#apply({ k: "rules", document: this.document }, t);
    const instruments = populationInstruments(this.crash, indices, this.#calm);
    const collaterals = populationCollaterals(this.crash, indices);
    this.population = new Population({ accounts, seed, instruments, collaterals });
    for (const entry of this.population.entries()) this.#apply(entry, t);
    this.#openInterestUsd = this.population.openInterestUsd();
    this.#standBy(settlePrices, t);
    this.#depth = new CrashDepth(
      { ...defaultDepth, ...this.options.depth },
      this.#calm,
      manifest.instruments,
      this.#openInterestUsd,
    );
    this.#sample(t, true);
  }

  /** Fund, house and providers, by settle asset, and the rules that name what they may do. */
  #standBy(settlePrices: ReadonlyMap<string, Rational>, t: number): void {
    const { instruments } = this.crash.manifest;
    let fundUsd = 0;
    for (const settle of new Set(instruments.map((one) => one.settle))) {
      const usd = instruments.reduce(
        (sum, one) => (one.settle === settle ? sum + (this.#openInterestUsd.get(one.id) ?? 0) : sum),
        0,
      );
      const price = settlePrices.get(settle)?.toNumber() ?? 1;
      const units = (share: number): string => ((usd * share) / price).toFixed(4);
      fundUsd += usd * fundShare;
      this.#apply({ k: "fund", asset: settle, amount: units(fundShare) }, t);
      this.#apply({ k: "house", asset: settle, amount: units(houseShare) }, t);
      for (const account of providerAccounts)
        this.#apply(deposit(account, settle, (usd * providerCashShare) / price), t);
    }
    const capacity = new Map(
      instruments.map(({ id, lot, kind, multiplier, index }) => {
        const usd = (this.#openInterestUsd.get(id) ?? 0) * providerCapacityShare;
        const price = kind === "linear" ? this.#mark(id, index) : 1;
        const lots = Math.max(1, Math.floor(usd / price / Number(multiplier) / Number(lot)));
        return [id, (lots * Number(lot)).toFixed(decimalsOf(lot))] as const;
      }),
    );
    this.document = this.#rules(capacity, settlePrices, (fundUsd * fundEventShare).toFixed(2));
    this.#apply({ k: "rules", document: this.document }, t);
  }

  #mark(instrument: string, index: string): number {
    const { market } = this.engine.machine.book;
    const { book } = this.engine.machine;
    const mark = market.markPrice(book.instrumentIndex(instrument)) ?? market.indexPrice(book.assetIndex(index));
    return mark?.toNumber() ?? 1;
  }

  #frame(step: ReplayStep): void {
    for (const [instrument, book] of this.#depth?.books(step) ?? [])
      this.exchange.setDepth(
        instrument,
        book.bids.map(([price, qty]) => [price, qty]),
        book.asks.map(([price, qty]) => [price, qty]),
      );
    const before = this.engine.counters["popped"] ?? 0;
    const facts = this.#prices(step);
    this.#took(facts);
    this.frames += 1;
    this.touched.push((this.engine.counters["popped"] ?? 0) - before);
    this.#react(facts, step.t);
    this.#sample(step.t, false);
    const { from, to } = this.window;
    this.options.progress?.({ t: step.t, share: (step.t + 1 - from) / (to - from), run: this });
  }

  /** Some of those who are warned for the last time bring more money, into the pool that was warned. */
  #react(facts: readonly Fact[], t: number): void {
    const last = this.document.warnings?.at(-1);
    const { machine } = this.engine;
    for (const fact of facts) {
      if (fact.fact !== "warning" || fact["level"] !== last || !this.#chance.chance(topUpChance)) continue;
      const account = String(fact["account"]);
      const instrument = typeof fact["instrument"] === "string" ? fact["instrument"] : null;
      const number = machine.book.findAccount(account);
      if (instrument === null) {
        const { mm } = machine.poolHealthOf(machine.book.crossView(number));
        this.#bring(account, "USDT", mm.toNumber() * topUpShare, t);
        continue;
      }
      const row = machine.book.findRow(number, machine.book.instrumentIndex(instrument));
      if (row < 0) continue;
      const settle = machine.book.assetRules(machine.book.settleIndex(machine.book.rowInstrument(row))).id;
      const { mm } = machine.poolHealthOf(machine.book.isolatedView(row));
      const price = machine.market.index(settle).toNumber();
      const units = this.#bring(account, settle, (mm.toNumber() * topUpShare) / price, t);
      this.#apply({ k: "margin", account, instrument, amount: units }, t);
    }
  }

  /** A deposit; answers its amount. */
  #bring(account: string, asset: string, units: number, t: number): string {
    const entry = deposit(account, asset, Math.max(units, 0.0001));
    this.topUps += 1;
    this.#apply(entry, t);
    return entry.amount;
  }

  #fundingDue(): FundingDue[] {
    const due: FundingDue[] = [];
    for (const [instrument, payments] of this.crash.funding)
      for (const { t, rate } of payments)
        if (t >= this.window.from && t < this.window.to) due.push({ t, instrument, rate });
    return due.sort((left, right) => left.t - right.t);
  }

  /** A payment, then chunks until every position is booked. */
  #fund({ t, instrument, rate }: FundingDue): void {
    this.#apply({ k: "funding", instrument, rate }, t);
    const most = this.engine.machine.rules.accountsPerEntryMax;
    for (;;) {
      const facts = this.exchange.apply({ k: "settle", instrument, t });
      this.#took(facts);
      const settled = facts.find((fact) => fact.fact === "settled");
      if (Number(settled?.["accounts"] ?? 0) < most) break;
    }
  }

  #sample(t: number, always: boolean): void {
    if (!always && t - this.#lastSample < sampleMs) return;
    this.#lastSample = t;
    this.samples.push(sampleOf(this, t));
  }

  makers(): number {
    return makerCount(this.options.accounts);
  }

  openInterestAtStartUsd(): number {
    let sum = 0;
    for (const usd of this.#openInterestUsd.values()) sum += usd;
    return sum;
  }

  get manifest(): CrashManifest {
    return this.crash.manifest;
  }
}

/**
 * The crash starts when every collateral has a price: nobody can have deposited what nobody could value. UST was recorded
 * later than the rest, one bar after its first it counts.
 */
function startOf(manifest: CrashManifest): number {
  const collaterals = new Set(collateralAssets(manifest));
  const lengths = (id: string): number =>
    Math.min(...manifest.sources.filter((one) => one.symbol === id).map((one) => one.barMs));
  const starts = manifest.assets.filter(({ id }) => collaterals.has(id)).map(({ id, from }) => from + lengths(id));
  return Math.max(manifest.from, ...starts);
}

interface FundingDue {
  readonly t: number;
  readonly instrument: string;
  readonly rate: string;
}

/** What the exchange looks like now, read from the book; statistics, so floats will do. */
function sampleOf(run: CrashRun, t: number): CrashSample {
  const { machine } = run.engine;
  const { book } = machine;
  let fundUsd = 0;
  let badDebtUsd = 0;
  for (let asset = 0; asset < book.assetCount; asset += 1) {
    const price = book.market.indexPrice(asset)?.toNumber() ?? 0;
    const quantum = book.assetRules(asset).quantum.toNumber();
    fundUsd += Number(book.cash(insurance, asset)) * quantum * price;
    badDebtUsd += Number(book.cash(badDebt, asset)) * quantum * price;
  }
  let openInterestUsd = 0;
  for (let at = 0; at < book.instrumentCount; at += 1) {
    const rules = book.instrumentRules(at);
    const mark = book.market.markPrice(at)?.toNumber() ?? 0;
    // What liquidations sold stands on `market`'s side: it is nobody's interest any more.
    const row = book.findRow(market, at);
    const absorbed = row < 0 ? 0n : book.qty(row);
    const lots = book.longLots(at) - (absorbed > 0n ? absorbed : 0n);
    const contracts = Number(lots) * rules.lot.toNumber() * rules.multiplier.toNumber();
    openInterestUsd += rules.kind === "linear" ? contracts * mark : contracts;
  }
  const lead = run.manifest.instruments[0]?.index ?? "";
  return {
    t,
    leadPrice: book.market.indexPrice(book.assetIndex(lead))?.toNumber() ?? 0,
    fundUsd,
    openInterestUsd,
    liquidated: run.tally.liquidated.size,
    adlUsd: run.tally.adl.notionalUsd,
    badDebtUsd: -badDebtUsd,
    openSagas: machine.sagas.size,
  };
}
