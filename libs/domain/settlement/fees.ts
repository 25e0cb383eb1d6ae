import { Rational } from "#libs/decimal/index.ts";

export interface ClosingFeeInputs {
  /** Notional closed on book in stage 3, settle asset. */
  readonly notional: Rational;
  readonly takerFee: Rational;
  readonly liquidationFee: Rational;
  /** `E_full` of the pool, in the settle asset. */
  readonly fullEquity: Rational;
  /** The pool's cash (isolated: margin) of the settle asset. */
  readonly cash: Rational;
  readonly quantum: Rational;
}

/**
 * LIQ-24: the taker fee, then the liquidation fee, on what stage 3 closed on book: each rounded up, and each at most what is then
 * left of min(E_full, cash of the settle asset), in whole quanta. Nothing is taken from a pool that has nothing.
 */
export function closingFees(inputs: ClosingFeeInputs): { readonly taker: Rational; readonly liquidation: Rational } {
  const { notional, quantum } = inputs;
  const most = Rational.max(Rational.min(inputs.fullEquity, inputs.cash), Rational.zero).floorTo(quantum);
  const taker = Rational.min(notional.times(inputs.takerFee).ceilTo(quantum), most);
  const liquidation = Rational.min(notional.times(inputs.liquidationFee).ceilTo(quantum), most.minus(taker));
  return { taker, liquidation };
}
