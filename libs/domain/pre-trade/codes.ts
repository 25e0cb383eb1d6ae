import type { Rational } from "#libs/decimal/index.ts";

/**
 * Every reason for which the gate (and the log's own check of an order) says no, in order of precedence, with what it means.
 * The first four are said alone: nothing else was looked at.
 */
export const refusalCodes = {
  request_reused: "the request id was used before with another content",
  overloaded: "the overlay holds as many requests or reservations as it may: try again",
  order_unknown: "there is no such order to amend, neither resting nor approved",
  gate_closed: "the gate takes cancels only: the service has closed it",
  halted: "a breaker in force, or a failed self-audit, does not permit it",
  reduce_only_mode: "only what reduces risk: the service lags behind, or its marks are old",
  unknown_instrument: "the rules list no such instrument",
  unknown_asset: "the rules list no such asset (asked in a what-if)",
  instrument_closed: "the instrument has expired",
  out_of_range: "a quantity or price that is not positive, or larger than the book can hold",
  price_missing: "a price that the check needs has never been given",
  tick_size: "the price is no multiple of the tick",
  lot_size: "the quantity is no multiple of the lot",
  order_size: "the quantity is above the largest order",
  min_notional: "the value is below the minimum notional and the order may open something",
  price_band: "the price is further from the mark than the band",
  stop_price: "the stop does not lie where the order would lose",
  reduce_only_violation: "reduce-only orders together would do more than close the position",
  duplicate_order_id: "an order of that id rests or is approved already",
  pool_liquidating: "the pool is being liquidated",
  price_quality: "a price that the check leans on is not good enough",
  leverage: "notional per instrument or in total is above its leverage limit times initial equity",
  initial_margin: "initial margin with the order is above initial equity",
  position_limit: "the position with all orders of that side would be above its limit",
  open_interest_limit: "open interest with the order would be above its limit",
  open_interest_share: "the position would be too large a share of open interest",
  volume_share: "the position would be too large a share of the volume of 24 h",
  depth_share: "the position would be too large a share of the depth within 2 % of mark",
  gross_limit: "gross notional with the order would be above its limit",
  net_limit: "longs less shorts with the order would be above their limit",
  notional_limit: "total notional with the order is above the account's limit",
  delta_limit: "the delta-equivalent in one underlying would be above its limit",
  open_positions: "the account would hold more positions than it may",
  exposure: "gross notional would be too large a share of equity",
  position_share: "the position would be too large a share of equity",
  sector_share: "the sector would be too large a share of equity",
  collateral_concentration: "one asset is too large a share of the account's collateral",
  velocity_orders: "more orders in a window of time than there may be",
  velocity_value: "more value of orders in a window of time than there may be",
  orders_per_day: "more orders in a day than there may be",
  trades_per_day: "the trades that a day may see have been made",
  counterparty_limit: "more would stand with one counterparty than may",
  venue_limit: "more would stand at one venue than may",
  short_ban: "nobody may be short of this instrument",
  locate: "more would be short than has been located",
  instrument_restricted: "the client may not open anything on this instrument",
  day_loss: "the loss of the day has reached its limit",
  week_loss: "the loss of the week has reached its limit",
  drawdown: "the fall from the peak has reached its limit",
  risk_per_trade: "the order would lose too large a share of equity at its stop",
  risk_sum: "the account would lose too large a share of equity at its stops together (warns, refuses nothing)",
  correlation: "the new position moves too much like the portfolio",
  batch_refused: "the order would pass, but not every order of its batch does",
} as const;

export type RefusalCode = keyof typeof refusalCodes;

const precedence: ReadonlyMap<string, number> = new Map(Object.keys(refusalCodes).map((code, at) => [code, at]));
const inOrder = (codes: readonly RefusalCode[]): RefusalCode[] =>
  codes.toSorted((left, right) => (precedence.get(left) ?? 0) - (precedence.get(right) ?? 0));

/** What was found and what is permitted, how much is left of that (negative: missing), and which level of the limits says so. */
export interface Bounded {
  readonly value: string;
  readonly bound: string;
  readonly headroom?: string;
  readonly level?: string;
}

/** A reason of refusal that one check has found. */
export interface Finding {
  readonly code: RefusalCode;
  /** null: nothing was measured. */
  readonly numbers: Bounded | null;
}

/** A finding of what is no amount, or not measured at all. */
export const stated = (code: RefusalCode, value = "", bound = ""): Finding => ({
  code,
  numbers: value === "" ? null : { value, bound },
});

/** An amount against its bound. Values are rounded up, bounds and what is left down. */
export function bounded(value: Rational, bound: Rational, level?: string): Bounded {
  const headroom = bound.minus(value).toStringDown();
  const numbers = { value: value.toStringUp(), bound: bound.toStringDown(), headroom };
  return level === undefined ? numbers : { ...numbers, level };
}

/** A finding of an amount that is not within its bound. */
export function measured(code: RefusalCode, value: Rational, bound: Rational, level?: string): Finding {
  return { code, numbers: bounded(value, bound, level) };
}

/** LIM-27: what is told as if its check always ran in shadow. */
const warnsOnly: ReadonlySet<RefusalCode> = new Set<RefusalCode>(["risk_sum"]);

/** Reasons of refusal, each once: those that refuse, and those of checks that run in shadow, which are only told. */
export class Refusal {
  readonly #shadow: ReadonlySet<string>;
  readonly #found = new Map<RefusalCode, Bounded | null>();
  readonly #told = new Map<RefusalCode, Bounded | null>();

  /** `shadow`: codes that refuse nothing (LIM-10). */
  constructor(shadow: ReadonlySet<string> = new Set()) {
    this.#shadow = shadow;
  }

  take(finding: Finding | null): void {
    if (finding === null) return;
    const kept = this.#shadow.has(finding.code) || warnsOnly.has(finding.code) ? this.#told : this.#found;
    if (!kept.has(finding.code)) kept.set(finding.code, finding.numbers);
  }

  get isEmpty(): boolean {
    return this.#found.size === 0;
  }

  get hasShadow(): boolean {
    return this.#told.size > 0;
  }

  /** In order of precedence. */
  codes(): RefusalCode[] {
    return inOrder([...this.#found.keys()]);
  }

  /** Codes of checks in shadow that would have refused, in order of precedence. */
  shadow(): RefusalCode[] {
    return inOrder([...this.#told.keys()]);
  }

  /** By code, of those that have any. */
  get numbers(): Record<string, Bounded> {
    return numbersOf(this.#found);
  }
  get shadowNumbers(): Record<string, Bounded> {
    return numbersOf(this.#told);
  }
}

function numbersOf(kept: ReadonlyMap<RefusalCode, Bounded | null>): Record<string, Bounded> {
  const numbers: Record<string, Bounded> = {};
  for (const [code, one] of kept) if (one !== null) numbers[code] = one;
  return numbers;
}
