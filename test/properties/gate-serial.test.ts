import fc from "fast-check";
import { expect, test } from "vitest";
import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import type { EntryBody, Fact } from "#libs/contracts/log.ts";
import { Rational } from "#libs/decimal/index.ts";
import { evaluateCross } from "#libs/domain/health/evaluate.ts";
import { Engine, Gate } from "#libs/engine/index.ts";
import { type RaceAction, raceActions, raceCash, raceRules } from "#test/support/gate-race.ts";
import { LiveLog } from "#test/support/live-run.ts";
import { propertyOptions } from "#test/support/property.ts";

const ttlMs = 500;
const traders = ["alice", "bob"] as const;

/** An order that was let in: what is left of it, and whether the matching engine has said that it rests. */
interface Open {
  readonly account: string;
  readonly request: string;
  readonly order: OrderTerms;
  left: Rational;
  rests: boolean;
  readonly endsAt: number;
}

/**
 * A shard behind a matching engine with its gate, where questions are answered before the book knows of any order, and beside it
 * the same history in one serial order: an exchange on which every order is checked exactly by the log itself and rests at once.
 */
class Both {
  readonly live = new LiveLog(raceRules);
  readonly gate = new Gate(this.live.engine, { ttlMs });
  readonly serial = Engine.create(raceRules, { venue: "simulated" });
  open: Open[] = [];
  now = 0;
  readonly counts = { accepted: 0, refused: 0, inFlight: 0 };
  #named = 0;

  constructor(cash: number) {
    this.apply({ k: "frame", index: { USDT: "1", BTC: "100" }, mark: { X: "100", Y: "100" } });
    this.apply({ k: "cash", account: "alice", asset: "USDT", amount: String(cash) });
    this.apply({ k: "cash", account: "bob", asset: "USDT", amount: "500" });
    this.apply({ k: "cash", account: "maker", asset: "USDT", amount: "100000000" });
  }

  get calm(): boolean {
    return this.live.engine.machine.sagas.size + this.serial.machine.sagas.size === 0;
  }

  /** What both of them are told alike. */
  private apply(body: EntryBody): void {
    this.tell(body);
    this.serially(body);
  }

  private tell(body: EntryBody): void {
    this.live.apply(body);
    const entry = this.live.log.at(-1);
    if (entry !== undefined) this.gate.applied(entry, this.now);
  }

  private serially(body: EntryBody): readonly Fact[] {
    return this.serial.apply({ ...body, t: 0 }).facts;
  }

  step(one: RaceAction): void {
    if (one.do === "check") this.ask({ ...one.wish, price: one.wish.price });
    else if (one.do === "confirm") this.confirm(one.which);
    else if (one.do === "fill" || one.do === "match") this.fill(one.which, Rational.ofInteger(one.qty));
    else if (one.do === "cancel") this.cancel(one.which);
    else if (one.do === "frame") this.apply({ k: "frame", mark: { [one.instrument]: String(one.price) } });
    else if (one.do === "wait") this.wait(one.ms);
    else if (one.do === "halt" && one.state !== "cancel_all" && one.state !== "paused") {
      const where = one.global ? { scope: "global" as const } : { scope: "account" as const, id: one.account };
      this.apply({ k: "halt", ...where, state: one.state, reason: "drill" });
    }
    this.giveUpUncovered();
  }

  /** A reduce-only order that a fill has left uncovered is gone from both books; in flight the matching engine gives it up too. */
  private giveUpUncovered(): void {
    const gone = this.open.filter(({ account, order }) => !orderRests(this.serial, account, order.id));
    for (const { account, order, request, rests } of gone)
      if (!rests) this.tell({ k: "cancel", account, id: order.id, request });
    this.open = this.open.filter((one) => !gone.includes(one));
  }

  private ask(wish: Extract<RaceAction, { do: "check" }>["wish"]): void {
    this.#named += 1;
    const { account, price, qty, ...rest } = wish;
    const order = {
      ...rest,
      id: `o${this.#named}`,
      qty: String(qty),
      ...(price === null ? {} : { price: String(price) }),
    };
    const request = `q${this.#named}`;
    const { decision, codes } = this.gate.check({ request, account, order }, this.now);
    const [fact] = this.serially({ k: "order", account, ...order });
    expect([fact?.fact, ...((fact?.["codes"] ?? []) as string[])]).toEqual([
      decision === "accept" ? "order.accepted" : "order.rejected",
      ...codes,
    ]);
    if (this.open.some((one) => !one.rests)) this.counts.inFlight += 1;
    this.counts[decision === "accept" ? "accepted" : "refused"] += 1;
    if (decision !== "accept") return;
    const left = Rational.parse(order.qty);
    this.open.push({ account, request, order, left, rests: false, endsAt: this.now + 3 * ttlMs });
  }

