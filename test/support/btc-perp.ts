import type { AssetDocument, InstrumentDocument } from "#libs/domain/rule-set/documents.ts";

/** The contract that tests of processes trade, and what it needs. */
export const btcPerpAssets = (): AssetDocument[] => [{ id: "USDT", quantum: "0.000001" }, { id: "BTC" }];

export const btcPerp = (changes: Partial<InstrumentDocument> = {}): InstrumentDocument => ({
  id: "BTC-PERP",
  kind: "linear",
  base: "BTC",
  quote: "USDT",
  settle: "USDT",
  index: "BTC",
  tick: "0.5",
  lot: "0.001",
  ...changes,
});
