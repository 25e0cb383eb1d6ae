import { keySays } from "#libs/domain/limits/subject.ts";
import { nearestFloat } from "../floats.ts";
import { gateOfName } from "../gates.ts";
import type { Machine } from "../machine.ts";
import { type CertainQuestion, limited, liquid } from "./certain-checks.ts";
import { Correlations } from "./certain-correlation.ts";
import { Holdings } from "./certain-holdings.ts";
import { CertainFigures, type Figures, unlimited } from "./certain-limits.ts";
import { type CertainInstrument, least, room, termsMax } from "./certain-rules.ts";

/** More lots may not be bookable (NUM-07). */
const mostLots = 1e33;

/**
 * Says yes to a new order only where `judge` finds no reason against it, and is silent otherwise. It reads the float mirrors of
 * the book: equity from below, initial margin and notionals from above, each with more room than floats can lose
 * (docs/float-bounds.md), so that nearly every order is approved without a single view or fraction of its account.
 */
export class Certain {
  readonly #machine: Machine;
  readonly #holdings: Holdings;
  readonly #figures: CertainFigures;
  readonly #correlations: Correlations;
  #version = -1;
  /** What binds the account, by instrument, and what binds it on the order's. */
  #byInstrument: (Figures | undefined)[] = [];
  #on: Figures | null = null;
  /** The API key, if it says something. */
  #key: string | null = null;
  /** The order's size and limit. */
  #size = 0;
  #limit = 0;
  /** The order certainly does no more than shrink the position. */
  #shrinks = false;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#figures = new CertainFigures(machine);
    this.#holdings = new Holdings(machine);
    this.#correlations = new Correlations(machine);
  }

  /** Whether the order certainly passes while the gate is open to all. */
  passes(question: CertainQuestion): boolean {
    const { compiled: now, book } = this.#machine;
    if (this.#version !== now.version) {
      this.#version = now.version;
      this.#holdings.restart();
      this.#figures.forget();
    }
    const { account, held, instrument, order } = question;
    const compiled = this.#holdings.rules.instruments[instrument];
    if (compiled?.usable !== true || held.length + book.orders(account).length >= termsMax) return false;
    if (!this.#permitted(question) || !this.#wellFormed(question, compiled)) return false;
    if (!this.#holdings.of(account, held)) return false;
    if (this.#holdings.isApproved(order.id) || book.findOrder(account, order.id) !== undefined) return false;
    const limit = order.price === null ? NaN : this.#limit;
    const passes =
      this.#holdings.try(order, instrument, order.side === "buy", this.#size, limit) &&
      this.#withinLimits(question, compiled) &&
      this.#covered(question) &&
      this.#limited(question, compiled);
    if (!passes) this.#holdings.takeBack();
    return passes;
  }

  /** No breaker, no liquidation, no expiry, good prices of what is asked for. */
  #permitted({ name, account, instrument, order, key }: CertainQuestion): boolean {
    const machine = this.#machine;
    const { book } = machine;
    if (account < 0 || book.isSystem(account) || order.reduceOnly || machine.auditFailure !== null) return false;
    const says = key !== null && keySays(machine.rules.hierarchy, name, key) ? key : null;
    this.#key = says;
    this.#byInstrument = this.#figures.of(account, name, says);
    this.#on = this.#figures.on(this.#byInstrument, name, says, instrument);
    // Whom a sale makes short is left to the exact check where that is not free.
    if (!this.#on.usable || (order.side === "sell" && order.instrument.shorting !== "free")) return false;
    if (machine.halts.length > 0) {
      const gate = gateOfName(machine, name, order.instrument.id);
      if (!gate.permits("open_risk") || gate.reduceOnlyMarkNeeded) return false;
    }
    if (machine.closedInstruments.has(instrument) || machine.liquidating(book.crossPool(account))) return false;
    const row = book.findRow(account, instrument);
    if (row >= 0 && machine.liquidating(book.poolOf(row))) return false;
    return book.market.instrumentQuality(instrument) === "good";
  }

  /** Its quantity and price are as the instrument demands. */
  #wellFormed({ order }: CertainQuestion, compiled: CertainInstrument): boolean {
    const { qty, price } = order;
    const { lot, tick } = compiled.rules;
    if (qty.sign <= 0 || !qty.isMultipleOf(lot)) return false;
    if (price !== null && (price.sign <= 0 || (tick !== null && !price.isMultipleOf(tick)))) return false;
    const contracts = nearestFloat(qty);
    const mark = this.#machine.book.market.factors[compiled.markFactor] as number;
    this.#size = contracts * compiled.multiplier;
    this.#limit = price === null ? mark : nearestFloat(price);
    if (!(this.#size < mostLots * compiled.lotSize)) return false;
    if (!(compiled.worth(this.#size, this.#limit) * least >= compiled.minNotional)) return false;
    if (!(Math.abs(this.#limit - mark) + room * (this.#limit + mark) <= compiled.band * mark)) return false;
    return contracts * (1 + room) <= (this.#on as Figures).by.maxOrderQty;
  }

  /** What the position that it leads to may be. */
  #withinLimits({ instrument, order }: CertainQuestion, compiled: CertainInstrument): boolean {
    const { size, buy, sell, instruments } = this.#holdings;
    const position = size[instrument] as number;
    const buys = order.side === "buy";
    const reached = buys ? position + (buy[instrument] as number) : (sell[instrument] as number) - position;
    const doubt = room * (Math.abs(position) + Math.abs(reached));
    // What certainly leaves the position on the side where it is only shrinks it: no limit is met (LIM-11).
    this.#shrinks = reached < -doubt;
    if (this.#shrinks) return true;
    const far = Math.max(0, reached) + doubt;
    const { by } = this.#on as Figures;
    const { multiplier } = compiled;
    const most = Math.min((buys ? by.maxLong : by.maxShort) * multiplier, by.maxPosition * multiplier);
    if (!(far <= most)) return false;
    if (by.maxOpenInterest !== Infinity || by.maxOpenInterestShare !== Infinity) {
      const interest = compiled.interest(this.#machine.book.longLots(instrument)) + this.#size;
      if (!(interest * (1 + room) <= by.maxOpenInterest * multiplier)) return false;
      if (by.maxOpenInterestShare !== Infinity && !(far <= interest * by.maxOpenInterestShare * least)) return false;
    }
    if (!(far <= liquid(this.#machine, instrument, by) * multiplier)) return false;
    return position !== 0 || instruments.length <= by.maxOpenPositions;
  }

  /** Leverage by instrument and in all, and the whole requirement from above, against equity. */
  #covered({ name }: CertainQuestion): boolean {
    const { by } = this.#on as Figures;
    const { instruments, used, needed, equity } = this.#holdings;
    let notionals = 0;
    let needs = 0;
    for (const instrument of instruments) {
      const notional = used[instrument] as number;
      const figures =
        this.#byInstrument[instrument] ?? this.#figures.on(this.#byInstrument, name, this.#key, instrument);
      if (notional > 0 && !(notional <= figures.by.maxInstrumentLeverage * equity * least)) return false;
      notionals += notional;
      needs += needed[instrument] as number;
    }
    if (notionals > 0 && !(notionals <= by.maxLeverage * equity * least)) return false;
    return notionals * (1 + room) <= by.maxNotionalUsd && needs * (1 + room) <= equity * least;
  }

  /** Every limit that leans on more than the order's own instrument and the requirement. */
  #limited(question: CertainQuestion, compiled: CertainInstrument): boolean {
    const { by, leans } = this.#on as Figures;
    if ((this.#shrinks || !leans) && question.stop === null) return true;
    return limited(
      this.#machine,
      this.#correlations,
      question,
      compiled,
      this.#shrinks ? unlimited : by,
      this.#holdings,
    );
  }
}
