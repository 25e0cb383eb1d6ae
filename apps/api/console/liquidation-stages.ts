/** The waterfall whose last stage is for bad debt too, by the number of its stage (docs/rules/liquidation.md). */
export const stageNames: Readonly<Record<number, string>> = {
  1: "Lock",
  2: "Partial",
  3: "Full",
  4: "Providers",
  5: "Fund-backed",
  6: "ADL",
  7: "Settle",
};
