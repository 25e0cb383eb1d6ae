import type { EntryBody } from "#libs/contracts/log.ts";
import { AccountDraw, type DrawnAccount, type PopulationCollateral, type PopulationInstrument } from "./accounts.ts";
import { decimalsOf, onGrid } from "./depth.ts";
import { Random } from "./random.ts";

export interface PopulationOptions {
  /** How many accounts are drawn; market makers come on top. */
  readonly accounts: number;
  readonly seed: number;
  readonly instruments: readonly PopulationInstrument[];
  readonly collaterals: readonly PopulationCollateral[];
}

/** Someone who wants lots and waits for a counterparty. */
interface Wish {
  readonly account: string;
  lots: number;
  readonly leverage: number;
}

/** Wishes longer than this wait no more: a market maker takes them. */
const waitingMax = 400;
const makerLeverage = 3;
/** Entry prices lie around the mark, by this share of what the more leveraged side could bear, and never far. */
const entrySpread = 0.2;
const entryDriftMax = 0.05;
const cashDecimals = 6;

export const accountName = (number: number): string => `a${number.toString().padStart(7, "0")}`;
export const makerName = (number: number): string => `mm-${(number + 1).toString().padStart(4, "0")}`;

/** How many market makers stand behind a population. */
export const makerCount = (accounts: number): number => Math.max(4, Math.ceil(accounts / 400));

export const lotsOf = (instrument: PopulationInstrument, notionalUsd: number): number => {
  const contractUsd = instrument.kind === "linear" ? instrument.mark * instrument.multiplier : instrument.multiplier;
  return Math.max(1, Math.round(notionalUsd / contractUsd / Number(instrument.lot)));
};

/** USD of so many lots at the start mark. */
export const lotsUsd = (instrument: PopulationInstrument, lots: number): number =>
  lots * Number(instrument.lot) * instrument.multiplier * (instrument.kind === "linear" ? instrument.mark : 1);

/**
 * The entries that set up a population, lazily: an account's cash, its modes, and trades as soon as an earlier account
 * wants the other side; what nobody wants goes to market makers, who are funded as they take it. Every trade has two
 * sides, so Σ q of every instrument is zero at each entry. Memory holds the waiting wishes, never the accounts.
 */
export class Population {
  readonly #options: PopulationOptions;
  readonly #draw: AccountDraw;
  /** By instrument: the wishes waiting, all of one sign, oldest first. */
  readonly #waiting: Wish[][];
  readonly #chance: Random;
  #nextMaker = 0;
  /** By instrument: Σ long lots. */
  readonly openLots: number[];
  readonly kinds = new Map<string, number>();

  constructor(options: PopulationOptions) {
    this.#options = options;
    this.#draw = new AccountDraw(options.seed, options.instruments, options.collaterals);
    this.#waiting = options.instruments.map(() => []);
    this.openLots = options.instruments.map(() => 0);
    this.#chance = new Random(options.seed, 0);
  }

  *entries(): Generator<EntryBody> {
    for (let number = 0; number < this.#options.accounts; number += 1) yield* this.#account(number);
    for (const [at, waiting] of this.#waiting.entries()) yield* this.#absorb(at, waiting.length);
  }

  /** Σ long value in USD at the start, by instrument id. */
  openInterestUsd(): ReadonlyMap<string, number> {
    return new Map(
      this.#options.instruments.map((one, at) => [one.id, lotsUsd(one, this.openLots[at] as number)] as const),
    );
  }

  *#account(number: number): Generator<EntryBody> {
    const account = accountName(number);
    const drawn = this.#draw.draw(number);
    this.kinds.set(drawn.kind, (this.kinds.get(drawn.kind) ?? 0) + 1);
    for (const [asset, units] of drawn.deposits) yield deposit(account, asset, units);
    if (drawn.isolated) yield* this.#modes(account, drawn);
    for (const position of drawn.positions) {
      const instrument = this.#options.instruments[position.instrument] as PopulationInstrument;
      const lots = lotsOf(instrument, position.notionalUsd) * position.side;
      yield* this.#wish(position.instrument, { account, lots, leverage: drawn.leverage });
    }
  }

  *#modes(account: string, drawn: DrawnAccount): Generator<EntryBody> {
    const leverage = drawn.leverage.toFixed(2);
    for (const { instrument } of drawn.positions) {
      const { id } = this.#options.instruments[instrument] as PopulationInstrument;
      yield { k: "mode", account, instrument: id, mode: "isolated", leverage };
    }
  }

  *#wish(at: number, wish: Wish): Generator<EntryBody> {
    const waiting = this.#waiting[at] as Wish[];
    while (wish.lots !== 0 && waiting.length > 0 && Math.sign((waiting[0] as Wish).lots) !== Math.sign(wish.lots)) {
      const other = waiting[0] as Wish;
      yield this.#trade(at, wish, other);
      if (other.lots === 0) waiting.shift();
    }
    if (wish.lots !== 0) waiting.push(wish);
    if (waiting.length > waitingMax) yield* this.#absorb(at, waitingMax / 2);
  }

  /** Market makers take the oldest `count` wishes of an instrument, each several of them, and bring the collateral first. */
  *#absorb(at: number, count: number): Generator<EntryBody> {
    const instrument = this.#options.instruments[at] as PopulationInstrument;
    const makers = makerCount(this.#options.accounts);
    for (const wish of (this.#waiting[at] as Wish[]).splice(0, count)) {
      const account = makerName(this.#nextMaker);
      this.#nextMaker = (this.#nextMaker + 1) % makers;
      const usd = lotsUsd(instrument, Math.abs(wish.lots));
      const price = this.#options.collaterals.find((one) => one.asset === instrument.settle)?.price ?? 1;
      yield deposit(account, instrument.settle, usd / makerLeverage / price);
      yield this.#trade(at, { account, lots: -wish.lots, leverage: makerLeverage }, wish);
    }
  }

  #trade(at: number, taker: Wish, maker: Wish): EntryBody {
    const instrument = this.#options.instruments[at] as PopulationInstrument;
    const lots = Math.min(Math.abs(taker.lots), Math.abs(maker.lots));
    const [buyer, seller] = taker.lots > 0 ? [taker, maker] : [maker, taker];
    buyer.lots -= lots;
    seller.lots += lots;
    this.openLots[at] = (this.openLots[at] as number) + lots;
    // They met some time before the start: nobody's entry is exactly the mark, and the more leveraged met later.
    const bearable = 1 / Math.max(taker.leverage, maker.leverage);
    const spread = Math.min(entryDriftMax, entrySpread * bearable);
    const drift = Math.max(-1.5, Math.min(1.5, this.#chance.normal())) * spread;
    return {
      k: "trade",
      instrument: instrument.id,
      buyer: buyer.account,
      seller: seller.account,
      qty: (lots * Number(instrument.lot)).toFixed(decimalsOf(instrument.lot)),
      price: onGrid(instrument.mark * (1 + drift), instrument.tick, "nearest"),
      taker: buyer === taker ? "buy" : "sell",
      fees: false,
    };
  }
}

/** Deposits are rounded up, so that nobody starts a quantum short. */
export function deposit(account: string, asset: string, units: number): Extract<EntryBody, { k: "cash" }> {
  const scale = 10 ** cashDecimals;
  return { k: "cash", account, asset, amount: (Math.ceil(units * scale) / scale).toFixed(cashDecimals) };
}
