import type { Effect, EntryBody } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { fundedLots } from "#libs/domain/liquidation/fund-backed.ts";
import { EntryRefused } from "#libs/engine/index.ts";
import { ruleVariants } from "./history-rule-changes.ts";
import { startPrices } from "./history-rules.ts";
import { exact } from "./history-liquidations.ts";
import { demand } from "./history-run.ts";
import { type LiveDraw, type LivePlot, liveTraders } from "./live-plots.ts";
import { LiveLog } from "./live-run.ts";
import { type Close, StoryVenue, wellServed } from "./story-venue.ts";

/** Takes the other side in the end: the traders would go on liquidating each other. */
const deep = "deep";
const instruments = ["BTC-PERP", "ETH-PERP", "BTC-INV", "BTC-0326"] as const;
const dated = "BTC-0326";
const assets = ["USDT", "USDC", "BTC", "ETH"] as const;

const fixed = (value: number, decimals = 4): string => value.toFixed(decimals).replace(/\.?0+$/, "");

/** Hands an entry to the engine, with whatever is to be checked around it. */
export type Tell = (body: EntryBody) => void;

export interface Telling {
  /** Whether the shard may be started anew from its snapshot in between. */
  readonly restarts?: boolean;
}

/** Tells a story to its end; what comes with it says what does not come to an end, if anything. */
export function tellLive(
  plot: LivePlot,
  tell: (live: LiveLog) => Tell,
  options: Telling = {},
): { readonly live: LiveLog; readonly stuck: readonly string[] } {
  const live = new LiveLog(plot.document);
  const story = new LiveStory(plot.document, live, tell(live), options.restarts ?? false);
  story.begin(plot);
  for (const draw of plot.draws) story.step(draw);
  return { live, stuck: story.finish() };
}

/** What answers what the shard asks for. */
const answerTo: Readonly<Record<Effect["effect"], string>> = {
  block: "blocked",
  close: "closed",
  cancel: "",
  resume: "resumed",
  withdraw: "withdrawn",
  cancel_all: "cancelled",
};

/** Rounds of the end in which nothing was left to be delivered or carried out: by then whoever can be over is. */
const quietMax = 30;

/**
 * A shard behind a matching engine that answers when and as it likes: halves come in any order, closing orders fill in part, too
 * much, or go on filling after their answer. What it does depends on what the engine asks for, so it is told with one.
 */
class LiveStory {
  private readonly live: LiveLog;
  private readonly tell: Tell;
  private readonly restarts: boolean;
  private readonly venue: StoryVenue;
  private readonly first: RuleDocument;
  private document: RuleDocument;
  private readonly base: Record<string, number> = { ...startPrices };
  private readonly mark: Record<string, number> = {};
  private readonly halted = new Map<string, EntryBody & { k: "halt" }>();
  private expired = false;
  private finishing = false;

  constructor(document: RuleDocument, live: LiveLog, tell: Tell, restarts: boolean) {
    this.first = document;
    this.document = document;
    this.live = live;
    this.tell = tell;
    this.restarts = restarts;
    this.venue = new StoryVenue({
      price: (instrument) => this.mark[instrument] as number,
      lot: (instrument) => this.lot(instrument),
      permitted: (order, lots, price) => this.permitted(order, lots, Rational.parse(price)),
      maker: (closed, n) => {
        const others = liveTraders.filter((one) => one !== closed);
        return this.finishing ? deep : (others[Number(n % BigInt(others.length))] as string);
      },
    });
    for (const id of instruments) this.mark[id] = this.base[this.baseOf(id)] as number;
  }

  begin({ wealth, fund }: LivePlot): void {
    this.frame([...assets], [...instruments]);
    for (const asset of ["USDT", "BTC"]) this.tell({ k: "fund", asset, amount: this.amount(asset, fund + 1) });
    liveTraders.forEach((account, at) => {
      const asset = assets[at % 3] as string;
      const usd = 10 ** (2.5 + (wealth[at] as number) / 400);
      this.tell({ k: "cash", account, asset, amount: this.amount(asset, usd) });
      this.tell({ k: "cash", account, asset: "BTC", amount: this.amount("BTC", usd / 2) });
    });
  }

