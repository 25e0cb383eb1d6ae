import type { EntryBody } from "#libs/contracts/log.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { Engine } from "#libs/engine/index.ts";
import { Random } from "#libs/simulation/random.ts";

export const instrumentCount = 20;
const positionsEach = 3;

export const instrumentId = (number: number): string => `C${number}-PERP`;
export const startPrice = (number: number): number => 10 ** (number % 5) * (1 + number / 10);

/** Twenty linear perpetuals, two collaterals, tiers and slices of the usual shape. */
export function benchRules(): RuleDocument {
  const bases = Array.from({ length: instrumentCount }, (_, number) => `C${number}`);
  return {
    assets: [
      { id: "USDT", quantum: "0.00000001", slices: [{ upTo: "1000000", weight: "1" }, { weight: "0.98" }] },
      {
        id: "C0",
        quantum: "0.00000001",
        slices: [{ upTo: "1000000", weight: "0.95" }, { weight: "0.9" }],
        liabilityPremium: "0.05",
      },
      ...bases.slice(1).map((id) => ({ id, quantum: "0.00000001" })),
    ],
    instruments: bases.map((base, number) => ({
      id: instrumentId(number),
      kind: "linear" as const,
      base,
      quote: "USDT",
      settle: "USDT",
      index: base,
      tick: "0.0001",
      lot: "0.001",
      maxLeverage: "50",
      tiers: [
        { from: "0", im: "0.02", mm: "0.01" },
        { from: "1000000", im: "0.04", mm: "0.02" },
        { from: "10000000", im: "0.1", mm: "0.05" },
      ],
    })),
  };
}

/** A book of `accounts` cross accounts with three positions and two collaterals each, and how long its fills took. */
export function benchBook(
  accounts: number,
  seed: number,
): { readonly engine: Engine; readonly fills: number; readonly fillMs: number } {
  const engine = Engine.create(benchRules(), { quietFills: true });
  const random = new Random(seed, 1);
  const apply = (body: EntryBody): void => void engine.apply({ ...body, t: 0 });
  const index: Record<string, string> = { USDT: "1" };
  const mark: Record<string, string> = {};
  for (let number = 0; number < instrumentCount; number += 1) {
    index[`C${number}`] = startPrice(number).toFixed(4);
    mark[instrumentId(number)] = startPrice(number).toFixed(4);
  }
  apply({ k: "frame", index, mark });
  for (let account = 0; account < accounts; account += 1) {
    // Equity of 1.8 % (55-fold leverage, just above the first warning) to 62 % of the notional that follows.
    const share = 0.018 + 0.6 * random.unit() ** 2;
    apply({ k: "cash", account: `a${account}`, asset: "USDT", amount: (30_000 * share).toFixed(2) });
    apply({ k: "cash", account: `a${account}`, asset: "C0", amount: (0.2 * share * 10_000).toFixed(2) });
  }
  const started = performance.now();
  let fills = 0;
  for (let account = 0; account + 1 < accounts; account += 2)
    for (let position = 0; position < positionsEach; position += 1) {
      const number = Math.floor(random.unit() * instrumentCount);
      const qty = Math.max(1, Math.round((10_000 / startPrice(number)) * 1000)) / 1000;
      const [buyer, seller] = random.unit() < 0.5 ? [account, account + 1] : [account + 1, account];
      apply({
        k: "trade",
        instrument: instrumentId(number),
        buyer: `a${buyer}`,
        seller: `a${seller}`,
        qty: qty.toFixed(3),
        price: mark[instrumentId(number)] as string,
        fees: false,
      });
      fills += 2;
    }
  return { engine, fills, fillMs: performance.now() - started };
}
