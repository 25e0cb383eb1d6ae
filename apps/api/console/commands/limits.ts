import type { LimitKey } from "#libs/domain/rule-set/limit-types.ts";
import { exact, percent } from "../format.ts";

type Unit = "contracts" | "share" | "USD" | "×" | "";

/** What each limit bounds, for people (docs/scenario.md). */
export const limitNames: Readonly<Record<LimitKey, readonly [text: string, unit: Unit]>> = {
  maxPosition: ["Position, either side", "contracts"],
  maxLong: ["Long position", "contracts"],
  maxShort: ["Short position", "contracts"],
  maxOrderQty: ["One order", "contracts"],
  maxOpenInterest: ["Open interest of all accounts", "contracts"],
  maxOpenInterestShare: ["Position over open interest", "share"],
  maxVolumeShare: ["Position over the volume of 24 h", "share"],
  maxDepthShare: ["Position over the depth within 2 %", "share"],
  maxPositionShare: ["A position's notional over equity", "share"],
  maxInstrumentLeverage: ["Leverage on an instrument", "×"],
  maxSlippage: ["A fill's distance from mark", "share"],
  maxLeverage: ["Leverage of an account", "×"],
  maxNotionalUsd: ["Notional, orders included", "USD"],
  maxGrossUsd: ["Gross notional", "USD"],
  maxNetUsd: ["Net notional, either sign", "USD"],
  maxDeltaUsd: ["Delta in one underlying", "USD"],
  maxOpenPositions: ["Open positions", ""],
  maxExposure: ["Gross notional over equity", "×"],
  maxSectorShare: ["A sector's notional over equity", "share"],
  maxCounterpartyUsd: ["Notional with one counterparty", "USD"],
  maxVenueUsd: ["Notional at one venue", "USD"],
  maxRiskShare: ["Loss of an order at its stop over equity", "share"],
  maxRiskSumShare: ["Loss at all stops over equity", "share"],
  maxCorrelation: ["Correlation with the portfolio", ""],
  dayLoss: ["Loss of a day", "share"],
  weekLoss: ["Loss of a week", "share"],
  drawdown: ["Fall from the peak", "share"],
  ordersPerDay: ["Orders in a UTC day", ""],
  tradesPerDay: ["Trades in a UTC day", ""],
};

export const isLimit = (text: string): text is LimitKey => Object.hasOwn(limitNames, text);

/** A figure of that limit in its own unit. */
export function figureOf(limit: string, value: string): string {
  const unit = isLimit(limit) ? limitNames[limit][1] : "";
  if (unit === "USD") return `$${exact(value)}`;
  if (unit === "share") return percent(value, 2);
  return `${exact(value)}${unit === "×" ? "×" : unit === "" ? "" : ` ${unit}`}`;
}