  /** Everything that has traded comes in, everything asked for is carried out and told; what is left over then is stuck. */
  finish(): string[] {
    this.finishing = true;
    this.tell({ k: "frame", quality: Object.fromEntries([...instruments, ...assets].map((id) => [id, "good"])) });
    for (const halt of this.halted.values()) this.tell({ ...halt, state: "normal", reason: "over" });
    for (const asset of assets) this.tell({ k: "cash", account: deep, asset, amount: this.amount(asset, 1e13) });
    let quiet = 0;
    while (quiet < quietMax) {
      if (this.goOn()) continue;
      if (this.stuck().length === 0) break;
      quiet += 1;
      this.live.t += 3_600_000;
      this.tell({ k: "time" });
      if (this.expired) this.tell({ k: "settle", instrument: dated });
    }
    // A fund that has enough pays what was parked.
    for (const asset of assets) this.tell({ k: "fund", asset, amount: this.amount(asset, 1e13) });
    const parked = this.live.engine.machine.parked.size;
    return [...this.stuck(), ...(parked > 0 ? [`${parked} debts stay parked`] : [])];
  }

  /** Delivers or carries out one thing; false: there is none. */
  private goOn(): boolean {
    const next = this.venue.takeHalf(0) ?? this.venue.takeReport(0);
    if (next !== undefined) {
      this.tell(next);
      return true;
    }
    const [effect] = this.venue.unanswered(this.live.engine.openEffects());
    if (effect === undefined) return false;
    this.venue.serve(effect, wellServed);
    return true;
  }

  /** What should be over. A pool in stage 2 that no closing would help waits for better prices. */
  private stuck(): string[] {
    const { machine } = this.live.engine;
    const sagas = [...machine.sagas.values()]
      .filter((one) => one.effect !== null || one.state !== "partial")
      .map((one) => `saga ${one.id} of ${machine.accountName(one.account)} is ${one.state}`);
    const effects = this.live.engine.openEffects().map((one) => `${one.effect} ${one.id} is open`);
    const open = this.expired && machine.book.longLots(machine.book.instrumentIndex(dated)) !== 0n;
    return [...sagas, ...effects, ...(open ? ["positions are open that have expired"] : [])];
  }

  private baseOf(instrument: string): string {
    return this.document.instruments.find((one) => one.id === instrument)?.base ?? "BTC";
  }

  private frame(index: readonly string[], marks: readonly string[]): void {
    this.tell({
      k: "frame",
      index: Object.fromEntries(index.map((id) => [id, fixed(this.base[id] as number, 6)])),
      mark: Object.fromEntries(marks.map((id) => [id, fixed(this.mark[id] as number)])),
    });
  }

  private amount(asset: string, usd: number): string {
    const quantum = Rational.parse(this.document.assets.find((one) => one.id === asset)?.quantum ?? "0.000001");
    const exact = Rational.parse(fixed(usd / (this.base[asset] as number), 12)).floorTo(quantum);
    return (exact.isZero() ? quantum : exact).toStringDown();
  }

  private lot(instrument: string): Rational {
    return Rational.parse(this.document.instruments.find((one) => one.id === instrument)?.lot ?? "1");
  }

  private contracts(instrument: string, usd: number): string {
    const rules = this.document.instruments.find((one) => one.id === instrument);
    const lot = this.lot(instrument);
    const price = rules?.kind === "linear" ? (this.mark[instrument] as number) : 1;
    const worth = price * Number(rules?.multiplier ?? "1") * lot.toNumber();
    return lot.times(Rational.ofInteger(BigInt(Math.max(1, Math.round(usd / worth))))).toStringDown();
  }

  /** What limit and budget of a closing order leave of so many lots at one price. */
  private permitted({ instrument: id, side, limit, backing }: Close, lots: bigint, price: Rational): bigint {
    const { book } = this.live.engine.machine;
    const number = book.instrumentIndex(id);
    const bound = limit === null ? price : exact(limit);
    if (side === "sell" ? price.below(bound) : price.above(bound)) return 0n;
    if (backing === null) return lots;
    const instrument = book.instrumentRules(number);
    const { quantum } = book.assetRules(book.settleIndex(number));
    const held = side === "sell" ? ("long" as const) : ("short" as const);
    const close = { instrument, side: held, bankruptcyPrice: exact(backing.reference), price, quantum };
    return fundedLots(close, lots, exact(backing.budget));
  }

