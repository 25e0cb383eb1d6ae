import { Rational } from "#libs/decimal/index.ts";
import { brakeRoom, newFundState, spendableUsd } from "#libs/domain/settlement/fund.ts";
import type { Machine } from "../machine.ts";
import { balancesOf } from "../balances.ts";
import type { Saga } from "./saga.ts";
import { insuranceAccount } from "../system-accounts.ts";

/** LIQ-15: what the fund of an asset may spend on a saga now, in that asset; for no saga there is no per-saga cap. */
export function spendable(machine: Machine, saga: Saga | null, settle: number): Rational {
  const asset = machine.book.assetRules(settle);
  const indexUsd = machine.market.index(asset.id);
  const balance = Rational.max(machine.ledger.balance(insuranceAccount, settle), Rational.zero);
  const { brake, eventCap } = machine.rules.fund;
  const room = brakeRoom(machine.fundStates.get(settle) ?? newFundState, balance, brake, machine.t);
  const usd = spendableUsd({
    balance,
    indexUsd,
    eventCapUsd: saga === null ? null : eventCap,
    spentUsd: saga?.spentUsd ?? Rational.zero,
    brakeRoomUsd: room === null ? null : room.times(indexUsd),
  });
  return Rational.min(usd.dividedBy(indexUsd), balance);
}

/** LIQ-15: what the per-saga cap leaves of what funds may pay for a saga, USD; null: no cap. */
export function capLeft(machine: Machine, saga: Saga | null): Rational | null {
  const { eventCap } = machine.rules.fund;
  return saga === null || eventCap === null ? null : eventCap.minus(saga.spentUsd);
}

/** LIQ-16: what each fund holds, as far as its own brake lets it be paid out, in order of asset id. */
export function payableBalances(machine: Machine): { asset: string; amount: Rational }[] {
  const { brake } = machine.rules.fund;
  return balancesOf(machine, insuranceAccount).map(({ asset, amount }) => {
    const state = machine.fundStates.get(machine.book.assetIndex(asset)) ?? newFundState;
    const room = brakeRoom(state, amount, brake, machine.t);
    return {
      asset,
      amount: room === null ? amount : Rational.min(amount, room).floorTo(machine.market.asset(asset).quantum),
    };
  });
}

/** Notes what a fund has paid, once it is booked: the saga's share of the cap, the trading result, a fact. */
export function payFromFund(machine: Machine, saga: Saga | null, settle: number, paid: Rational): void {
  const asset = machine.book.assetRules(settle);
  if (saga !== null) saga.spentUsd = saga.spentUsd.plus(paid.times(machine.market.index(asset.id)));
  machine.recordFundResult(settle, paid.negated());
  machine.fact("insurance.paid", {
    ...(saga === null ? {} : { saga: saga.id, account: machine.accountName(saga.account) }),
    asset: asset.id,
    amount: paid.toStringDown(),
    balance: machine.ledger.balance(insuranceAccount, settle).toStringDown(),
  });
}
