import { Rational } from "#libs/decimal/index.ts";
import type { Effect, Fill, OutcomeEntry } from "#libs/contracts/log.ts";
import { sliceQty } from "#libs/domain/liquidation/full.ts";
import { fundedLots, topUp } from "#libs/domain/liquidation/fund-backed.ts";
import { type ClosedSide, noWorse } from "#libs/domain/liquidation/limits.ts";
import type { InstrumentRules } from "#libs/domain/rule-set/types.ts";
import type { Engine } from "#libs/engine/index.ts";

export type Liquidity = "mark" | "depth" | "none";

interface Level {
  readonly price: Rational;
  qty: Rational;
}

/** One side each: what stands there, best first. */
interface SimulatedBook {
  readonly bids: Level[];
  readonly asks: Level[];
}

type CloseEffect = Extract<Effect, { effect: "close" }>;

interface Request {
  readonly instrument: InstrumentRules;
  readonly side: ClosedSide;
  readonly qty: Rational;
  readonly limit: Rational | null;
  readonly share: Rational | null;
  readonly backing: { readonly reference: Rational; readonly budget: Rational } | null;
  readonly quantum: Rational;
  readonly whenDeep: boolean;
}

/**
 * A venue that answers the engine's effects at once: closing orders fill at mark, against books that are given and consumed, or
 * not at all. It slices by the depth it sees, as a matching engine would; books stay out of the log.
 */
export class SimulatedVenue {
  readonly #engine: Engine;
  readonly #liquidity: Liquidity | null;
  readonly #books = new Map<string, SimulatedBook>();

  /** `liquidity` null: as the rules in force say. */
  constructor(engine: Engine, liquidity: Liquidity | null) {
    this.#engine = engine;
    this.#liquidity = liquidity;
  }

  /** What stands on a book from now on: `[price, contracts]` as decimal strings, best first. */
  setDepth(
    instrument: string,
    bids: readonly (readonly [string, string])[],
    asks: readonly (readonly [string, string])[],
  ): void {
    const levels = (side: readonly (readonly [string, string])[]): Level[] =>
      side.map(([price, qty]) => ({ price: Rational.parse(price), qty: Rational.parse(qty) }));
    this.#books.set(instrument, { bids: levels(bids), asks: levels(asks) });
  }

  /** What becomes of an effect; null: it asks for nothing (its order has filled or gone already). */
  answer(effect: Effect): OutcomeEntry | null {
    if (effect.effect === "cancel") return null;
    if (effect.effect === "block") return { k: "blocked", effect: effect.id };
    if (effect.effect === "withdraw") return { k: "withdrawn", effect: effect.id };
    if (effect.effect === "cancel_all") return { k: "cancelled", effect: effect.id, orders: 0 };
    if (effect.effect === "resume") return { k: "resumed", effect: effect.id };
    const { fills, exhausted } = this.#close(effect);
    return { k: "closed", effect: effect.id, fills, exhausted };
  }

  #close(effect: CloseEffect): { readonly fills: readonly Fill[]; readonly exhausted: boolean } {
    const liquidity = this.#liquidity ?? this.#engine.machine.rules.liquidity;
    if (liquidity === "none") return { fills: [], exhausted: true };
    const { market } = this.#engine.machine;
    const instrument = this.#engine.machine.rules.instruments.get(effect.instrument);
    if (instrument === undefined) return { fills: [], exhausted: true };
    const request: Request = {
      instrument,
      side: effect.side === "sell" ? "long" : "short",
      qty: Rational.parse(effect.qty),
      limit: effect.limit === null ? null : parsed(effect.limit),
      share: effect.depthShare === null ? null : Rational.parse(effect.depthShare),
      backing:
        effect.backing === null
          ? null
          : { reference: parsed(effect.backing.reference), budget: parsed(effect.backing.budget) },
      quantum: market.asset(instrument.settle).quantum,
      whenDeep: effect.whenDeep,
    };
    if (liquidity === "mark") {
      const level = { price: market.mark(instrument.id), qty: request.qty };
      return { fills: walk({ ...request, share: null }, [level]), exhausted: false };
    }
    const book = this.#books.get(instrument.id);
    const levels = (request.side === "long" ? book?.bids : book?.asks) ?? [];
    const fills = walk(request, levels);
    while (levels[0]?.qty.isZero()) levels.shift();
    return { fills, exhausted: levels.length === 0 };
  }
}

/** Engine amounts may have more digits than a border lets in; what comes from the engine is read as it is. */
function parsed(text: string): Rational {
  const [whole = "0", fraction = ""] = text.split(".");
  return Rational.ofUnits(BigInt(whole + fraction), fraction.length);
}

/** Fills from the best level on, within the limit, the share of what is seen there, and what the backing tops up. Consumes levels. */
function walk(request: Request, levels: Level[]): Fill[] {
  const { instrument, side, backing, quantum } = request;
  const within = levels.filter((level) => noWorse(side, level.price, request.limit));
  const seen = Rational.sum(within.map((level) => level.qty));
  if (request.whenDeep && seen.below(request.qty)) return [];
  let left = sliceQty(request.qty, seen, request.share, instrument.lot);
  let budget = backing?.budget ?? Rational.zero;
  const fills: Fill[] = [];
  for (const level of within) {
    if (left.isZero()) break;
    let qty = Rational.min(left, level.qty).floorTo(instrument.lot);
    if (backing !== null) {
      const close = { instrument, side, bankruptcyPrice: backing.reference, price: level.price, quantum };
      const lots = fundedLots(close, qty.floorIn(instrument.lot), budget);
      const funded = instrument.lot.times(Rational.ofInteger(lots));
      budget = budget.minus(topUp(close, funded));
      const cut = funded.below(qty);
      qty = funded;
      if (cut) left = qty;
    }
    if (qty.isZero()) break;
    level.qty = level.qty.minus(qty);
    left = left.minus(qty);
    fills.push({ qty: qty.toStringDown(), price: level.price.toStringDown() });
  }
  return fills;
}
