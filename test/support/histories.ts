import fc from "fast-check";
import { Rational } from "#libs/decimal/index.ts";
import type { Entry, EntryBody } from "#libs/contracts/log.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { type RuleChoice, ruleDocuments, startPrices } from "./history-rules.ts";
import { ruleVariants } from "./history-rule-changes.ts";

/** A new book at the venue: not an entry of the log. */
export interface DepthStep {
  readonly k: "depth";
  readonly t: number;
  readonly instrument: string;
  readonly bids: readonly (readonly [string, string])[];
  readonly asks: readonly (readonly [string, string])[];
}

export interface History {
  readonly document: RuleDocument;
  /** The first one holds every price; each entry of the log carries its producer's number. */
  readonly steps: readonly (Entry | DepthStep)[];
}

export const traders = ["a", "b", "c", "d", "e", "f"] as const;
const accounts = [...traders, "lp1", "lp2"] as const;
const instruments = ["BTC-PERP", "ETH-PERP", "BTC-INV", "BTC-0326"] as const;
const dated = "BTC-0326";
const assets = ["USDT", "USDC", "BTC", "ETH"] as const;

/** How often each kind comes up; a property may ask for others. */
export const usualKinds = {
  trade: 10,
  crash: 4,
  tick: 8,
  deposit: 2,
  withdraw: 2,
  transfer: 1,
  order: 3,
  cancel: 1,
  mode: 2,
  margin: 2,
  funding: 3,
  settle: 1,
  convert: 1,
  rules: 1,
  halt: 1,
  quality: 1,
  time: 2,
  expire: 1,
  fund: 1,
  house: 1,
  depth: 3,
  haircut: 1,
};
export type Kind = keyof typeof usualKinds;

/** One step as plain small numbers, so that a failing history shrinks: what they mean is decided by `concrete`. */
interface Draw {
  readonly kind: Kind;
  readonly who: number;
  readonly other: number;
  readonly what: number;
  /** 0 … 1000: how large. */
  readonly size: number;
  /** −1000 … 1000: which way and how far. */
  readonly turn: number;
}

const draw = (kinds: Partial<Record<Kind, number>>): fc.Arbitrary<Draw> => {
  const weighted = Object.entries(kinds).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as Kind) }));
  return fc.record({
    kind: fc.oneof(...weighted),
    who: fc.nat(7),
    other: fc.nat(7),
    what: fc.nat(7),
    size: fc.oneof({ weight: 8, arbitrary: fc.nat(1000) }, { weight: 1, arbitrary: fc.constantFrom(0, 1000) }),
    turn: fc.integer({ min: -1000, max: 1000 }),
  });
};

export interface HistoryChoice extends RuleChoice {
  readonly kinds?: Partial<Record<Kind, number>>;
  readonly steps?: number;
}

/** Histories of a small exchange: funded accounts, then whatever may happen. Generated from one seed, the same everywhere. */
export function histories(choice: HistoryChoice = {}): fc.Arbitrary<History> {
  const kinds = choice.kinds ?? usualKinds;
  return fc
    .record({
      document: ruleDocuments(choice),
      wealth: fc.array(fc.nat(1000), { minLength: 8, maxLength: 8 }),
      fund: fc.constantFrom(0, 300, 20_000, 5_000_000),
      draws: fc.array(draw(kinds), {
        minLength: Math.min(4, choice.steps ?? 4),
        maxLength: choice.steps ?? 32,
        size: "max",
      }),
    })
    .map(({ document, wealth, fund, draws }) => new Story(document, wealth, fund).tell(draws));
}

const fixed = (value: number, decimals = 4): string => {
  const text = value.toFixed(decimals);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
};

/** Turns draws into entries. It knows prices and rules, never the engine: the same draws always tell the same story. */
class Story {
  private document: RuleDocument;
  private readonly first: RuleDocument;
  private readonly steps: (Entry | DepthStep)[] = [];
  private readonly base: Record<string, number> = { ...startPrices };
  private readonly mark: Record<string, number> = {};
  private readonly wealthUsd: readonly number[];
  private readonly fundUsd: number;
  private expired = false;
  private t = 0;
  private seq = 0;
  private orders = 0;

  constructor(document: RuleDocument, wealth: readonly number[], fundUsd: number) {
    this.document = document;
    this.first = document;
    this.fundUsd = fundUsd;
    this.wealthUsd = wealth.map((one) => 10 ** (2.5 + one / 400));
    for (const id of instruments) this.mark[id] = this.base[this.baseOf(id)] ?? 1;
  }

  tell(draws: readonly Draw[]): History {
    this.frame([...assets], [...instruments]);
    if (this.fundUsd > 0)
      for (const asset of ["USDT", "BTC"]) this.add({ k: "fund", asset, amount: this.amount(asset, this.fundUsd) });
    accounts.forEach((account, at) => {
      const usd = this.wealthUsd[at] as number;
      this.add({
        k: "cash",
        account,
        asset: assets[at % 3] as string,
        amount: this.amount(assets[at % 3] as string, usd),
      });
      if (at % 2 === 0) this.add({ k: "cash", account, asset: "BTC", amount: this.amount("BTC", usd / 2) });
    });
    for (const one of draws) {
      this.t += one.kind === "time" ? 60_000 * (one.size + 1) : one.size % 7;
      this.step(one);
    }
    return { document: this.first, steps: this.steps };
  }

