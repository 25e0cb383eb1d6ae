import type { InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";

type Change = (document: RuleDocument) => RuleDocument;

const everyInstrument =
  (change: (one: InstrumentDocument) => Partial<InstrumentDocument>): Change =>
  (document) => ({ ...document, instruments: document.instruments.map((one) => ({ ...one, ...change(one) })) });

const scaled = (text: string, factor: number): string => Math.min(1, Number(text) * factor).toFixed(6);

/** Changes of rules while the exchange runs: dearer and cheaper margins, thresholds, haircuts, funds, providers. */
export const ruleVariants: readonly Change[] = [
  everyInstrument((one) => ({
    tiers: (one.tiers ?? []).map((tier) => ({ ...tier, im: scaled(tier.im, 2), mm: scaled(tier.mm, 2) })),
  })),
  everyInstrument((one) => ({
    tiers: (one.tiers ?? []).map((tier) => ({ ...tier, im: scaled(tier.im, 0.8), mm: scaled(tier.mm, 0.8) })),
  })),
  everyInstrument((one) => ({ tierMode: one.tierMode === "whole" ? ("progressive" as const) : ("whole" as const) })),
  everyInstrument(() => ({ maxLeverage: "5" })),
  everyInstrument(() => ({ adlPolicy: "queue" as const, liquidationFee: "0.01" })),
  (document) => ({ ...document, liquidation: { ...document.liquidation, target: "1.2" } }),
  (document) => ({
    ...document,
    liquidation: { ...document.liquidation, partialAt: "1.15", target: "1.3" },
    warnings: ["1.6"],
  }),
  (document) => ({
    ...document,
    assets: document.assets.map((one) => (one.id === "BTC" ? { ...one, slices: [{ weight: "0.6" }] } : one)),
  }),
  (document) => ({ ...document, fund: { ...document.fund, eventCap: "100" } }),
  (document) => ({
    ...document,
    providers: [{ account: "lp1", instrument: "BTC-PERP", capacity: "1000", discount: "0.001" }],
  }),
  // Refused whole, or the exchange would stand on other terms than its positions were opened on.
  (document) => ({ ...document, liquidation: { ...document.liquidation, partialAt: "0.5" } }),
];