  /** The oldest order in flight of an account rests: the matching engine takes orders of one account in their order. */
  private confirm(which: number): void {
    const account = traders[which % traders.length];
    const oldest = this.open.find((one) => one.account === account && !one.rests);
    if (oldest === undefined) return;
    oldest.rests = true;
    const { order, request, left } = oldest;
    const approval = { request, epoch: 1, until: 0 };
    this.tell({ k: "order", account: oldest.account, ...order, qty: left.toStringDown(), approval });
  }

  private chosen(which: number): Open | undefined {
    return this.open[which % (this.open.length || 1)];
  }

  private fill(which: number, most: Rational): void {
    const chosen = this.chosen(which);
    if (chosen === undefined) return;
    const { account, order, request, rests } = chosen;
    const { instrument, side } = order;
    const filled = Rational.min(most, chosen.left);
    chosen.left = chosen.left.minus(filled);
    this.open = this.open.filter((one) => !one.left.isZero());
    const price = order.price ?? this.live.engine.machine.market.mark(instrument).toStringDown();
    this.#named += 1;
    const common = { trade: `t${this.#named}`, instrument, qty: filled.toStringDown(), price };
    const about = { order: order.id, ...(rests ? {} : { request }) };
    this.tell({ k: "fill", ...common, account, side, liquidity: "taker", ...about });
    const other = side === "buy" ? ("sell" as const) : ("buy" as const);
    this.tell({ k: "fill", ...common, account: "maker", side: other, liquidity: "maker", order: "m" });
    const [buyer, seller] = side === "buy" ? [account, "maker"] : ["maker", account];
    const own = side === "buy" ? { buyOrder: order.id } : { sellOrder: order.id };
    const { trade: _, ...terms } = common;
    this.serially({ k: "trade", ...terms, buyer, seller, taker: side, ...own });
  }

  private cancel(which: number): void {
    const chosen = this.chosen(which);
    if (chosen === undefined) return;
    this.open = this.open.filter((one) => one !== chosen);
    const { account, order, request, rests } = chosen;
    this.tell({ k: "cancel", account, id: order.id, ...(rests ? {} : { request }) });
    this.serially({ k: "cancel", account, id: order.id });
  }

  /** What was approved and never used is given up. */
  private wait(ms: number): void {
    this.now += ms;
    this.gate.age(this.now);
    const over = (one: Open): boolean => !one.rests && this.now >= one.endsAt;
    for (const { account, order } of this.open.filter(over)) this.serially({ k: "cancel", account, id: order.id });
    this.open = this.open.filter((one) => !over(one));
  }

  /** What rests and what is in flight is the same of both. */
  compare(): void {
    for (const account of traders) {
      const resting = restingOn(this.live.engine, account);
      const held = this.gate.reservations(account).map(({ order, qty }) => `${order} ${qty}`);
      expect([...resting, ...held]).toEqual(restingOn(this.serial, account));
    }
  }

  /** And so it needs the same, to the last digit. */
  compareMargins(): void {
    const { machine } = this.serial;
    for (const account of traders) {
      const view = machine.book.crossView(machine.book.findAccount(account));
      const { im, initialEquity } = evaluateCross(view, machine.market, machine.rules);
      const { before } = this.gate.whatIf({ request: "w", account }, this.now);
      expect([before?.im, before?.initialEquity]).toEqual([im.toStringUp(), initialEquity.toStringDown()]);
    }
  }
}

const restingOn = ({ machine: { book } }: Engine, account: string): string[] =>
  book.crossView(book.findAccount(account)).orders.map(({ id, qty }) => `${id} ${qty.toStringDown()}`);

const orderRests = ({ machine: { book } }: Engine, account: string, id: string): boolean =>
  book.findOrder(book.findAccount(account), id) !== undefined;

test("INV-10 in any interleaving the gate accepts what the log's own check accepts in one serial order, and holds what that exchange needs", () => {
  const counts = { accepted: 0, refused: 0, inFlight: 0 };
  fc.assert(
    fc.property(raceCash, raceActions, (cash, actions) => {
      const both = new Both(cash);
      for (const one of actions) {
        if (!both.calm) break;
        both.step(one);
        if (both.calm) both.compare();
      }
      if (both.calm) both.compareMargins();
      for (const what of ["accepted", "refused", "inFlight"] as const) counts[what] += both.counts[what];
    }),
    propertyOptions({ numRuns: 100 }),
  );
  // Both answers must have come up often, and with others in flight, or the agreement would say little.
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(100);
});