  step(one: LiveDraw): void {
    this.live.t += one.kind === "time" ? 60_000 * (one.size + 1) : one.size % 7;
    const instrument = instruments[one.what % 4] as string;
    switch (one.kind) {
      case "trade":
        return this.trade(one, instrument);
      case "deliver":
        return this.deliver(one.size);
      case "serve":
        return this.serve(one);
      case "report":
        return this.report(one.size);
      case "again":
        return this.maybe(this.venue.again(one.size, one.turn < 0 ? 1 + (one.size % 3) : 0));
      case "stray":
        return this.stray(one);
      case "order":
      case "amend":
        return this.order(one, liveTraders[one.who] as string, instrument);
      case "cancel":
        return this.tell({ k: "cancel", account: liveTraders[one.who] as string, id: this.venue.anyOrder(one.size) });
      case "crash":
        return this.crash(one, 1 + (one.turn / 1000) * 0.6);
      case "tick":
        return this.crash(one, 1 + one.turn / 20_000);
      case "time":
        return this.tell({ k: "time" });
      default:
        return this.money(one, instrument);
    }
  }

  private money(one: LiveDraw, instrument: string): void {
    const [account, other] = [liveTraders[one.who] as string, liveTraders[one.other] as string];
    const asset = assets[one.what % 4] as string;
    const amount = this.amount(asset, one.size * 10 + 1);
    switch (one.kind) {
      case "deposit":
        return this.tell({ k: "cash", account, asset, amount });
      case "withdraw":
        return this.tell({ k: "cash", account, asset, amount: `-${amount}` });
      case "transfer":
        return this.tell({ k: "transfer", from: account, to: other, asset, amount });
      case "fund":
        return this.tell({ k: one.turn < 0 ? "house" : "fund", asset, amount });
      case "convert":
        return this.tell({ k: "convert", account });
      case "mode": {
        const mode = one.turn < 0 ? "isolated" : "cross";
        return this.tell({ k: "mode", account, instrument, mode, leverage: String(1 + (one.size % 20)) });
      }
      case "margin": {
        const settle = this.document.instruments.find((each) => each.id === instrument)?.settle ?? "USDT";
        const sign = one.turn < 0 ? "-" : "";
        return this.tell({ k: "margin", account, instrument, amount: `${sign}${this.amount(settle, one.size + 1)}` });
      }
      default:
        return this.rarer(one, account, instrument);
    }
  }

  private rarer(one: LiveDraw, account: string, instrument: string): void {
    switch (one.kind) {
      case "funding":
        return this.tell({ k: "funding", instrument, rate: fixed((one.turn / 1000) ** 3 / 20, 9) });
      case "settle":
        return this.tell({ k: "settle", instrument });
      case "expire":
        if (this.expired) return;
        this.expired = true;
        return this.tell({ k: "expire", instrument: dated, price: fixed(this.mark[dated] as number) });
      case "halt":
        return this.halt(one, account, instrument);
      case "rules":
        this.document = (ruleVariants[one.size % ruleVariants.length] as (typeof ruleVariants)[number])(this.first);
        return this.tell({ k: "rules", document: this.document });
      case "quality": {
        const quality = (["good", "stale", "disputed", "good"] as const)[one.size % 4] as "good";
        return this.tell({ k: "frame", quality: { [instrument]: quality } });
      }
      case "session":
        return this.tell({ k: "session", session: one.turn < 0 ? "day" : "week", start: one.size });
      case "attest":
        return this.tell({ k: "attest", from: one.size, to: one.size + 2000, positions: [["a", instrument, "1"]] });
      case "refused":
        return this.refused(account);
      default:
        if (this.restarts) this.live.restart();
    }
  }

  private maybe(body: EntryBody | undefined): void {
    if (body !== undefined) this.tell(body);
  }

  /** One half comes at once, the other whenever it is delivered. */
  private trade(one: LiveDraw, instrument: string): void {
    // Of an expired instrument something trades now and then: the matching engine has not heard of it yet.
    if (this.expired && instrument === dated && one.size % 10 > 0) return;
    const price = fixed((this.mark[instrument] as number) * (1 + one.turn / 200_000));
    const qty = this.contracts(instrument, 10 ** (2 + one.size / 330));
    const taker = [liveTraders[one.who] as string, one.turn < 0 ? "sell" : "buy"] as const;
    this.venue.trade(instrument, qty, price, taker, liveTraders[one.other] as string);
    this.deliver(this.venue.halves.length - 2);
    if (one.size % 3 > 0) this.deliver(this.venue.halves.length - 1);
  }

