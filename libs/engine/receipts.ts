import { Rational } from "#libs/decimal/index.ts";
import { evaluateCross, type PoolHealth } from "#libs/domain/health/evaluate.ts";
import { triggerPrices } from "#libs/domain/health/liquidation-price.ts";
import type { CrossPool, Pool, RestingOrder } from "#libs/domain/positions/views.ts";
import * as build from "#libs/domain/receipts/build.ts";
import { smallestDeposit } from "#libs/domain/receipts/smallest-change.ts";
import type { Receipt, ReceiptPrice } from "#libs/domain/receipts/types.ts";
import type { SharedLoss, Winner } from "#libs/domain/settlement/bad-debt.ts";
import type { Machine } from "./machine.ts";
import type { Deficit } from "./sagas/bad-debt.ts";
import { positionsOf } from "./sagas/judgement.ts";
import type { Saga } from "./sagas/saga.ts";

type Numbers = Readonly<Record<string, { readonly value: string; readonly bound: string } | string>>;

/** Price, quality, age and sources of what a pool is valued at, as they stand now. */
function pricesOf(machine: Machine, assets: Iterable<string>, instruments: Iterable<string>): ReceiptPrice[] {
  const { market } = machine.book;
  const one = (id: string, price: Rational | null, quality: string, t: number): ReceiptPrice => {
    const kept = machine.priceInputs.get(id);
    return {
      id,
      price: price?.toStringDown() ?? null,
      quality,
      ageMs: machine.t - t,
      sources: kept?.input.used.map((used) => ({ source: used.source, ageMs: used.ageMs + machine.t - kept.t })) ?? [],
    };
  };
  const found: ReceiptPrice[] = [];
  for (const id of [...new Set(assets)].sort()) {
    const asset = machine.book.assetIndex(id);
    found.push(one(id, market.indexPrice(asset), market.assetQuality(asset), market.assetPriceTime(asset)));
  }
  for (const id of [...new Set(instruments)].sort()) {
    const instrument = machine.book.instrumentIndex(id);
    found.push(
      one(
        id,
        market.markPrice(instrument),
        market.instrumentQuality(instrument),
        market.instrumentPriceTime(instrument),
      ),
    );
  }
  return found;
}

function pricesOfPool(machine: Machine, pool: Pool): ReceiptPrice[] {
  const positions = positionsOf(pool);
  const cash = pool.kind === "cross" ? pool.cash.map((one) => one.asset) : [];
  const settles = positions.map(({ instrument }) => instrument.settle);
  return pricesOf(
    machine,
    [...cash, ...settles],
    positions.map(({ instrument }) => instrument.id),
  );
}

function head(machine: Machine, rule: string, prices: readonly ReceiptPrice[]): build.ReceiptHead {
  return { rule, ruleVersion: machine.rules.version, t: machine.t, prices };
}

function keep(machine: Machine, seq: number, make: () => Receipt): void {
  if (machine.options.receipts) machine.receipts.set(seq, make());
}

function reasonsOf(codes: readonly string[], numbers: Numbers): build.RejectionReceipt["reasons"] {
  const parse = (text: string | undefined): Rational | null =>
    text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? parseShown(text) : null;
  return codes.map((code) => {
    const own = numbers[code];
    const value = typeof own === "object" ? parse(own.value) : null;
    const limit = typeof own === "object" ? parse(own.bound) : null;
    return { code, value, limit, headroom: value !== null && limit !== null ? limit.minus(value) : null };
  });
}

/** Shown numbers may be longer than a border lets in: they are read back digit by digit. */
function parseShown(text: string): Rational {
  const [whole = "0", fraction = ""] = text.split(".");
  return Rational.ofUnits(BigInt(whole + fraction), fraction.length);
}

