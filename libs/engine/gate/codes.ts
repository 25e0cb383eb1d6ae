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
  reduce_only_violation: "reduce-only orders together would do more than close the position",
  duplicate_order_id: "an order of that id rests or is approved already",
  pool_liquidating: "the pool is being liquidated",
  price_quality: "a price that the check leans on is not good enough",
  leverage: "notional per instrument or in total is above its leverage limit times initial equity",
  initial_margin: "initial margin with the order is above initial equity",
  position_limit: "the position with all orders of that side would be above its limit",
  open_interest_limit: "open interest with the order would be above its limit",
  open_interest_share: "the position would be too large a share of open interest",
  notional_limit: "total notional with the order is above the account's limit",
  open_positions: "the account would hold more positions than it may",
  collateral_concentration: "one asset is too large a share of the account's collateral",
  batch_refused: "the order would pass, but not every order of its batch does",
} as const;

export type RefusalCode = keyof typeof refusalCodes;

const precedence: ReadonlyMap<string, number> = new Map(Object.keys(refusalCodes).map((code, at) => [code, at]));

export interface Bounded {
  readonly value: string;
  readonly bound: string;
}

/** Reasons of refusal, each once, with the numbers of those that have some: value found and bound permitted. */
export class Refusal {
  readonly #codes: RefusalCode[] = [];
  readonly numbers: Record<string, Bounded> = {};

  add(code: RefusalCode, value = "", bound = ""): void {
    if (this.#codes.includes(code)) return;
    this.#codes.push(code);
    if (value !== "") this.numbers[code] = { value, bound };
  }

  get isEmpty(): boolean {
    return this.#codes.length === 0;
  }

  /** In order of precedence. */
  codes(): RefusalCode[] {
    return this.#codes.toSorted((left, right) => (precedence.get(left) ?? 0) - (precedence.get(right) ?? 0));
  }
}
