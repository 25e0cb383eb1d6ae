import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import type { InstrumentDocument, RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { perpetual, rules, TestExchange, usdt } from "#test/support/exchange.ts";

export const day = 86_400_000;

/** X and Y on BTC, Z on ETH, INV inverse on BTC, all at 100 with lots of 1; alice and bob with 100,000 USDT each. */
export function limitedExchange(
  changes: Partial<RuleDocument>,
  of: Record<string, Partial<InstrumentDocument>> = {},
): TestExchange {
  const free = { tiers: [], lot: "1" };
  const document = rules({
    assets: [usdt, { id: "BTC" }, { id: "ETH", slices: [{ weight: "0" }] }],
    instruments: [
      perpetual({ ...free, ...of["X"] }),
      perpetual({ ...free, id: "Y", ...of["Y"] }),
      perpetual({ ...free, id: "Z", base: "ETH", ...of["Z"] }),
      perpetual({ ...free, id: "INV", kind: "inverse", settle: "BTC", quote: "USD", ...of["INV"] }),
    ],
    ...changes,
  });
  const exchange = new TestExchange(document);
  exchange.prices({ ETH: "100" }, {});
  for (const account of ["alice", "bob", "maker"]) exchange.cash(account, account === "maker" ? "10000000" : "100000");
  return exchange;
}

let orders = 0;
/** `buy 5 X`, `sell 5 X at 90`, `buy 5 X stop 80`: the codes of the log's own check. */
export function codesOf(exchange: TestExchange, account: string, text: string): string[] {
  const facts = exchange.apply({ k: "order", account, ...termsOf(text) });
  const rejected = facts.find((one) => one.fact === "order.rejected");
  return rejected === undefined ? [] : (rejected["codes"] as string[]);
}

export function termsOf(text: string): OrderTerms {
  const [side = "", qty = "", instrument = "", ...more] = text.split(" ");
  const named = Object.fromEntries(more.flatMap((word, at) => (at % 2 === 0 ? [[word, more[at + 1] ?? ""]] : [])));
  orders += 1;
  return {
    id: `o${orders}`,
    side: side === "buy" ? "buy" : "sell",
    qty,
    instrument,
    price: named["at"] ?? "100",
    ...(named["stop"] === undefined ? {} : { stop: named["stop"] }),
    ...(named["key"] === undefined ? {} : { key: named["key"] }),
  };
}

/** `alice 5 X, bob -3 Y`: positions from trades at 100 against the maker. */
export function hold(exchange: TestExchange, text: string): void {
  if (text === "-") return;
  for (const one of text.split(", ")) {
    const [account = "", signed = "", instrument = ""] = one.split(" ");
    const qty = signed.replace("-", "");
    if (signed.startsWith("-")) exchange.trade("maker", account, qty, "100", instrument);
    else exchange.trade(account, "maker", qty, "100", instrument);
  }
}
