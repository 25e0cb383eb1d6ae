import { Rational } from "#libs/decimal/index.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { noteFrame } from "../activity.ts";
import { judgeBreakers } from "../breaker-windows.ts";
import { haircutReceipt } from "../receipts.ts";
import { notional } from "#libs/domain/positions/value.ts";
import { bookable, contractsOf } from "../amounts.ts";
import { openLots } from "../pools.ts";
import { noRankings } from "../adl-ranking.ts";
import { watchBreaches } from "../breach-watch.ts";
import { watchLosses } from "../loss-watch.ts";
import type { Machine } from "../machine.ts";

/** A frame that moves any price by more than this share is followed by an exact scan of every pool (self-audit). */
const farMove = 0.02;

type FrameBody = Extract<EntryBody, { k: "frame" }>;

/**
 * MARK-19: a frame is applied at once: every price, haircut and quality first, then each factor that moved pops the pools whose
 * safe band it left, then breakers look at it. Whoever was popped is judged at the look that follows.
 */
export function applyFrame(machine: Machine, entry: FrameBody): void {
  const { book } = machine;
  const { market } = book;
  machine.frame += 1;
  machine.rankings = noRankings(machine.frame);
  machine.changedPools = new Map();
  const moved: number[] = [];
  const tell = (factor: number, set: () => void): void => {
    const before = market.factors[factor] as number;
    set();
    const change = (market.factors[factor] as number) / before - 1;
    if (Math.abs(change) > farMove) machine.movedFar = true;
    moved.push(factor);
  };
  for (const [id, price] of Object.entries(entry.index ?? {})) {
    const asset = book.assetIndex(id);
    tell(market.indexFactor(asset), () => market.setIndexPrice(asset, Rational.parse(price), machine.t));
  }
  for (const [id, price] of Object.entries(entry.mark ?? {})) {
    const instrument = book.instrumentIndex(id);
    if (!storable(machine, instrument, Rational.parse(price))) {
      machine.fact("price.refused", { id, price, codes: ["out_of_range"] });
      continue;
    }
    tell(market.markFactor(instrument), () => market.setMarkPrice(instrument, Rational.parse(price), machine.t));
  }
  applyHaircuts(machine, entry, moved);
  applyQualities(machine, entry);
  for (const [id, input] of Object.entries(entry.inputs ?? {})) machine.priceInputs.set(id, { t: machine.t, input });
  rememberGood(machine, entry);
  for (const factor of moved) machine.factorMoved(factor);
  noteFrame(machine, entry);
  judgeBreakers(machine, Object.keys(entry.index ?? {}));
  watchLosses(machine);
  watchBreaches(machine);
}

/** NUM-07: whether every open position could be closed at a mark: what could not be booked is no price. */
function storable(machine: Machine, instrument: number, mark: Rational): boolean {
  const { book } = machine;
  const rules = machine.instrument(instrument);
  const { quantum } = book.assetRules(book.settleIndex(instrument));
  const open = contractsOf(rules, openLots(machine, instrument));
  return bookable(notional(rules, open, mark).floorIn(quantum));
}

function applyHaircuts(machine: Machine, entry: FrameBody, moved: number[]): void {
  const { market } = machine.book;
  for (const [id, haircut] of Object.entries(entry.haircut ?? {})) {
    const asset = machine.book.assetIndex(id);
    const before = { initial: market.haircutInitial(asset), maintenance: market.haircutMaintenance(asset) };
    market.setHaircuts(asset, Rational.parse(haircut.initial), Rational.parse(haircut.maintenance));
    moved.push(market.haircutFactor(asset));
    const seq = machine.fact("haircut.changed", {
      asset: id,
      initial: haircut.initial,
      maintenance: haircut.maintenance,
      before: { initial: before.initial.toStringUp(), maintenance: before.maintenance.toStringUp() },
    });
    haircutReceipt(machine, seq, id, before, haircut);
  }
}

function applyQualities(machine: Machine, entry: FrameBody): void {
  const { book } = machine;
  for (const [id, quality] of Object.entries(entry.quality ?? {})) {
    const asset = book.assetIndex(id);
    const instrument = book.instrumentIndex(id);
    if (instrument >= 0) {
      if (book.market.instrumentQuality(instrument) !== quality) machine.fact("price.quality", { id, quality });
      book.market.setInstrumentQuality(instrument, quality, machine.t);
    } else if (asset >= 0) {
      if (book.market.assetQuality(asset) !== quality) machine.fact("price.quality", { id, quality });
      book.market.setAssetQuality(asset, quality, machine.t);
    }
  }
}

/** Keeps the last good price of everything the frame speaks of: what a doubtful price is measured against. */
function rememberGood(machine: Machine, entry: FrameBody): void {
  const { book } = machine;
  const named = new Set([
    ...Object.keys(entry.index ?? {}),
    ...Object.keys(entry.mark ?? {}),
    ...Object.keys(entry.quality ?? {}),
  ]);
  for (const id of named) {
    const instrument = book.instrumentIndex(id);
    const asset = book.assetIndex(id);
    const price =
      instrument >= 0 ? book.market.markPrice(instrument) : asset >= 0 ? book.market.indexPrice(asset) : null;
    const quality = instrument >= 0 ? book.market.instrumentQuality(instrument) : book.market.assetQuality(asset);
    if (price !== null && quality === "good") machine.lastGood.set(id, price);
  }
}
