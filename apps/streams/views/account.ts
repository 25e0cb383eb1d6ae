import type { AccountAnswer } from "#libs/contracts/answers.ts";
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
import type { RestingOrder } from "#libs/domain/positions/views.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { Rational } from "#libs/decimal/index.ts";
import type { AccountRisk, PositionRisk as RiskAnswer } from "#libs/engine/account-answer.ts";
import { openSagaRows } from "#libs/engine/index.ts";
import type { LiveShard } from "../world.ts";
import { haltKey, haltRow, shownAmount } from "./market.ts";

/** An account as the engine answers for it, with what stands beside the answer. */
export interface AskedAccount<Answer extends AccountRisk = AccountRisk> {
  readonly of: LiveShard;
  readonly account: string;
  readonly owner: string;
  readonly answer: Answer;
  /** Position in the log of an instrument's queues of deleveraging. */
  readonly queuesAt: (instrument: number) => number;
  /** And of liquidation prices. */
  readonly pricesAt: number;
}

/** The state of a channel; its logs stand beside. */
type StateOf<D> = Omit<D, "events">;

export function marginState(asked: AskedAccount): StateOf<MarginData> {
  const { of, account, owner, answer } = asked;
  const { machine } = of.engine;
  const { warnAt, partialAt, fullAt } = levelsOf(machine.rules);
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
    warnAt,
    partialAt,
    fullAt,
    warned: warnAt[warned - 1] ?? null,
    collateral: Object.fromEntries(
      answer.collateral.map(({ asset, balance, value, weight, haircut }) => [
        asset,
        { balance, value, weight, haircut },
      ]),
    ),
    positions: Object.fromEntries(answer.positions.map((one) => [one.instrument, riskOf(asked, number, one)])),
    halts: haltsOf(of, account, owner, answer),
  };
}

type Levels = Pick<MarginData, "warnAt" | "partialAt" | "fullAt">;
const levels = new WeakMap<RuleSet, Levels>();

/** As they are shown; worked out once for each set of rules. */
function levelsOf(rules: RuleSet): Levels {
  const known = levels.get(rules);
  if (known !== undefined) return known;
  const { partialAt, fullAt } = rules.liquidation;
  const made = {
    warnAt: rules.warnings.map((level) => level.toStringDown()),
    partialAt: partialAt.toStringDown(),
    fullAt: fullAt.toStringDown(),
  };
  levels.set(rules, made);
  return made;
}

const stateOf = (state: string): "normal" | "liquidating" => (state === "liquidating" ? state : "normal");

function riskOf({ of, queuesAt, pricesAt }: AskedAccount, account: number, position: RiskAnswer): PositionRisk {
  const { machine } = of.engine;
  const { instrument, mode, qty, mark, ratio, partialPrice, liqPrice, bankruptcyPrice, adl } = position;
  const number = machine.book.instrumentIndex(instrument);
  const row = machine.book.findRow(account, number);
  const { distancePercent, distanceUsd } = distance(machine, number, liqPrice);
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
    distancePercent,
    distanceUsd,
    adl: adl === null ? null : placeOf(adl, queuesAt(number)),
  };
}

function distance(
  machine: LiveShard["engine"]["machine"],
  instrument: number,
  liqPrice: string | null,
): Pick<PositionRisk, "distancePercent" | "distanceUsd"> {
  if (liqPrice === null) return { distancePercent: null, distanceUsd: null };
  const { id, quote } = machine.instrument(instrument);
  const from = machine.market.mark(id);
  const way = shownAmount(liqPrice).minus(from);
  const asset = machine.book.assetIndex(quote);
  const usd = quote === "USD" ? Rational.one : asset < 0 ? null : machine.book.market.indexPrice(asset);
  return {
    distancePercent: way.times(hundred).dividedBy(from).toStringDown(percentDecimals),
    distanceUsd: usd === null ? null : way.times(usd).toStringDown(),
  };
}

const percentDecimals = 6;
const hundred = Rational.ofInteger(100);

function placeOf({ rank, bucket, ahead, score }: NonNullable<RiskAnswer["adl"]>, logSeq: number): AdlPlace {
  return { rank, quintile: bucket / 20, ahead, score, logSeq };
}

function haltsOf({ engine }: LiveShard, account: string, owner: string, answer: AccountRisk): MarginData["halts"] {
  const { machine } = engine;
  if (machine.halts.length === 0) return {};
  const instruments = new Set(answer.positions.map(({ instrument }) => instrument));
  for (const { instrument } of ordersOf(machine, account)) instruments.add(instrument.id);
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

export function positionsState({ account, answer, pricesAt }: AskedAccount<AccountAnswer>): PositionsData {
  const rows = answer.positions.map(
    ({ instrument, adl: _adl, ...row }): [string, PositionsData["positions"][string]] => [
      instrument,
      { ...row, pricesAt },
    ],
  );
  return { account, positions: Object.fromEntries(rows) };
}

export function adlState({ of, account, answer, queuesAt }: AskedAccount): StateOf<AdlData> {
  const { book } = of.engine.machine;
  const rows = answer.positions.flatMap(({ instrument, qty, adl }): [string, AdlData["positions"][string]][] =>
    adl === null
      ? []
      : [
          [
            instrument,
            {
              side: qty.startsWith("-") ? "short" : "long",
              qty,
              ...placeOf(adl, queuesAt(book.instrumentIndex(instrument))),
            },
          ],
        ],
  );
  return { account, positions: Object.fromEntries(rows) };
}

function ordersOf({ book }: LiveShard["engine"]["machine"], account: string): readonly RestingOrder[] {
  const number = book.findAccount(account);
  return number < 0 ? [] : book.crossView(number).orders;
}

export function ordersState({ engine }: LiveShard, account: string): StateOf<OrdersData> {
  return {
    account,
    orders: Object.fromEntries(
      ordersOf(engine.machine, account).map(({ id, instrument, side, qty, price, reduceOnly }) => [
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
