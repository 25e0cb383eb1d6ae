import type { TSchema } from "typebox";
import { AdlData, LiquidationsData, MarginData, OrdersData, PositionsData } from "./account.ts";
import { AlertsData } from "./alerts.ts";
import type { ChannelName } from "./channels.ts";
import { FundData, FundingData, HaltsData, MarksData } from "./market.ts";
import { FactsData, InstrumentData, OverviewData, SagasData } from "./operators.ts";

/** What the data of each channel looks like. */
export interface ChannelData {
  margin: MarginData;
  positions: PositionsData;
  orders: OrdersData;
  liquidations: LiquidationsData;
  adl: AdlData;
  marks: MarksData;
  funding: FundingData;
  halts: HaltsData;
  fund: FundData;
  overview: OverviewData;
  sagas: SagasData;
  alerts: AlertsData;
  instrument: InstrumentData;
  facts: FactsData;
}

export const channelSchemas = {
  margin: MarginData,
  positions: PositionsData,
  orders: OrdersData,
  liquidations: LiquidationsData,
  adl: AdlData,
  marks: MarksData,
  funding: FundingData,
  halts: HaltsData,
  fund: FundData,
  overview: OverviewData,
  sagas: SagasData,
  alerts: AlertsData,
  instrument: InstrumentData,
  facts: FactsData,
} as const satisfies Readonly<Record<ChannelName, TSchema>>;
