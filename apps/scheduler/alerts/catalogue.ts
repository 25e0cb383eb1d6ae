/**
 * Every code of an alert with what it means, in one place: each has a runbook, docs/runbooks/<code>.md. Alarms become alerts under their
 * own codes.
 */
export const alertCodes = {
  halted: "trading is restricted: a breaker has tripped, or an operator has halted it",
  accounts_halted: "accounts are halted for the same reason",
  fund_drawdown_near: "the insurance fund nears the drawdown at which it stops paying or trading is restricted",
  liquidation_rate_near: "liquidations near the rate at which trading is restricted",
  price_move_near: "a price nears the move at which its instrument is restricted",
  open_interest_near: "an instrument nears its largest open interest",
  limit_used: "an account nears one of its limits",
  loss_limit_used: "an account nears the loss at which it is halted",
  shard_not_ready: "a shard does not answer, or not for trading",
  limits_unwatched: "nobody says how far limits are used: no follower answers",
  memory_differs: "memory and tables differ",
  ledger_differs: "tables and ledger differ",
  conservation_broken: "money or contracts are not conserved over all shards",
  clearing_open: "halves of trades have not met",
  venue_behind: "the matching engine's entries are not committed",
  positions_differ: "the matching engine attests other positions",
  snapshot_old: "a start would have to begin far back",
  partitions_low: "partitions are not made ahead",
  expiry_unsettled: "an expired instrument has no price to settle on",
  comparison_blind: "a comparison could not be made for a minute",
  effect_stuck: "the matching engine has not carried out an effect",
  provider_refused: "a provider disputes a take-over that is booked on its account",
  provider_timeout: "a provider has not answered for a take-over",
  fill_slippage: "a fill went further from the mark of its decision than the rules permit",
} as const;
export type AlertCode = keyof typeof alertCodes;

/** Alarms that end by another one, `<code>_over`; the others stand until somebody has seen them. */
export const endingAlarms: ReadonlySet<string> = new Set<AlertCode>([
  "memory_differs",
  "ledger_differs",
  "conservation_broken",
  "clearing_open",
  "venue_behind",
  "positions_differ",
  "snapshot_old",
  "partitions_low",
  "expiry_unsettled",
]);

/** Alarms after which trading should stop until they are understood. */
export const redAlarms: ReadonlySet<string> = new Set<AlertCode>([
  "memory_differs",
  "ledger_differs",
  "conservation_broken",
  "clearing_open",
  "positions_differ",
  "venue_behind",
  "effect_stuck",
]);