  private add(body: EntryBody): void {
    this.seq += 1;
    this.steps.push({ ...body, t: this.t, source: "log", sourceSeq: this.seq });
  }

  private baseOf(instrument: string): string {
    return this.document.instruments.find((one) => one.id === instrument)?.base ?? "BTC";
  }

  private frame(of: readonly string[], marks: readonly string[]): void {
    const index = Object.fromEntries(of.map((id) => [id, fixed(this.base[id] as number, 6)]));
    const mark = Object.fromEntries(marks.map((id) => [id, fixed(this.mark[id] as number)]));
    this.add({ k: "frame", index, mark });
  }

  /** So many dollars in units of an asset, whole quanta, at least one. */
  private amount(asset: string, usd: number): string {
    const quantum = Rational.parse(this.document.assets.find((one) => one.id === asset)?.quantum ?? "0.000001");
    const exact = Rational.parse(fixed(Math.max(usd, 0) / (this.base[asset] as number), 12)).floorTo(quantum);
    return (exact.isZero() ? quantum : exact).toStringDown();
  }

  private contracts(instrument: string, usd: number): string {
    const rules = this.document.instruments.find((one) => one.id === instrument);
    const lot = Rational.parse(rules?.lot ?? "1");
    const worth =
      (rules?.kind === "linear" ? (this.mark[instrument] as number) : 1) *
      Number(rules?.multiplier ?? "1") *
      lot.toNumber();
    return lot.times(Rational.ofInteger(BigInt(Math.max(1, Math.round(usd / worth))))).toStringDown();
  }

  /** A size in dollars that fits the purse: dust, usual, bold, or beyond all reason. */
  private sizeUsd({ who, size }: Draw): number {
    if (size === 0) return 0;
    if (size === 1000) return 1e15;
    return (this.wealthUsd[who] as number) * 10 ** (size / 400 - 1);
  }

  private step(one: Draw): void {
    const account = accounts[one.who] as string;
    const asset = assets[one.what % 4] as string;
    switch (one.kind) {
      case "trade":
        return this.trade(one);
      case "crash":
        return this.crash(one, one.turn < 0 ? 1 - 0.6 * (-one.turn / 1000) : 1 + 0.6 * (one.turn / 1000));
      case "tick":
        return this.crash(one, 1 + one.turn / 20_000);
      case "deposit":
        return this.add({ k: "cash", account, asset, amount: this.amount(asset, this.sizeUsd(one)) });
      case "withdraw":
        return this.add({ k: "cash", account, asset, amount: `-${this.amount(asset, this.sizeUsd(one) / 20)}` });
      case "transfer":
        return this.add({
          k: "transfer",
          from: account,
          to: accounts[one.other] as string,
          asset,
          amount: this.amount(asset, this.sizeUsd(one)),
        });
      case "convert":
        return this.add({ k: "convert", account });
      case "fund":
      case "house":
        return this.add({
          k: one.kind,
          asset,
          amount: `${one.turn < -600 ? "-" : ""}${this.amount(asset, one.size * 20 + 1)}`,
        });
      case "time":
        return this.add({ k: "time" });
      default:
        return this.rarer(one, account);
    }
  }

  private rarer(one: Draw, account: string): void {
    const instrument = instruments[one.what % 4] as string;
    const closed = this.expired && instrument === dated;
    switch (one.kind) {
      case "order":
        return this.order(one, account, instrument);
      case "cancel":
        return this.add({ k: "cancel", account, id: `o${Math.max(1, this.orders - (one.size % 3))}` });
      case "mode":
        return this.mode(one, account, instrument);
      case "margin":
        return this.margin(one, account, instrument);
      case "funding":
        return closed
          ? undefined
          : this.add({ k: "funding", instrument, rate: fixed((one.turn / 1000) ** 3 * 0.05, 9) });
      case "settle":
        return this.add({ k: "settle", instrument });
      case "expire":
        return this.expire(one);
      case "rules":
        return this.changeRules(one);
      case "halt":
        return this.halt(one, account, instrument);
      case "quality":
        return this.quality(one, instrument);
      case "haircut":
        return this.haircut(one);
      case "depth":
        return this.depth(one, instrument);
      default:
        return undefined;
    }
  }

  private trade(one: Draw): void {
    const instrument = instruments[one.what % 4] as string;
    if (this.expired && instrument === dated) return;
    const [buyer, seller] = [accounts[one.who] as string, accounts[one.other] as string];
    const off = one.turn > 900 || one.turn < -900 ? one.turn / 5000 : one.turn / 200_000;
    const price = fixed((this.mark[instrument] as number) * (1 + off));
    const qty = this.contracts(instrument, this.sizeUsd(one));
    const order = one.size % 3 === 0 && this.orders > 0 ? { buyOrder: `o${this.orders}` } : {};
    this.add({
      k: "trade",
      instrument,
      buyer,
      seller,
      qty,
      price,
      fees: one.size % 5 > 0,
      taker: one.turn < 0 ? "sell" : "buy",
      ...order,
    });
  }

