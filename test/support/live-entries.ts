import type { LiveKind } from "#libs/contracts/live/entries.ts";

const header = { t: 1_760_000_000_000, sourceSeq: 7 };
const venue = { ...header, source: "venue" };
const operator = { ...header, source: "operator" };
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** One sound entry of every kind that a live log may hold, with every key it may have. */
export const liveEntries: Readonly<Record<LiveKind, Readonly<Record<string, unknown>>>> = {
  frame: {
    k: "frame",
    ...header,
    source: "mark-price",
    index: { BTC: "50000.5", USDT: "1" },
    mark: { "BTC-PERP": "50001" },
    quality: { BTC: "good" },
    haircut: { BTC: { initial: "0.1", maintenance: "0.05" } },
    inputs: {
      BTC: {
        price: "50000.5",
        used: [{ source: "kraken", price: "50000.5", ageMs: 12, weight: "1" }],
        dropped: [{ source: "okx", reason: "stale" }],
      },
      ETH: { price: null, used: [], dropped: [] },
    },
  },
  cash: { k: "cash", ...operator, account: "alice", asset: "USDT", amount: "-5.5", trace },
  fund: { k: "fund", ...operator, asset: "USDT", amount: "100" },
  house: { k: "house", ...operator, asset: "USDT", amount: "0" },
  transfer: { k: "transfer", ...operator, from: "alice", to: "bob", asset: "USDT", amount: "1" },
  mode: { k: "mode", ...operator, account: "alice", instrument: "BTC-PERP", mode: "isolated", leverage: "10" },
  order: {
    k: "order",
    ...venue,
    account: "alice",
    id: "o-1",
    instrument: "BTC-PERP",
    side: "buy",
    qty: "1",
    price: "50000",
    reduceOnly: false,
    approval: { request: "r-1", epoch: 3, until: 1_760_000_000_500 },
  },
  cancel: { k: "cancel", ...venue, account: "alice", id: "o-1", request: "r-1" },
  fill: {
    k: "fill",
    ...venue,
    trade: "t-1",
    account: "alice",
    instrument: "BTC-PERP",
    side: "sell",
    qty: "0.5",
    price: "50000",
    liquidity: "taker",
    order: "o-1",
    request: "r-1",
    trace,
  },
  attest: {
    k: "attest",
    ...venue,
    from: 0,
    to: 4096,
    positions: [
      ["alice", "BTC-PERP", "-1.5"],
      ["bob", "BTC-PERP", "1.5"],
    ],
  },
  margin: { k: "margin", ...operator, account: "alice", instrument: "BTC-PERP", amount: "-3" },
  funding: { k: "funding", ...header, source: "scheduler", instrument: "BTC-PERP", rate: "-0.0001" },
  settle: { k: "settle", ...header, source: "scheduler", instrument: "BTC-PERP" },
  convert: { k: "convert", ...operator, account: "alice" },
  rules: {
    k: "rules",
    ...operator,
    base: 1,
    document: {
      assets: [{ id: "USDT", quantum: "0.00000001" }],
      instruments: [
        {
          id: "BTC-PERP",
          kind: "linear",
          base: "BTC",
          quote: "USDT",
          settle: "USDT",
          tiers: [{ from: "0", im: "0.01", mm: "0.005" }],
        },
      ],
      marks: { sources: { BTC: { kraken: "1" } } },
    },
  },
  halt: { k: "halt", ...operator, scope: "account", id: "alice", state: "reduce_only", reason: "drill, é" },
  deleverage: { k: "deleverage", ...operator, account: "alice", instrument: "BTC-PERP", qty: "0.5", trace },
  expire: { k: "expire", ...header, source: "scheduler", instrument: "BTC-0326", price: "50000" },
  session: { k: "session", ...header, source: "scheduler", session: "day", start: 1_759_968_000_000 },
  time: { k: "time", ...header, source: "clock" },
  blocked: { k: "blocked", ...venue, effect: "e-1" },
  withdrawn: { k: "withdrawn", ...venue, effect: "e-2" },
  cancelled: { k: "cancelled", ...venue, effect: "e-4", orders: 3 },
  resumed: { k: "resumed", ...header, source: "liquidation", effect: "e-3" },
  closed: {
    k: "closed",
    ...venue,
    effect: "e-4",
    fills: [{ qty: "1", price: "49000", trade: "t-2" }],
    exhausted: true,
  },
};
