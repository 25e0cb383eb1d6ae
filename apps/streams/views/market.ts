import type {
  Halt,
  Funding,
  Fund,
  FundingData,
  FundData,
  HaltsData,
  Index,
  Mark,
  MarksData,
} from "#libs/contracts/stream/market.ts";
import { Rational } from "#libs/decimal/index.ts";
import { type HaltRecord, haltsAt } from "#libs/domain/breakers/halts.ts";
import { value } from "#libs/domain/positions/value.ts";
import { brakeRoom, drawdown, newFundState } from "#libs/domain/settlement/fund.ts";
import { contractsOf } from "#libs/engine/amounts.ts";
import type { Machine } from "#libs/engine/index.ts";
import { heldLong } from "#libs/engine/pools.ts";
import { insuranceAccount } from "#libs/engine/system-accounts.ts";
import type { Payment } from "../events.ts";
import type { LiveShard } from "../world.ts";

/** A shown amount read back digit by digit: it may be longer than a border lets in. */
export function shownAmount(text: string): Rational {
  const [whole = "0", fraction = ""] = text.split(".");
  return Rational.ofUnits(BigInt(whole + fraction), fraction.length);
}

/** Of one shard where all are told the same. */
const firstOf = (shards: readonly LiveShard[]): Machine => (shards[0] as LiveShard).engine.machine;

export function listedInstruments({ book }: Machine): number[] {
  return [...Array(book.instrumentCount).keys()].filter((one) => book.isInstrumentListed(one));
}
function listedAssets({ book }: Machine): number[] {
  return [...Array(book.assetCount).keys()].filter((one) => book.isAssetListed(one));
}

/** Prices come to every shard alike; what is open is added up. */
export function markRow(shards: readonly LiveShard[], instrument: string): Mark {
  const { book } = firstOf(shards);
  const number = book.instrumentIndex(instrument);
  const rules = book.instrumentRules(number);
  const price = book.market.markPrice(number);
  const open = Rational.sum(
    shards.map(({ engine: { machine } }) => {
      const own = machine.book.instrumentIndex(instrument);
      return own < 0 ? Rational.zero : contractsOf(rules, heldLong(machine, own));
    }),
  );
  const settle = book.market.indexPrice(book.settleIndex(number));
  const usd = price === null || settle === null ? null : value(rules, open, price).abs().times(settle);
  return {
    price: price?.toStringDown() ?? null,
    quality: book.market.instrumentQuality(number),
    at: book.market.instrumentPriceTime(number),
    index: rules.index,
    openInterest: open.toStringDown(),
    openInterestUsd: usd?.toStringDown() ?? null,
  };
}

export function markRows(shards: readonly LiveShard[]): Record<string, Mark> {
  const machine = firstOf(shards);
  const ids = listedInstruments(machine).map((one) => machine.instrument(one).id);
  return Object.fromEntries(ids.map((id) => [id, markRow(shards, id)]));
}

export function marksState(shards: readonly LiveShard[]): MarksData {
  const machine = firstOf(shards);
  const { market } = machine.book;
  const indices = listedAssets(machine).map((asset): [string, Index] => [
    machine.book.assetRules(asset).id,
    {
      price: market.indexPrice(asset)?.toStringDown() ?? null,
      quality: market.assetQuality(asset),
      at: market.assetPriceTime(asset),
      haircutInitial: market.haircutInitial(asset).toStringUp(),
      haircutMaintenance: market.haircutMaintenance(asset).toStringUp(),
    },
  ]);
  return { marks: markRows(shards), indices: Object.fromEntries(indices) };
}

export const haltKey = ({ scope, id, reason }: HaltRecord): string => [scope, id === "" ? "all" : id, reason].join(".");

export function haltRow({ scope, id, state, reason, manual, since, until }: HaltRecord): Halt {
  if (state === "normal") throw new RangeError("a halt that is over is none");
  return { scope, id: id === "" ? null : id, state, reason, manual, since, until };
}