  /** One base and everything on it moves, one mark alone, or a stablecoin leaves its peg. */
  private crash(one: Draw, factor: number): void {
    const bounded = (value: number): number => Math.min(Math.max(value, 1), 1e7);
    if (one.what === 7) {
      const asset = one.who % 2 === 0 ? "USDT" : "USDC";
      this.base[asset] = Math.min(Math.max((this.base[asset] as number) * (1 + (factor - 1) / 4), 0.5), 1.5);
      return this.frame([asset], []);
    }
    if (one.what === 6) {
      const instrument = instruments[one.who % 4] as string;
      this.mark[instrument] = bounded((this.mark[instrument] as number) * factor);
      return this.frame([], [instrument]);
    }
    const base = one.what < 4 ? "BTC" : "ETH";
    const moved = instruments.filter((id) => this.baseOf(id) === base);
    this.base[base] = bounded((this.base[base] as number) * factor);
    for (const id of moved) this.mark[id] = bounded(this.base[base] * (id === dated ? 1.001 : 1));
    this.frame([base], moved);
  }

  private order(one: Draw, account: string, instrument: string): void {
    this.orders += 1;
    const price =
      one.size % 4 === 0 ? {} : { price: fixed((this.mark[instrument] as number) * (1 + one.turn / 20_000)) };
    const id = `o${this.orders}`;
    const qty = this.contracts(instrument, this.sizeUsd(one) * (one.other % 2 === 0 ? 0.25 : 4));
    this.add({
      k: "order",
      account,
      id,
      instrument,
      side: one.turn < 0 ? "sell" : "buy",
      qty,
      ...price,
      reduceOnly: one.other === 0,
    });
  }

  private mode(one: Draw, account: string, instrument: string): void {
    const mode = one.other < 4 ? { mode: "isolated" as const } : one.other < 6 ? { mode: "cross" as const } : {};
    const leverage = one.other % 2 === 0 ? { leverage: String(1 + (one.size % 20)) } : {};
    if (mode.mode === undefined && leverage.leverage === undefined) return;
    this.add({ k: "mode", account, instrument, ...mode, ...leverage });
  }

  private margin(one: Draw, account: string, instrument: string): void {
    const settle = this.document.instruments.find((each) => each.id === instrument)?.settle ?? "USDT";
    const amount = this.amount(settle, this.sizeUsd(one) / 10);
    this.add({ k: "margin", account, instrument, amount: one.turn < 0 ? `-${amount}` : amount });
  }

  private expire(one: Draw): void {
    if (this.expired) return;
    this.expired = true;
    this.add({ k: "expire", instrument: dated, price: fixed((this.mark[dated] as number) * (1 + one.turn / 20_000)) });
    for (let chunk = 0; chunk < one.size % 5; chunk += 1) this.add({ k: "settle", instrument: dated });
  }

  private changeRules(one: Draw): void {
    const change = ruleVariants[(one.who * 8 + one.other) % ruleVariants.length] ?? ((document) => document);
    const document = change(this.document);
    this.add({ k: "rules", document });
    if (compileRules(document, 1).problems.length === 0) this.document = document;
  }

  private halt(one: Draw, account: string, instrument: string): void {
    const states = ["normal", "reduce_only", "no_new_orders", "cancel_all", "paused"] as const;
    const scopes = ["global", "instrument", "account", "entity"] as const;
    const scope = scopes[one.size % 4] as (typeof scopes)[number];
    const id = { global: {}, instrument: { id: instrument }, account: { id: account }, entity: { id: "one" } }[scope];
    this.add({ k: "halt", scope, ...id, state: states[one.other % 5] as (typeof states)[number], reason: "drill" });
  }

  private quality(one: Draw, instrument: string): void {
    const qualities = ["good", "stale", "disputed", "invalid", "good"] as const;
    const id = one.turn < 0 ? instrument : (assets[one.who % 4] as string);
    this.add({ k: "frame", quality: { [id]: qualities[one.other % 5] as (typeof qualities)[number] } });
  }

  private haircut(one: Draw): void {
    const asset = one.what % 2 === 0 ? "BTC" : "ETH";
    const maintenance = fixed((one.size % 300) / 1000, 3);
    this.add({ k: "frame", haircut: { [asset]: { initial: fixed(Number(maintenance) + 0.05, 3), maintenance } } });
  }

  private depth(one: Draw, instrument: string): void {
    if (this.document.liquidity !== "depth") return;
    const mark = this.mark[instrument] as number;
    const qty = this.contracts(instrument, 10 ** (2 + one.size / 250));
    const level = (off: number): readonly [string, string] => [fixed(mark * (1 + off)), qty];
    const offs = [0.0005, 0.004, 0.02, 0.1].slice(0, 1 + (one.other % 4));
    this.steps.push({
      k: "depth",
      t: this.t,
      instrument,
      bids: offs.map((off) => level(-off)),
      asks: offs.map((off) => level(off)),
    });
  }
}
