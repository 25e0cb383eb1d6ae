import { Rational } from "#libs/decimal/index.ts";
import { evaluateCross, evaluateIsolated } from "#libs/domain/health/evaluate.ts";
import { type BackedClose, providerLots, providerPrice } from "#libs/domain/liquidation/fund-backed.ts";
import { fillValue } from "#libs/domain/positions/value.ts";
import type { CrossPool, OpenPosition } from "#libs/domain/positions/views.ts";
import type { ProviderRules } from "#libs/domain/rule-set/types.ts";
import { amountOf, contractsOf, lotsOf } from "../amounts.ts";
import type { Machine } from "../machine.ts";
import { markOf } from "../pools.ts";
import { gateOf } from "../gates.ts";
import { spendable } from "./fund.ts";
import { referencePrice } from "./judgement.ts";
import { heldBy, type StageResult } from "./orders.ts";
import type { Saga } from "./saga.ts";
import { settleClose } from "./settlement.ts";

/** LIQ-14: providers of an instrument, the smallest discount first, ties by account id. */
function providersOf(machine: Machine, instrument: string, except: string): ProviderRules[] {
  return machine.rules.providers
    .filter((one) => one.instrument === instrument && one.account !== except)
    .sort((left, right) => left.discount.compare(right.discount) || (left.account < right.account ? -1 : 1));
}

/**
 * LIQ-14: a provider's number where it has an account in this shard's book: money or a position. Elsewhere the rules name it too, but its
 * margin is not known, and the matching engine keeps its positions with its own shard. Null: it is not here.
 */
function accountHere({ book }: Machine, id: string): number | null {
  const account = book.findAccount(id);
  if (account < 0) return null;
  for (let row = book.firstCashRow(account); row >= 0; row = book.nextCashRow(row))
    if (book.cashAmount(row) !== 0n) return account;
  for (let row = book.firstRow(account); row >= 0; row = book.nextRow(row)) if (book.qty(row) !== 0n) return account;
  return null;
}

/** Whether a provider keeps its initial margin after taking `taken` (signed contracts) at `price`. */
function keepsMargin(machine: Machine, account: number, instrument: number, taken: Rational, price: Rational): boolean {
  const { book, market, rules } = machine;
  const view = book.crossView(account);
  const row = book.findRow(account, instrument);
  const instrumentRules = machine.instrument(instrument);
  const settle = book.assetRules(book.settleIndex(instrument));
  const cost = fillValue(instrumentRules, taken, price, settle.quantum);
  if (row >= 0 && book.isIsolated(row)) return isolatedKeepsMargin(machine, account, row, taken, cost);
  const before = row < 0 ? null : view.positions.find((one) => one.instrument.id === instrumentRules.id);
  const after: OpenPosition = {
    instrument: instrumentRules,
    qty: taken.plus(before?.qty ?? Rational.zero),
    cost: cost.plus(before?.cost ?? Rational.zero),
    funding: before?.funding ?? Rational.zero,
    leverage: row < 0 ? instrumentRules.maxLeverage : book.leverage(row),
  };
  const others = view.positions.filter((one) => one.instrument.id !== instrumentRules.id);
  const pool: CrossPool = { ...view, positions: after.qty.isZero() ? others : [...others, after] };
  // A flattened position realises what its cost says; adding it as cash keeps equity what it was.
  const settled = after.qty.isZero() ? withCash(pool, settle.id, after.cost.negated().plus(after.funding)) : pool;
  const health = evaluateCross(settled, market, rules);
  return health.initialEquity.atLeast(health.im);
}

function withCash(pool: CrossPool, asset: string, amount: Rational): CrossPool {
  const own = pool.cash.find((one) => one.asset === asset)?.amount ?? Rational.zero;
  return { ...pool, cash: [...pool.cash.filter((one) => one.asset !== asset), { asset, amount: own.plus(amount) }] };
}

function isolatedKeepsMargin(machine: Machine, account: number, row: number, taken: Rational, cost: Rational): boolean {
  const { book, market, rules } = machine;
  const instrument = book.rowInstrument(row);
  const settle = book.assetRules(book.settleIndex(instrument));
  const qty = contractsOf(machine.instrument(instrument), book.qty(row)).plus(taken);
  if (qty.isZero()) return true;
  const position: OpenPosition = {
    instrument: machine.instrument(instrument),
    qty,
    cost: amountOf(settle, book.cost(row)).plus(cost),
    funding: Rational.zero,
    leverage: book.leverage(row),
  };
  const margin = amountOf(settle, book.margin(row));
  const alone = evaluateIsolated({ kind: "isolated", margin, position }, market, rules);
  const cross = evaluateCross(book.crossView(account), market, rules);
  // Opening moves initial margin from cross cash: together they must cover it.
  return alone.initialEquity.plus(cross.initialEquity).atLeast(alone.im.plus(cross.im));
}

/** What a provider still stands ready for: its capacity less the position in that direction that it holds already. */
function readiness(
  machine: Machine,
  provider: ProviderRules,
  account: number,
  instrument: number,
  takes: 1 | -1,
): Rational {
  const row = machine.book.findRow(account, instrument);
  const held = row < 0 ? Rational.zero : contractsOf(machine.instrument(instrument), machine.book.qty(row));
  return provider.capacity.minus(takes > 0 ? held : held.negated());
}

/** Stage 4: what is open is offered to the providers at mark less their discount, the fund topping up to p_bk where it must. */
export function offerToProviders(machine: Machine, saga: Saga): StageResult {
  const { book } = machine;
  for (const instrument of saga.queue) {
    const rules = machine.instrument(instrument);
    const settle = book.settleIndex(instrument);
    if (gateOf(machine, saga.account, rules.id).permission("liquidate_on_book") === "parked") return "waiting";
    for (const provider of providersOf(machine, rules.id, machine.accountName(saga.account))) {
      const held = heldBy(machine, saga, instrument);
      if (held.isZero()) break;
      const account = accountHere(machine, provider.account);
      if (account === null || machine.liquidating(book.crossPool(account))) continue;
      const side = held.sign > 0 ? "long" : "short";
      const takes = held.sign > 0 ? 1 : -1;
      const price = providerPrice(side, markOf(machine, instrument), provider.discount);
      const reference = referencePrice(machine, saga, instrument, held) ?? price;
      const { quantum } = book.assetRules(settle);
      const close: BackedClose = { instrument: rules, side, bankruptcyPrice: reference, price, quantum };
      const signed = (lots: bigint): Rational => contractsOf(rules, takes > 0 ? lots : -lots);
      const lots = providerLots(
        close,
        {
          open: lotsOf(rules, held.abs()),
          capacity: readiness(machine, provider, account, instrument, takes),
          fund: spendable(machine, saga, settle),
        },
        (n) => keepsMargin(machine, account, instrument, signed(n), price),
      );
      if (lots === 0n) continue;
      settleClose(machine, saga, {
        instrument,
        qty: contractsOf(rules, lots),
        price,
        counterparty: account,
        takerFee: false,
        backed: true,
      });
    }
  }
  return "judge";
}
