import { readScenario } from "#apps/cli/scenario.ts";

/** A small exchange in order, which tests spoil in one place at a time. */
export const sound = {
  rules: {
    assets: [
      { id: "USDT", quantum: "0.00000001" },
      { id: "BTC", quantum: "0.00000001", slices: [{ upTo: "10", weight: "0.9" }, { weight: "0.5" }] },
    ],
    instruments: [
      {
        id: "BTC-PERP",
        kind: "linear",
        base: "BTC",
        quote: "USDT",
        settle: "USDT",
        lot: "0.001",
        tick: "0.1",
        maxLeverage: "100",
        tiers: [
          { from: "0", im: "0.01", mm: "0.005" },
          { from: "1000000", im: "0.02", mm: "0.01" },
        ],
      },
      { id: "BTC-0326", kind: "inverse", base: "BTC", quote: "USD", settle: "BTC", lot: "1", expiry: 9 },
    ],
    marks: { sources: { BTC: { kraken: "1", coinbase: "2" } } },
    entities: { desk: { accounts: ["dora"] } },
  },
  entries: [
    { t: 0, k: "frame", index: { USDT: "1", BTC: "50000" }, mark: { "BTC-PERP": "50000", "BTC-0326": "50000" } },
    { t: 0, k: "cash", account: "alice", asset: "USDT", amount: "6000" },
    { t: 0, k: "cash", account: "bob", asset: "USDT", amount: "6000" },
    { t: 1, k: "order", account: "alice", id: "a-1", instrument: "BTC-PERP", side: "buy", qty: "1", price: "50000" },
    {
      t: 1,
      k: "trade",
      instrument: "BTC-PERP",
      buyer: "alice",
      seller: "bob",
      qty: "1",
      price: "50000",
      buyOrder: "a-1",
    },
  ],
};

export type Found = readonly (readonly [path: string, code: string])[];

/** What the door finds wrong with a file, as paths and codes. */
export function problemsIn(file: string | Uint8Array): Found {
  const reading = readScenario(file);
  return reading.ok ? [] : reading.problems.map(({ path, code }) => [path, code] as const);
}

/** The sound file with the value at a path like `rules/assets/0/quantum` set to a JSON text, or `(removed)`. */
export function withValue(path: string, json: string): string {
  const file = structuredClone(sound) as unknown as Record<string, unknown>;
  const steps = path.split("/");
  const last = steps.pop() ?? "";
  const holder = steps.reduce((value, step) => value[step] as Record<string, unknown>, file);
  if (json === "(removed)") delete holder[last];
  else holder[last] = JSON.parse(json);
  return JSON.stringify(file);
}

/** The sound file with these entries after its own. */
export const followedBy = (...entries: readonly unknown[]): string =>
  JSON.stringify({ ...sound, entries: [...sound.entries, ...entries] });

/** Only these entries, under the sound rules. */
export const only = (...entries: readonly unknown[]): string => JSON.stringify({ ...sound, entries });
