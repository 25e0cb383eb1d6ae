import { Rational } from "#libs/decimal/index.ts";
import type { AssetRules, InstrumentRules } from "#libs/domain/rule-set/types.ts";

/** Whole quanta of an amount that is known to be a whole number of them. */
export function quantaOf(asset: AssetRules, amount: Rational): bigint {
  return amount.floorIn(asset.quantum);
}

/** The amount, in units of the asset, of a number of quanta. */
export function amountOf(asset: AssetRules, quanta: bigint): Rational {
  return asset.quantum.times(Rational.ofInteger(quanta));
}

/** Whole lots of a number of contracts that is known to be a whole number of them. */
export function lotsOf(instrument: InstrumentRules, contracts: Rational): bigint {
  return contracts.floorIn(instrument.lot);
}

/** Contracts, signed, of a number of lots. */
export function contractsOf(instrument: InstrumentRules, lots: bigint): Rational {
  return instrument.lot.times(Rational.ofInteger(lots));
}

/** A store holds 127 bits; amounts of one entry stay far below, so that no sum of permitted ones can reach the end. */
const quantaMax = 1n << 120n;

/** NUM-07: whether a signed amount, in whole quanta, is small enough to be booked. */
export function bookable(quanta: bigint): boolean {
  return quanta < quantaMax && quanta > -quantaMax;
}
