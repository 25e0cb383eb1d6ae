import type { MarksData } from "#libs/contracts/stream/market.ts";
import { add, compare, multiply } from "./amounts.ts";

export interface Prices {
  readonly index: Readonly<Record<string, string>>;
  readonly mark: Readonly<Record<string, string>>;
}

/** The index of an asset moved by a share (`-0.12`), and every mark that follows it by the same. Exact to 1e-18; null: not above zero. */
export function moved(marks: MarksData, asset: string, share: string): Prices | null {
  const factor = add("1", share);
  const price = marks.indices[asset]?.price ?? null;
  if (price === null || compare(factor, "0") <= 0) return null;
  const followers = Object.entries(marks.marks).flatMap(([id, mark]) =>
    mark.index === asset && mark.price !== null ? [[id, multiply(mark.price, factor)] as const] : [],
  );
  return { index: { [asset]: multiply(price, factor) }, mark: Object.fromEntries(followers) };
}