  private deliver(place: number): void {
    this.maybe(this.venue.takeHalf(place));
  }

  private report(place: number): void {
    this.maybe(this.venue.takeReport(place));
  }

  /** Something that was asked for is carried out; half of the time its answer follows at once. */
  private serve(one: LiveDraw): void {
    const asked = this.venue.unanswered(this.live.engine.openEffects());
    const effect = asked[one.size % Math.max(1, asked.length)];
    if (effect === undefined) return this.report(one.size);
    const share = one.other / 4;
    // An order that is withdrawn: the venue may say so before it answers, and a word that it is gone changes nothing then.
    if (effect.effect === "withdraw" && share > 0.5)
      this.tell({ k: "cancel", account: effect.account, id: effect.order });
    // All of a scope: each of its orders is gone before that is said.
    if (effect.effect === "cancel_all")
      for (const { account, id } of this.live.ordersOf(effect)) this.tell({ k: "cancel", account, id });
    const sloppy = one.what > 5;
    this.venue.serve(effect, { share, tooMuch: one.what === 7 ? 1 : 0, off: one.turn, obeys: !sloppy });
    if (one.size % 2 === 0) this.report(this.venue.reports.length - 1);
  }

  /** An answer to what nobody asked for, or of another kind than was asked for. */
  private stray(one: LiveDraw): void {
    const open = this.live.engine.openEffects();
    const effect = open[one.size % Math.max(1, open.length)];
    const id = effect?.id ?? `${one.size}-${one.other}-1`;
    const answers: readonly EntryBody[] = [
      { k: "blocked", effect: id },
      { k: "withdrawn", effect: id },
      { k: "cancelled", effect: id, orders: 0 },
      { k: "resumed", effect: id },
      { k: "closed", effect: id, fills: [], exhausted: true },
    ];
    const right = effect === undefined ? "" : answerTo[effect.effect];
    const wrong = answers.filter((each) => each.k !== right);
    this.maybe(wrong[one.other % wrong.length]);
  }

  /** A command that cannot be carried out changes nothing; its mark takes its place in the order. */
  private refused(account: string): void {
    const before = this.live.engine.stateHash();
    const refusal = ((): unknown => {
      try {
        return this.live.apply({ k: "cash", account, asset: "DOGE", amount: "1" });
      } catch (error) {
        return error;
      }
    })();
    demand(refusal instanceof EntryRefused, () => "a command of an unknown asset is carried out");
    demand(this.live.engine.stateHash() === before, () => "INV-09 a refused command changes the state");
    this.tell({ k: "refused", of: "cash", code: refusal.code, what: refusal.what });
  }

  private halt(one: LiveDraw, account: string, instrument: string): void {
    const states = ["normal", "reduce_only", "no_new_orders", "cancel_all", "paused"] as const;
    const scopes = [
      { scope: "global" },
      { scope: "instrument", id: instrument },
      { scope: "account", id: account },
      { scope: "entity", id: "one" },
    ] as const;
    const where = scopes[one.size % 4] as (typeof scopes)[number];
    const halt = { k: "halt", ...where, state: states[one.other % 5] as "normal", reason: "drill" } as const;
    this.halted.set(JSON.stringify(where), halt);
    this.tell(halt);
  }

  private order(one: LiveDraw, account: string, instrument: string): void {
    const id = one.kind === "order" ? this.venue.nextOrder() : this.venue.anyOrder(one.size);
    const price = one.other === 5 ? {} : { price: fixed((this.mark[instrument] as number) * (1 + one.turn / 20_000)) };
    const until = this.live.t + (one.size % 5 === 0 ? -1 : 500);
    const approval = one.size % 7 === 0 ? {} : { approval: { request: `r${id}`, epoch: 1, until } };
    const qty = this.contracts(instrument, one.size + 1);
    const side = one.turn < 0 ? "sell" : "buy";
    this.tell({ k: "order", account, id, instrument, side, qty, ...price, ...approval, reduceOnly: one.other === 0 });
  }

  private crash(one: LiveDraw, factor: number): void {
    const base = one.what < 4 ? "BTC" : "ETH";
    const bounded = (value: number): number => Math.min(Math.max(value, 1), 1e7);
    const price = bounded((this.base[base] as number) * factor);
    this.base[base] = price;
    const moved = instruments.filter((id) => this.baseOf(id) === base);
    for (const id of moved) this.mark[id] = price;
    this.frame([base], moved);
  }
}