/** `all`: also those of accounts and their owners, which are nobody else's business. */
export function haltsState(shards: readonly LiveShard[], all: boolean): HaltsData {
  const halts: Record<string, Halt> = {};
  for (const { engine } of shards) {
    const { halts: records, t, rules } = engine.machine;
    for (const one of haltsAt(records, t, rules.breakers))
      if (all || one.scope === "global" || one.scope === "instrument") halts[haltKey(one)] = haltRow(one);
  }
  return { halts };
}

export function fundingRow({ t, rules }: Machine, instrument: string, payments: ReadonlyMap<string, Payment>): Funding {
  const { funding, expiry } = instrumentRules(rules.instruments, instrument);
  const { intervalMs, interest, rateMax } = funding;
  return {
    intervalMs,
    nextAt: expiry === null ? (Math.floor(t / intervalMs) + 1) * intervalMs : null,
    interest: interest.toStringDown(),
    rateMax: rateMax.toStringDown(),
    last: payments.get(instrument) ?? null,
  };
}

function instrumentRules<T>(instruments: ReadonlyMap<string, T>, id: string): T {
  const rules = instruments.get(id);
  if (rules === undefined) throw new RangeError(`no instrument ${id} in the rules`);
  return rules;
}

export function fundingState(shards: readonly LiveShard[], payments: ReadonlyMap<string, Payment>): FundingData {
  const machine = firstOf(shards);
  const ids = listedInstruments(machine).map((one) => machine.instrument(one).id);
  return { funding: Object.fromEntries(ids.map((id) => [id, fundingRow(machine, id, payments)])) };
}

const eightHours = Rational.ofInteger(8);

/** One shard's tranche of a fund, exact. */
function tranche(machine: Machine, id: string) {
  const asset = machine.book.assetIndex(id);
  const { brake } = machine.rules.fund;
  const state = machine.fundStates.get(asset) ?? newFundState;
  const balance = machine.ledger.balance(insuranceAccount, asset);
  const held = Rational.max(balance, Rational.zero);
  return {
    balance,
    drawdown: drawdown(state, held, brake?.hours ?? eightHours, machine.t),
    braked: state.braked,
    room: brakeRoom(state, held, brake, machine.t),
    parked: machine.book.assetRules(asset).quantum.times(Rational.ofInteger(machine.parked.get(asset) ?? 0n)),
  };
}

/** Tranches add up; the drawdown is that of the tranche that is down furthest, since each stops by itself. */
function fundRow(shards: readonly LiveShard[], id: string): Fund {
  const { book, rules } = firstOf(shards);
  const tranches = shards.map(({ engine }) => tranche(engine.machine, id));
  const sum = (of: (one: (typeof tranches)[number]) => Rational): Rational => Rational.sum(tranches.map(of));
  const balance = sum((one) => one.balance);
  const price = book.market.indexPrice(book.assetIndex(id));
  const { brake } = rules.fund;
  return {
    balance: balance.toStringDown(),
    usd: price === null ? null : balance.times(price).toStringDown(),
    drawdown: tranches
      .map((one) => one.drawdown)
      .reduce((left, right) => Rational.max(left, right))
      .toStringUp(),
    brakeAt: brake?.drawdown.toStringDown() ?? null,
    braked: tranches.some((one) => one.braked),
    brakeUntil: brake?.until.toStringDown() ?? null,
    room: brake === null ? null : sum((one) => one.room ?? Rational.zero).toStringDown(),
    parked: sum((one) => one.parked).toStringUp(),
  };
}

export function fundState(shards: readonly LiveShard[]): FundData {
  const machine = firstOf(shards);
  const ids = listedAssets(machine).map((asset) => machine.book.assetRules(asset).id);
  return { funds: Object.fromEntries(ids.map((id) => [id, fundRow(shards, id)])) };
}
