import type { Effect, EntryBody, Fill, OutcomeEntry, Side } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";

export type Close = Extract<Effect, { effect: "close" }>;
type Half = EntryBody & { k: "fill" };

/** What the venue of a story has to know of it. */
export interface StoryMarket {
  /** The price that things trade at now. */
  readonly price: (instrument: string) => number;
  readonly lot: (instrument: string) => Rational;
  /** How many of so many lots a closing order permits to fill at a price. */
  readonly permitted: (order: Close, lots: bigint, price: string) => bigint;
  /** Who takes the other side of a closing order; `n` tells one fill from another. */
  readonly maker: (closed: string, n: bigint) => string;
}

/** How much of what is asked for is done, and how well. */
export interface Service {
  /** Of what a closing order asks for, 0 … 1 and beyond. */
  readonly share: number;
  /** Contracts too many, in lots. */
  readonly tooMuch: number;
  /** Off the price of the market, in 1e-5. */
  readonly off: number;
  /** Whether the limit and the budget of a closing order are kept to. */
  readonly obeys: boolean;
}

export const wellServed: Service = { share: 1, tooMuch: 0, off: 0, obeys: true };

const fixed = (value: number): string => value.toFixed(4).replace(/\.?0+$/, "");

/**
 * The matching engine of a story. What it does is done when it does it; what it says of it waits here until it is delivered, in
 * whatever order: halves of trades, answers to what the shard asked for, each perhaps again.
 */
export class StoryVenue {
  readonly halves: Half[] = [];
  readonly reports: OutcomeEntry[] = [];
  /** Answers that the shard has been told. */
  private readonly told: OutcomeEntry[] = [];
  private readonly answered = new Map<string, Effect>();
  private readonly market: StoryMarket;
  private trades = 0;
  private orders = 0;

  constructor(market: StoryMarket) {
    this.market = market;
  }

  /** Orders of traders that this venue has seen. */
  get orderCount(): number {
    return this.orders;
  }

  nextOrder(): string {
    this.orders += 1;
    return `o${this.orders}`;
  }

  anyOrder(n: number): string {
    return `o${n % (this.orders + 1)}`;
  }

  /** A trade of two traders: both halves wait. */
  trade(instrument: string, qty: string, price: string, taker: readonly [string, Side], maker: string): void {
    const [account, side] = taker;
    const trade = this.nextTrade();
    this.halves.push(this.half(trade, account, instrument, side, qty, price, "taker"));
    this.halves.push(this.half(trade, maker, instrument, opposite(side), qty, price, "maker"));
  }

  takeHalf(place: number): Half | undefined {
    return takeAt(this.halves, place);
  }

  takeReport(place: number): OutcomeEntry | undefined {
    const report = takeAt(this.reports, place);
    if (report !== undefined) this.told.push(report);
    return report;
  }

  /** What the shard asks for and nobody has carried out yet. */
  unanswered(open: readonly Effect[]): Effect[] {
    return open.filter((one) => one.effect !== "cancel" && !this.answered.has(one.id));
  }

  /** Carries out what was asked for; what became of it waits to be delivered. */
  serve(effect: Effect, service: Service): void {
    if (effect.effect === "cancel") return;
    this.answered.set(effect.id, effect);
    if (effect.effect === "block") this.reports.push({ k: "blocked", effect: effect.id });
    else if (effect.effect === "resume") this.reports.push({ k: "resumed", effect: effect.id });
    else if (effect.effect === "withdraw") this.reports.push({ k: "withdrawn", effect: effect.id });
    else if (effect.effect === "cancel_all") this.reports.push({ k: "cancelled", effect: effect.id, orders: 0 });
    else this.reports.push(this.close(effect, service));
  }

  private close(effect: Close, { share, tooMuch, off, obeys }: Service): OutcomeEntry {
    const { instrument } = effect;
    const asked = Rational.parse(effect.qty).floorIn(this.market.lot(instrument));
    const price = fixed(this.market.price(instrument) * (1 + off / 100_000));
    const there = share >= 1 ? asked : BigInt(Math.floor(Number(asked) * share));
    const lots = obeys ? this.market.permitted(effect, there, price) : there;
    const parts = lots > 1n && share !== 1 ? [lots / 2n, lots - lots / 2n] : [lots];
    if (tooMuch > 0) parts.push(BigInt(tooMuch));
    const fills = parts.filter((one) => one > 0n).map((one) => this.closingFill(effect, one, price));
    return { k: "closed", effect: effect.id, fills, exhausted: share < 0.3 };
  }

  /** The trader's half is in the answer, its maker's is an entry of its own. */
  private closingFill(effect: Close, lots: bigint, price: string): Fill {
    const { instrument } = effect;
    const qty = this.market.lot(instrument).times(Rational.ofInteger(lots)).toStringDown();
    const trade = this.nextTrade();
    const maker = this.market.maker(effect.account, lots);
    this.halves.push(this.half(trade, maker, instrument, opposite(effect.side), qty, price, "maker"));
    return { qty, price, trade };
  }

  /** An answer once more; `lots` of a closing order are new in it, for it went on filling. */
  again(n: number, lots: number): OutcomeEntry | undefined {
    const at = n % Math.max(1, this.told.length);
    const before = this.told[at];
    const effect = before === undefined ? undefined : this.answered.get(before.effect);
    if (before?.k !== "closed" || effect?.effect !== "close" || lots === 0) return before;
    const fresh = this.closingFill(effect, BigInt(lots), fixed(this.market.price(effect.instrument)));
    const more = { ...before, fills: [...before.fills, fresh] };
    this.told[at] = more;
    return more;
  }

  private nextTrade(): string {
    this.trades += 1;
    return `t${this.trades}`;
  }

  private half(
    trade: string,
    account: string,
    instrument: string,
    side: Side,
    qty: string,
    price: string,
    liquidity: "maker" | "taker",
  ): Half {
    const order = this.anyOrder(this.trades);
    return { k: "fill", trade, account, instrument, side, qty, price, liquidity, order };
  }
}

const opposite = (side: Side): Side => (side === "buy" ? "sell" : "buy");

function takeAt<One>(all: One[], place: number): One | undefined {
  return all.splice(Math.max(0, place) % Math.max(1, all.length), 1)[0];
}
