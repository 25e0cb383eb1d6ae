import { Rational } from "#libs/decimal/index.ts";
import type { AccountAnswer, PositionAnswer } from "#libs/contracts/answers.ts";
import { adlScore, scoreText } from "#libs/domain/adl/score.ts";
import { bankruptcyPrices } from "#libs/domain/health/bankruptcy.ts";
import { type CrossHealth, evaluateCross, evaluateIsolated, type PoolHealth } from "#libs/domain/health/evaluate.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import { positionRequirement } from "#libs/domain/margin/requirement.ts";
import { entryPrice, unrealisedProfit, value } from "#libs/domain/positions/value.ts";
import type { CrossPool, OpenPosition, Pool } from "#libs/domain/positions/views.ts";
import { type AdlQueues, adlQueues, noQueues } from "./adl-queues.ts";
import { amountOf } from "./amounts.ts";
import { listedAssets } from "./balances.ts";
import { accruedFunding } from "./funding.ts";
import type { Machine } from "./machine.ts";

export const emptyPool: CrossPool = { kind: "cross", cash: [], positions: [], orders: [], isolated: [] };

const down = (value: Rational | null): string | null => value?.toStringDown() ?? null;

/** E_M / MM as shown; null: no requirement. */
export function ratioText(equity: Rational, mm: Rational): string | null {
  return mm.isZero() ? null : equity.dividedBy(mm).toStringDown();
}

function queuesOf(machine: Machine, account: number): AdlQueues {
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
  readonly queues?: AdlQueues;
  /** Balances of every asset are of no interest. */
  readonly withoutCash?: boolean;
  /** By instrument, as they are to be answered; otherwise they are worked out. */
  readonly prices?: ReadonlyMap<string, PositionPrices>;
}

/** How near a position is to its liquidation, and to being deleveraged. */
export type PositionRisk = PositionPrices &
  Pick<PositionAnswer, "instrument" | "mode" | "qty" | "mark" | "ratio" | "adl">;

/** How near an account is to liquidation: `AccountAnswer` without what only an inventory needs. */
export type AccountRisk = Omit<AccountAnswer, "cash" | "orders" | "positions"> & {
  readonly positions: readonly PositionRisk[];
};

/** Position figures are in the settle asset, account figures in USD; requirements are rounded up, all else down (NUM-06). */
export function answerAccount(machine: Machine, id: string, options: AskOptions = {}): AccountAnswer {
  const asked = askedAccount(machine, id, options);
  return {
    ...riskOfAccount(machine, asked),
    cash: options.withoutCash === true ? {} : cashOf(machine, asked.account),
    positions: positionsBy(asked, (one) => answerPosition(machine, one)),
    orders: asked.view.orders.map((order) => ({
      id: order.id,
      instrument: order.instrument.id,
      side: order.side,
      qty: order.qty.toStringDown(),
      price: down(order.price),
      reduceOnly: order.reduceOnly,
    })),
  };
}

/** The part of `answerAccount` that changes with every price and is told again and again, at a third of the cost. */
export function answerRisk(machine: Machine, id: string, options: AskOptions = {}): AccountRisk {
  const asked = askedAccount(machine, id, options);
  return { ...riskOfAccount(machine, asked), positions: positionsBy(asked, (one) => riskOfPosition(machine, one)) };
}

/** An account with its pools, each evaluated once. */
interface AskedAccount {
  readonly id: string;
  /** −1: no entry has named it yet; it is answered as an empty one, because a question changes nothing. */
  readonly account: number;
  readonly view: CrossPool;
  readonly health: CrossHealth;
  readonly positions: readonly AskedPosition[];
}

interface AskedPosition {
  readonly in: PoolOfPositions;
  readonly account: number;
  readonly position: OpenPosition;
  readonly prices: PositionPrices;
  readonly queues: AdlQueues;
}

function askedAccount(machine: Machine, id: string, options: AskOptions): AskedAccount {
  const { book, market, rules } = machine;
  const account = book.findAccount(id);
  const view = account < 0 ? emptyPool : book.crossView(account);
  const health = evaluateCross(view, market, rules);
  const queues = options.queues ?? (account < 0 ? noQueues : queuesOf(machine, account));
  const pricesOf = pricesBy(machine, options);
  const asked = (pool: PoolOfPositions, position: OpenPosition): AskedPosition => ({
    in: pool,
    account,
    position,
    prices: pricesOf(pool.pool, position),
    queues,
  });
  const crossPool = poolOfPositions(view, health);
  const positions = view.positions.map((position) => asked(crossPool, position));
  for (const position of view.isolated) {
    const pool = book.isolatedView(book.findRow(account, book.instrumentIndex(position.instrument.id)));
    positions.push(asked(poolOfPositions(pool, evaluateIsolated(pool, market, rules)), position));
  }
  return { id, account, view, health, positions };
}

