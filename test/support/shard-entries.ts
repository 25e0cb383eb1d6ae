import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import type { EntryBody, Side } from "#libs/contracts/log.ts";
import type { RunningApp } from "#libs/process/spawn-app.ts";
import type { LiveShard } from "./live-shard.ts";

/** What tests of a live shard put into its log. */
export const startPrice = "50000";

export const frame = (price = startPrice): EntryBody => ({
  k: "frame",
  index: { USDT: "1", BTC: price },
  mark: { "BTC-PERP": price },
});

export function half(account: string, side: Side, trade: string, qty = "0.01", price = startPrice): EntryBody {
  const common = { k: "fill", trade, account, instrument: "BTC-PERP", side, qty, price } as const;
  return { ...common, liquidity: side === "buy" ? "taker" : "maker", order: `o-${trade}-${account}` };
}

/** An order as it rests, approved for as long as a test runs. */
export function resting(account: string, id: string, price: string, more: object = {}): EntryBody {
  const approval = { request: `r-${id}`, epoch: 1, until: 1_800_000_000_000 };
  return { k: "order", account, id, instrument: "BTC-PERP", side: "buy", qty: "0.01", price, approval, ...more };
}

/** Prices, and money for those who trade. */
export async function seed(shard: LiveShard, accounts: readonly string[] = ["alice", "bob"]): Promise<void> {
  await shard.put("mark-price", frame());
  for (const account of accounts) await shard.put("operator", { k: "cash", account, asset: "USDT", amount: "100000" });
}

/** Both halves of a trade of 0.01. */
export async function trade(shard: LiveShard, buyer = "alice", seller = "bob"): Promise<void> {
  const id = `t-${shard.partner.entries.length}`;
  await Promise.all([shard.trade(half(buyer, "buy", id)), shard.trade(half(seller, "sell", id))]);
}

export const question = (request: string, qty: string) => ({
  request,
  account: "alice",
  order: { id: request, instrument: "BTC-PERP", side: "buy", qty, price: startPrice },
});

const triesMax = 100;

/**
 * The gate's answer while it is open. It is open on new marks alone, which a busy machine may let grow old on the way: then the question
 * is put again under another id, which the answer names.
 */
export async function check(shard: LiveShard, request: string, qty: string, more: object = {}): Promise<Decision> {
  for (let attempt = 1; ; attempt += 1) {
    await shard.put("mark-price", frame());
    await shard.settled();
    const id = attempt === 1 ? request : `${request}-${attempt}`;
    const answer = await shard.ask<Decision>("check", { ...question(id, qty), ...more });
    if (!answer.codes.includes("reduce_only_mode") || attempt === triesMax) return answer;
  }
}

/** What a process answers on its port for health and metrics. */
export async function httpOf(app: RunningApp, path: string): Promise<string> {
  const { port } = await app.whenMessage("listening");
  return (await fetch(`http://127.0.0.1:${String(port)}${path}`)).text();
}

/** One series as `/metrics` shows it; NaN where there is none. `labels`: as written there, without the name of the process. */
export async function metricOf(app: RunningApp, name: string, labels = ""): Promise<number> {
  const all = await httpOf(app, "/metrics");
  for (const line of all.split("\n")) {
    const [, found, has = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const own = has.split(",").filter((one) => one !== "" && !one.startsWith("app="));
    if (found === name && own.join(",") === labels) return Number(value);
  }
  return Number.NaN;
}