/** The rule a refusal code stands for. */
const ruleOfCode: Readonly<Record<string, string>> = {
  notional_limit: "ORD-08",
  position_limit: "LIM-12",
  open_interest_limit: "LIM-13",
  open_interest_share: "LIM-13",
  volume_share: "LIM-14",
  depth_share: "LIM-14",
  gross_limit: "LIM-15",
  net_limit: "LIM-15",
  delta_limit: "LIM-15",
  open_positions: "LIM-15",
  exposure: "LIM-16",
  position_share: "LIM-16",
  sector_share: "LIM-16",
  counterparty_limit: "LIM-17",
  venue_limit: "LIM-17",
  short_ban: "LIM-18",
  locate: "LIM-18",
  instrument_restricted: "LIM-18",
  day_loss: "LIM-19",
  week_loss: "LIM-19",
  stop_price: "LIM-20",
  risk_per_trade: "LIM-20",
  orders_per_day: "LIM-21",
  trades_per_day: "LIM-21",
  correlation: "LIM-22",
  drawdown: "LIM-23",
  initial_margin: "ORD-09",
  leverage: "ORD-07",
  halted: "BRK-01",
  price_quality: "MARK-13",
  pool_liquidating: "ORD-11",
  insufficient_cash: "COL-13",
  debt_parked: "LIQ-20",
};

export function rejectionReceipt(
  machine: Machine,
  seq: number,
  account: string,
  codes: readonly string[],
  numbers: Readonly<Record<string, string>>,
): void {
  keep(machine, seq, () => {
    const pool = machine.book.crossView(machine.book.internAccount(account));
    const required = numbers["required"];
    const available = numbers["available"];
    const margin =
      required !== undefined && available !== undefined
        ? { initial_margin: { value: required, bound: available } }
        : {};
    return build.rejectionReceipt({
      ...head(machine, ruleOfCode[codes[0] ?? ""] ?? "COL-13", pricesOfPool(machine, pool)),
      account,
      instrument: null,
      order: null,
      reasons: reasonsOf(codes, margin),
      changes: {},
    });
  });
}

/** The smallest deposit of the settle asset with which an order would have passed its margin check. */
function orderDeposit(
  machine: Machine,
  before: CrossPool,
  order: RestingOrder,
): NonNullable<build.SmallestChanges["deposit"]> | null {
  const excess = (pool: CrossPool): Rational => {
    const health = evaluateCross(pool, machine.market, machine.rules);
    return health.initialEquity.minus(health.im);
  };
  const { settle } = order.instrument;
  const richer = (amount: Rational): CrossPool => {
    const pool = { ...before, orders: [...before.orders, order] };
    const own = pool.cash.find((one) => one.asset === settle)?.amount ?? Rational.zero;
    return {
      ...pool,
      cash: [...pool.cash.filter((one) => one.asset !== settle), { asset: settle, amount: own.plus(amount) }],
    };
  };
  const deposit = smallestDeposit(machine.market.asset(settle).quantum, (amount) => excess(richer(amount)), false);
  return deposit === null || deposit.isZero() ? null : { asset: settle, amount: deposit };
}

export function orderReceipt(
  machine: Machine,
  seq: number,
  account: number,
  order: RestingOrder,
  codes: readonly string[],
  numbers: Numbers,
  largest: () => Rational | null,
): void {
  const name = machine.accountName(account);
  keep(machine, seq, () =>
    refusedOrder(machine, name, machine.book.crossView(account), order, { codes, numbers, largest: largest() }),
  );
}

/** The receipt of an order that was refused; `pool`: the account's, with the orders that counted. */
export function refusedOrder(
  machine: Machine,
  account: string,
  pool: CrossPool,
  order: RestingOrder,
  { codes, numbers, largest }: { codes: readonly string[]; numbers: Numbers; largest: Rational | null },
): Receipt {
  const size = largest === null ? null : { instrument: order.instrument.id, qty: largest };
  const deposit = codes.includes("initial_margin") ? orderDeposit(machine, pool, order) : null;
  return build.rejectionReceipt({
    ...head(machine, ruleOfCode[codes[0] ?? ""] ?? "ORD-10", [
      ...pricesOfPool(machine, pool),
      ...pricesOf(machine, [], [order.instrument.id]),
    ]),
    account,
    instrument: order.instrument.id,
    order: order.id,
    reasons: reasonsOf(codes, numbers),
    changes: { deposit, size },
  });
}

