import { Rational } from "#libs/decimal/index.ts";
import type {
  AccountAnswer,
  AllocationAnswer,
  ExchangeAnswer,
  PositionAnswer,
  ReduceAnswer,
} from "#libs/contracts/answers.ts";
import { adlScore, scoreText } from "#libs/domain/adl/score.ts";
import { haltsAt } from "#libs/domain/breakers/halts.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { evaluateCross, evaluateIsolated, type PoolHealth } from "#libs/domain/health/evaluate.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import { positionRequirement } from "#libs/domain/margin/requirement.ts";
import { entryPrice, notional, unrealisedProfit } from "#libs/domain/positions/value.ts";
import type { CrossPool, OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import type { AdlPolicy } from "#libs/domain/rule-set/types.ts";
import { accruedFunding } from "./funding.ts";
import { amountOf, contractsOf } from "./amounts.ts";
import { type AdlQueue, adlQueues } from "./adl-queues.ts";
import { rankingKey, rankSide } from "./adl-ranking.ts";
import type { Machine } from "./machine.ts";
import { allocation } from "./sagas/deleveraging.ts";
import { poolHealth, positionsOf } from "./sagas/judgement.ts";
import { passOfStageTwo } from "./sagas/partial.ts";
import { stageOfState } from "./sagas/saga.ts";
import { badDebtAccount, houseAccount, insuranceAccount, roundingAccount } from "./system-accounts.ts";

const emptyPool: CrossPool = { kind: "cross", cash: [], positions: [], orders: [], isolated: [] };

const down = (value: Rational | null): string | null => value?.toStringDown() ?? null;

function ratioText(equity: Rational, mm: Rational): string | null {
  return mm.isZero() ? null : equity.dividedBy(mm).toStringDown();
}

/** Queues of deleveraging by `rankingKey`; those of instruments that are not among them are not told. */
export type Queues = ReadonlyMap<string, AdlQueue>;

function queuesOf(machine: Machine, account: number): Queues {
  const instruments = new Set<number>();
  for (let row = machine.book.firstRow(account); row >= 0; row = machine.book.nextRow(row))
    instruments.add(machine.book.rowInstrument(row));
  return adlQueues(machine, instruments);
}

/** The costly part of an answer: where a position would be liquidated, and bankrupt. */
export type PositionPrices = Pick<PositionAnswer, "partialPrice" | "liqPrice" | "bankruptcyPrice">;

/** What a caller that asks for many accounts, again and again, has by already. */
export interface AskOptions {
  /** Prices move one by one, not with their index (HEALTH-09). */
  readonly alone?: boolean;
  /** Queues of deleveraging; otherwise they are made for this answer. */
  readonly queues?: Queues;
  /** Balances of every asset are of no interest. */
  readonly withoutCash?: boolean;
  /** By instrument, as they are to be answered; otherwise they are worked out. */
  readonly prices?: ReadonlyMap<string, PositionPrices>;
}

/** Position figures are in the settle asset, account figures in USD; requirements are rounded up, all else down (NUM-06). */
export function answerAccount(machine: Machine, id: string, options: AskOptions = {}): AccountAnswer {
  const { book, market, rules } = machine;
  // A question changes nothing: an account that no entry has named yet is answered as an empty one.
  const account = book.findAccount(id);
  const view = account < 0 ? emptyPool : book.crossView(account);
  const health = evaluateCross(view, market, rules);
  const queues = options.queues ?? (account < 0 ? new Map<string, AdlQueue>() : queuesOf(machine, account));
  const pricesOf = pricesBy(machine, options);
  const answer = (pool: PoolOfPositions, position: OpenPosition): PositionAnswer =>
    answerPosition(machine, { account, ...pool, position, prices: pricesOf(pool.pool, position), queues });
  const crossPool = poolOfPositions(view, health);
  const cross = positionsOf(view).map((position) => answer(crossPool, position));
  const isolated = view.isolated.map((position) => {
    const row = book.findRow(account, book.instrumentIndex(position.instrument.id));
    const pool = book.isolatedView(row);
    return answer(poolOfPositions(pool, evaluateIsolated(pool, market, rules)), position);
  });
  return {
    account: id,
    state: account >= 0 && machine.liquidating(book.crossPool(account)) ? "liquidating" : "normal",
    equity: health.maintenanceEquity.toStringDown(),
    initialEquity: health.initialEquity.toStringDown(),
    fullEquity: health.fullEquity.toStringDown(),
    im: health.im.toStringUp(),
    orderIm: health.orderIm.toStringUp(),
    mm: health.mm.toStringUp(),
    ratio: ratioText(health.maintenanceEquity, health.mm),
    free: health.initialEquity.minus(health.im).toStringDown(),
    cash: options.withoutCash === true ? {} : cashOf(machine, account),
    collateral: health.collateral.map((row) => ({
      asset: row.asset,
      balance: row.balance.toStringDown(),
      value: row.worth.toStringDown(),
      weight: row.weight.toStringDown(),
      haircut: row.haircut.toStringDown(),
    })),
    positions: [...cross, ...isolated].sort((left, right) => (left.instrument < right.instrument ? -1 : 1)),
    orders: view.orders.map((order) => ({
      id: order.id,
      instrument: order.instrument.id,
      side: order.side,
      qty: order.qty.toStringDown(),
      price: down(order.price),
      reduceOnly: order.reduceOnly,
    })),
  };
}

/** Every listed asset, zero included: a balance that is gone is an answer too. */
function cashOf(machine: Machine, account: number): Record<string, string> {
  return Object.fromEntries(
    listedAssets(machine).map((asset) => {
      const balance = account < 0 ? Rational.zero : machine.ledger.balance(account, asset);
      return [machine.book.assetRules(asset).id, balance.toStringDown()];
    }),
  );
}

/** Numbers of the listed assets in order of id. */
function listedAssets(machine: Machine): number[] {
  const { book } = machine;
  const id = (asset: number): string => book.assetRules(asset).id;
  return [...Array(book.assetCount).keys()]
    .filter((asset) => book.isAssetListed(asset))
    .sort((left, right) => (id(left) < id(right) ? -1 : 1));
}

/** What the positions of one pool have in common, worked out once. */
interface PoolOfPositions {
  readonly pool: Pool;
  /** E_M / MM as shown. */
  readonly ratio: string | null;
  readonly fullEquity: Rational;
}

function poolOfPositions(pool: Pool, { maintenanceEquity, mm, fullEquity }: PoolHealth): PoolOfPositions {
  return { pool, ratio: ratioText(maintenanceEquity, mm), fullEquity };
}

/** Prices of positions as they are given, else worked out; bankruptcy prices once for all positions of a pool. */
function pricesBy(
  { market, rules }: Machine,
  { prices, alone = false }: AskOptions,
): (pool: Pool, position: OpenPosition) => PositionPrices {
  const bankruptcies = new Map<Pool, ReadonlyMap<string, Rational | null>>();
  return (pool, { instrument: { id } }) => {
    const given = prices?.get(id);
    if (given !== undefined) return given;
    const bankruptcy = bankruptcies.get(pool) ?? bankruptcyPrices(pool, market, rules);
    bankruptcies.set(pool, bankruptcy);
    const { partialPrice, liqPrice } = triggerPrices(pool, id, market, rules, alone);
    return {
      partialPrice: down(partialPrice),
      liqPrice: down(liqPrice),
      bankruptcyPrice: down(bankruptcy.get(id) ?? null),
    };
  };
}

interface AskedPosition extends PoolOfPositions {
  readonly account: number;
  readonly position: OpenPosition;
  readonly prices: PositionPrices;
  readonly queues: Queues;
}

function answerPosition(machine: Machine, asked: AskedPosition): PositionAnswer {
  const { book, market } = machine;
  const { account, pool, position, prices, ratio, fullEquity } = asked;
  const { instrument, qty, cost } = position;
  const number = book.instrumentIndex(instrument.id);
  const row = book.findRow(account, number);
  const settle = book.assetRules(book.settleIndex(number));
  const mark = market.mark(instrument.id);
  const need = positionRequirement(position, market);
  const margin = pool.kind === "isolated" ? amountOf(settle, book.margin(row)) : null;
  // An isolated position is levered on its own margin; a cross position on the whole pool.
  const leverage =
    fullEquity.sign > 0 ? need.notional.times(market.index(instrument.settle)).dividedBy(fullEquity) : null;
  const upnl = unrealisedProfit(instrument, qty, cost, mark);
  return {
    instrument: instrument.id,
    mode: pool.kind,
    qty: qty.toStringDown(),
    entry: entryPrice(instrument, qty, cost).toStringDown(),
    mark: mark.toStringDown(),
    notional: need.notional.toStringUp(),
    upnl: upnl.toStringDown(),
    realised: amountOf(settle, book.realised(row)).toStringDown(),
    funding: accruedFunding(machine, row).toStringDown(),
    im: need.im.toStringUp(),
    mm: need.mm.toStringUp(),
    leverage: down(position.leverage ?? leverage),
    ...prices,
    ratio,
    margin: down(margin),
    adl: adlOf(machine, asked, row, upnl),
  };
}

/** Where the position stands in its queue, as of when that was made, and its score as of now; null: it is not in it. */
function adlOf({ book, market }: Machine, asked: AskedPosition, row: number, profit: Rational): PositionAnswer["adl"] {
  const { account, position, queues, fullEquity } = asked;
  const { instrument, qty, cost } = position;
  const key = rankingKey(book.rowInstrument(row), qty.sign > 0 ? "long" : "short");
  const standing = queues.get(key)?.standing(row, account) ?? null;
  if (standing === null || fullEquity.sign <= 0) return null;
  const notionalUsd = notional(instrument, qty, market.mark(instrument.id)).times(market.index(instrument.settle));
  return { score: scoreText(adlScore({ profit, cost, notionalUsd, fullEquityUsd: fullEquity })), ...standing };
}

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
        contractsOf(machine.instrument(one), book.longLots(one)).toStringDown(),
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
