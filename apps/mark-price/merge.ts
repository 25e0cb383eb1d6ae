import type { PriceFrame } from "#libs/domain/collateral/price-frames.ts";

/** What two frames say one after the other, as one. */
export function merged(earlier: PriceFrame, later: PriceFrame): PriceFrame {
  const both: Record<string, unknown> = { ...earlier };
  for (const [part, said] of Object.entries(later)) {
    both[part] = { ...earlier[part as keyof PriceFrame], ...(said as object) };
  }
  return both;
}

export const isEmpty = (frame: PriceFrame): boolean =>
  Object.values(frame).every((part) => part === undefined || Object.keys(part as object).length === 0);