function riskOfAccount(machine: Machine, { id, account, health }: AskedAccount): Omit<AccountRisk, "positions"> {
  return {
    account: id,
    state: account >= 0 && machine.liquidating(machine.book.crossPool(account)) ? "liquidating" : "normal",
    equity: health.maintenanceEquity.toStringDown(),
    initialEquity: health.initialEquity.toStringDown(),
    fullEquity: health.fullEquity.toStringDown(),
    im: health.im.toStringUp(),
    orderIm: health.orderIm.toStringUp(),
    mm: health.mm.toStringUp(),
    ratio: ratioText(health.maintenanceEquity, health.mm),
    free: health.initialEquity.minus(health.im).toStringDown(),
    collateral: health.collateral.map((row) => ({
      asset: row.asset,
      balance: row.balance.toStringDown(),
      value: row.worth.toStringDown(),
      weight: row.weight.toStringDown(),
      haircut: row.haircut.toStringDown(),
    })),
  };
}

/** In order of instrument id. */
function positionsBy<Answer extends { readonly instrument: string }>(
  { view, positions }: AskedAccount,
  answer: (position: AskedPosition) => Answer,
): Answer[] {
  const answers = positions.map(answer);
  return view.isolated.length === 0 ? answers : answers.sort((a, b) => (a.instrument < b.instrument ? -1 : 1));
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

function riskOfPosition(machine: Machine, asked: AskedPosition): PositionRisk {
  const { position, prices } = asked;
  const { pool, ratio } = asked.in;
  const { instrument, qty } = position;
  return {
    instrument: instrument.id,
    mode: pool.kind,
    qty: qty.toStringDown(),
    mark: machine.market.mark(instrument.id).toStringDown(),
    partialPrice: prices.partialPrice,
    liqPrice: prices.liqPrice,
    bankruptcyPrice: prices.bankruptcyPrice,
    ratio,
    adl: adlOf(machine, asked),
  };
}

function answerPosition(machine: Machine, asked: AskedPosition): PositionAnswer {
  const { book, market } = machine;
  const { account, position } = asked;
  const { pool, fullEquity } = asked.in;
  const { instrument, qty, cost } = position;
  const number = book.instrumentIndex(instrument.id);
  const row = book.findRow(account, number);
  const settle = book.assetRules(book.settleIndex(number));
  const need = positionRequirement(position, market);
  const margin = pool.kind === "isolated" ? amountOf(settle, book.margin(row)) : null;
  // An isolated position is levered on its own margin; a cross position on the whole pool.
  const leverage =
    fullEquity.sign > 0 ? need.notional.times(market.index(instrument.settle)).dividedBy(fullEquity) : null;
  return {
    ...riskOfPosition(machine, asked),
    entry: entryPrice(instrument, qty, cost).toStringDown(),
    notional: need.notional.toStringUp(),
    upnl: unrealisedProfit(instrument, qty, cost, market.mark(instrument.id)).toStringDown(),
    realised: amountOf(settle, book.realised(row)).toStringDown(),
    funding: accruedFunding(machine, row).toStringDown(),
    im: need.im.toStringUp(),
    mm: need.mm.toStringUp(),
    leverage: down(position.leverage ?? leverage),
    margin: down(margin),
  };
}

/** Where the position stands in its queue, as of when that was made, and its score as of now; null: it is not in it. */
function adlOf({ book, market }: Machine, asked: AskedPosition): PositionAnswer["adl"] {
  const { account, position, queues } = asked;
  const { fullEquity } = asked.in;
  const { instrument, qty, cost } = position;
  const number = book.instrumentIndex(instrument.id);
  const queue = queues.of(number, qty.sign > 0 ? "long" : "short");
  const standing = queue?.standing(book.findRow(account, number), account) ?? null;
  if (standing === null || fullEquity.sign <= 0) return null;
  const worth = value(instrument, qty, market.mark(instrument.id));
  const notionalUsd = worth.abs().times(market.index(instrument.settle));
  const score = adlScore({ profit: worth.minus(cost), cost, notionalUsd, fullEquityUsd: fullEquity });
  return { score: scoreText(score), ...standing };
}
