import { Rational } from "#libs/decimal/index.ts";
import { brakeRoom, newFundState, spendableUsd } from "#libs/domain/settlement/fund.ts";
import { insuranceAccount } from "../fills.ts";
import type { Machine } from "../machine.ts";
import type { Saga } from "./saga.ts";

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

/** LIQ-15: what cap and brake allow funds to pay for a saga, USD, whatever they hold; null: neither limits. */
export function fundAllowance(machine: Machine, saga: Saga | null, settle: number): Rational | null {
  const { brake, eventCap } = machine.rules.fund;
  const indexUsd = machine.market.index(machine.book.assetRules(settle).id);
  const balance = Rational.max(machine.ledger.balance(insuranceAccount, settle), Rational.zero);
  const room = brakeRoom(machine.fundStates.get(settle) ?? newFundState, balance, brake, machine.t)?.times(indexUsd) ?? null;
  const left = saga === null || eventCap === null ? null : eventCap.minus(saga.spentUsd);
  if (room === null || left === null) return room ?? left;
  return Rational.min(room, left);
}
