import type { AccountAnswer, PositionAnswer } from "#libs/contracts/answers.ts";
import type {
  AdlData,
  AdlPlace,
  LiquidationsData,
  MarginData,
  OrdersData,
  PositionRisk,
  PositionsData,
} from "#libs/contracts/stream/account.ts";
import { haltsAt } from "#libs/domain/breakers/halts.ts";
import { openSagaRows } from "#libs/engine/index.ts";
import type { LiveShard } from "../world.ts";
import { haltKey, haltRow, shownAmount } from "./market.ts";

/** An account as the engine answers for it, with what stands beside the answer. */
export interface AskedAccount {
  readonly of: LiveShard;
  readonly account: string;
  readonly owner: string;
  readonly answer: AccountAnswer;
  /** Position in the log of the queues of deleveraging. */
  readonly queuesAt: number;
  /** And of liquidation prices. */
  readonly pricesAt: number;
}

/** The state of a channel; its logs stand beside. */
type StateOf<D> = Omit<D, "events">;

export function marginState(asked: AskedAccount): StateOf<MarginData> {
  const { of, account, owner, answer } = asked;
  const { machine } = of.engine;
  const { liquidation, warnings } = machine.rules;
  const number = machine.book.findAccount(account);
  const warned = number < 0 ? 0 : machine.book.warned(machine.book.crossPool(number));
  return {
    account,
    state: stateOf(answer.state),
    equity: answer.equity,
    initialEquity: answer.initialEquity,
    fullEquity: answer.fullEquity,
    im: answer.im,
    orderIm: answer.orderIm,
    mm: answer.mm,
    ratio: answer.ratio,
    free: answer.free,
    warnAt: warnings.map((level) => level.toStringDown()),
    partialAt: liquidation.partialAt.toStringDown(),
    fullAt: liquidation.fullAt.toStringDown(),
    warned: warnings[warned - 1]?.toStringDown() ?? null,
    collateral: Object.fromEntries(answer.collateral.map(({ asset, ...row }) => [asset, row])),
    positions: Object.fromEntries(answer.positions.map((one) => [one.instrument, riskOf(asked, number, one)])),
    halts: haltsOf(of, account, owner, answer),
  };
}

const stateOf = (state: string): "normal" | "liquidating" => (state === "liquidating" ? state : "normal");

function riskOf({ of, queuesAt, pricesAt }: AskedAccount, account: number, position: PositionAnswer): PositionRisk {
  const { machine } = of.engine;
  const { instrument, mode, qty, mark, ratio, partialPrice, liqPrice, bankruptcyPrice, adl } = position;
  const row = machine.book.findRow(account, machine.book.instrumentIndex(instrument));
  return {
    mode,
    qty,
    mark,
    ratio,
    state: machine.liquidating(machine.book.poolOf(row)) ? "liquidating" : "normal",
    partialPrice,
    liqPrice,
    bankruptcyPrice,
    pricesAt,
    ...distance(machine, instrument, mark, liqPrice),
    adl: adl === null ? null : placeOf(adl, queuesAt),
  };
}

function distance(
  machine: LiveShard["engine"]["machine"],
  instrument: string,
  mark: string,
  liqPrice: string | null,
): Pick<PositionRisk, "distancePercent" | "distanceUsd"> {
  if (liqPrice === null) return { distancePercent: null, distanceUsd: null };
  const from = shownAmount(mark);
  const way = shownAmount(liqPrice).minus(from);
  const { quote } = machine.instrument(machine.book.instrumentIndex(instrument));
  const asset = machine.book.assetIndex(quote);
  const usd = quote === "USD" ? shownAmount("1") : asset < 0 ? null : machine.book.market.indexPrice(asset);
  return {
    distancePercent: way.times(shownAmount("100")).dividedBy(from).toStringDown(percentDecimals),
    distanceUsd: usd === null ? null : way.times(usd).toStringDown(),
  };
}

const percentDecimals = 6;

function placeOf({ rank, bucket, ahead, score }: NonNullable<PositionAnswer["adl"]>, logSeq: number): AdlPlace {
  return { rank, quintile: bucket / 20, ahead, score, logSeq };
}

function haltsOf({ engine }: LiveShard, account: string, owner: string, answer: AccountAnswer): MarginData["halts"] {
  const { machine } = engine;
  if (machine.halts.length === 0) return {};
  const instruments = new Set([...answer.positions, ...answer.orders].map(({ instrument }) => instrument));
  const concerns = {
    global: () => true,
    account: (id: string) => id === account,
    entity: (id: string) => id === owner,
    instrument: (id: string) => instruments.has(id),
  };
  return Object.fromEntries(
    haltsAt(machine.halts, machine.t, machine.rules.breakers)
      .filter(({ scope, id }) => concerns[scope](id))
      .map((one) => [haltKey(one), haltRow(one)]),
  );
}

export function positionsState({ account, answer, pricesAt }: AskedAccount): PositionsData {
  const rows = answer.positions.map(
    ({ instrument, adl: _adl, ...row }): [string, PositionsData["positions"][string]] => [
      instrument,
      { ...row, pricesAt },
    ],
  );
  return { account, positions: Object.fromEntries(rows) };
}

export function adlState({ account, answer, queuesAt }: AskedAccount): StateOf<AdlData> {
  const rows = answer.positions.flatMap(({ instrument, qty, adl }): [string, AdlData["positions"][string]][] =>
    adl === null
      ? []
      : [[instrument, { side: qty.startsWith("-") ? "short" : "long", qty, ...placeOf(adl, queuesAt) }]],
  );
  return { account, positions: Object.fromEntries(rows) };
}

export function ordersState({ engine }: LiveShard, account: string): StateOf<OrdersData> {
  const { book } = engine.machine;
  const number = book.findAccount(account);
  const orders = number < 0 ? [] : book.crossView(number).orders;
  return {
    account,
    orders: Object.fromEntries(
      orders.map(({ id, instrument, side, qty, price, reduceOnly }) => [
        id,
        { instrument: instrument.id, side, qty: qty.toStringDown(), price: price?.toStringDown() ?? null, reduceOnly },
      ]),
    ),
  };
}

export function liquidationsState({ engine }: LiveShard, account: string): StateOf<LiquidationsData> {
  const own =
    engine.machine.sagas.size === 0 ? [] : openSagaRows(engine.machine).filter((saga) => saga.account === account);
  return {
    account,
    liquidations: Object.fromEntries(
      own.map(({ saga, instrument, stage, state, startedAt, ratio, step }) => [
        saga,
        { instrument, stage, state, startedAt, ratio, step },
      ]),
    ),
  };
}