export function liquidationReceipt(machine: Machine, seq: number, saga: Saga, health: PoolHealth): void {
  keep(machine, seq, () => {
    const pool = machine.book.poolView(saga.pool);
    const { partialAt, fullAt } = machine.rules.liquidation;
    const full = health.maintenanceEquity.atMost(health.mm.times(fullAt));
    return build.liquidationReceipt({
      ...head(machine, full ? "HEALTH-03" : "HEALTH-02", pricesOfPool(machine, pool)),
      account: machine.accountName(saga.account),
      mode: pool.kind,
      instrument: machine.poolInstrument(saga.pool),
      saga: saga.id,
      stage: full ? 3 : 2,
      equity: health.maintenanceEquity,
      mm: health.mm,
      fullEquity: health.fullEquity,
      threshold: full ? fullAt : partialAt,
      closed: [],
      changes: liquidationChanges(machine, pool),
    });
  });
}

/** What would have kept a pool above the first threshold: a deposit of its settle asset, or a price of its largest position. */
function liquidationChanges(machine: Machine, pool: Pool): build.SmallestChanges {
  const { partialAt } = machine.rules.liquidation;
  const position = positionsOf(pool)[0];
  if (position === undefined) return {};
  const { settle, id } = position.instrument;
  const richer = (amount: Rational): Pool => {
    if (pool.kind === "isolated") return { ...pool, margin: pool.margin.plus(amount) };
    const own = pool.cash.find((one) => one.asset === settle)?.amount ?? Rational.zero;
    return {
      ...pool,
      cash: [...pool.cash.filter((one) => one.asset !== settle), { asset: settle, amount: own.plus(amount) }],
    };
  };
  const excess = (amount: Rational): Rational => {
    const health = machine.poolHealthOf(richer(amount));
    return health.maintenanceEquity.minus(health.mm.times(partialAt));
  };
  const deposit = smallestDeposit(machine.market.asset(settle).quantum, excess, true);
  const { partialPrice } = triggerPrices(pool, id, machine.market, machine.rules, false);
  return {
    deposit: deposit === null || deposit.isZero() ? null : { asset: settle, amount: deposit },
    price: partialPrice === null ? null : { id, price: partialPrice },
  };
}

/** Why a position was reduced: with its score, its place and the hash of the published decision. */
export function adlReceipt(machine: Machine, seq: number, of: Omit<build.AdlReceipt, keyof build.ReceiptHead>): void {
  keep(machine, seq, () => {
    const instrument = machine.book.instrumentIndex(of.instrument);
    const prices = pricesOf(machine, [machine.instrument(instrument).settle], [of.instrument]);
    return build.adlReceipt({ ...head(machine, "ADL-15", prices), ...of });
  });
}

export function haircutReceipt(
  machine: Machine,
  seq: number,
  asset: string,
  before: { readonly initial: Rational; readonly maintenance: Rational },
  after: { readonly initial: string; readonly maintenance: string },
): void {
  keep(machine, seq, () =>
    build.haircutReceipt({
      ...head(machine, "HAIR-06", pricesOf(machine, [asset], [])),
      asset,
      before,
      after: { initial: Rational.parse(after.initial), maintenance: Rational.parse(after.maintenance) },
      target: null,
    }),
  );
}

export function sharingReceipt(
  machine: Machine,
  seq: number,
  deficit: Deficit,
  winners: readonly Winner[],
  shared: SharedLoss,
): void {
  keep(machine, seq, () => {
    const own = winners.find((one) => one.account === shared.account && one.mode === shared.mode);
    const { id } = machine.book.assetRules(deficit.asset);
    const instrument = deficit.instrument === null ? "" : machine.instrument(deficit.instrument).id;
    return build.sharingReceipt({
      ...head(machine, "LIQ-19", pricesOf(machine, [id], instrument === "" ? [] : [instrument])),
      account: shared.account,
      mode: shared.mode,
      instrument,
      asset: id,
      saga: deficit.saga?.id ?? "",
      missing: deficit.amount,
      profit: own?.profit ?? Rational.zero,
      totalProfit: Rational.sum(winners.map((one) => one.profit)),
      fullEquity: own?.fullEquity ?? Rational.zero,
      amount: shared.amount,
    });
  });
}
