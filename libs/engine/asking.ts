import { Rational } from "#libs/decimal/index.ts";
import type { AllocationAnswer, ExchangeAnswer, ReduceAnswer } from "#libs/contracts/answers.ts";
import { haltsAt } from "#libs/domain/breakers/halts.ts";
import type { Pool } from "#libs/domain/positions/views.ts";
import type { AdlPolicy } from "#libs/domain/rule-set/types.ts";
import { emptyPool, ratioText } from "./account-answer.ts";
import { rankSide } from "./adl-ranking.ts";
import { contractsOf } from "./amounts.ts";
import { listedAssets } from "./balances.ts";
import type { Machine } from "./machine.ts";
import { heldLong } from "./pools.ts";
import { allocation } from "./sagas/deleveraging.ts";
import { poolHealth } from "./sagas/judgement.ts";
import { passOfStageTwo } from "./sagas/partial.ts";
import { stageOfState } from "./sagas/saga.ts";
import { badDebtAccount, houseAccount, insuranceAccount, roundingAccount } from "./system-accounts.ts";

function systemBalances(machine: Machine, account: number): Record<string, string> {
  return Object.fromEntries(
    listedAssets(machine).map((asset) => {
      const balance = machine.ledger.balance(account, asset);
      // What `bad_debt` owes is shown as a positive debt.
      const shown = account === badDebtAccount ? balance.negated().toStringUp() : balance.toStringDown();
      return [machine.book.assetRules(asset).id, shown];
    }),
  );
}

export const answerFund = (machine: Machine): ExchangeAnswer["fund"] => systemBalances(machine, insuranceAccount);

export function answerExchange(machine: Machine): ExchangeAnswer {
  const { book } = machine;
  const instruments = [...Array(book.instrumentCount).keys()]
    .filter((one) => book.isInstrumentListed(one))
    .sort((left, right) => (machine.instrument(left).id < machine.instrument(right).id ? -1 : 1));
  const name = (one: { account: string }): string => one.account;
  return {
    fund: answerFund(machine),
    house: systemBalances(machine, houseAccount),
    badDebt: systemBalances(machine, badDebtAccount),
    rounding: systemBalances(machine, roundingAccount),
    openInterest: Object.fromEntries(
      instruments.map((one) => [
        machine.instrument(one).id,
        contractsOf(machine.instrument(one), heldLong(machine, one)).toStringDown(),
      ]),
    ),
    halts: haltsAt(machine.halts, machine.t, machine.rules.breakers).map(
      ({ scope, id, state, reason, since, until }) => ({
        scope,
        id: id === "" ? null : id,
        state,
        reason,
        since,
        until,
      }),
    ),
    adlQueues: Object.fromEntries(
      instruments
        .filter((one) => book.market.markPrice(one) !== null)
        .map((one) => [
          machine.instrument(one).id,
          { long: rankSide(machine, one, "long").map(name), short: rankSide(machine, one, "short").map(name) },
        ]),
    ),
    liquidations: [...machine.sagas.values()]
      .sort((left, right) => left.slot - right.slot)
      .map((saga) => ({
        account: machine.accountName(saga.account),
        instrument: machine.poolInstrument(saga.pool),
        t: saga.startedAt,
        stage: stageOfState[saga.state],
      })),
  };
}

/** Who of a side would be deleveraged for `qty` contracts at mark, without doing it. */
export function answerAllocation(
  machine: Machine,
  instrument: string,
  side: "long" | "short",
  qty: string,
  policy: AdlPolicy | undefined,
): AllocationAnswer {
  const number = machine.book.instrumentIndex(instrument);
  const rules = machine.instrument(number);
  const price = machine.market.mark(instrument);
  const { result } = allocation(machine, {
    instrument: number,
    side,
    need: Rational.parse(qty),
    price,
    policy: policy ?? rules.adlPolicy,
    ranking: rankSide(machine, number, side),
  });
  return {
    instrument,
    side,
    price: price.toStringDown(),
    allocation: result.allocation.map((one) => ({ account: one.account, qty: one.qty.toStringDown() })),
  };
}

/** What one pass of stage 2 would do now, filled at mark with the taker fee, position by position. */
export function answerReduce(machine: Machine, id: string): ReduceAnswer {
  const { book } = machine;
  const account = book.findAccount(id);
  const view = account < 0 ? emptyPool : book.crossView(account);
  const pools: Pool[] = [view];
  for (const position of view.isolated)
    pools.push(book.isolatedView(book.findRow(account, book.instrumentIndex(position.instrument.id))));
  return { account: id, steps: pools.flatMap((pool) => reduceSteps(machine, pool)) };
}

function reduceSteps(machine: Machine, start: Pool): ReduceAnswer["steps"][number][] {
  return [...passOfStageTwo(machine, start)].map(({ position, contracts, pool }) => {
    const health = poolHealth(machine, pool);
    return {
      instrument: position.instrument.id,
      qty: contracts.toStringDown(),
      ratio: ratioText(health.maintenanceEquity, health.mm),
    };
  });
}
