import type { OrderTerms } from "#libs/contracts/live/pre-trade.ts";
import { type Engine, Gate } from "#libs/engine/index.ts";
import { instrumentCount, instrumentId, startPrice } from "./book.ts";

/** Batches of orders of one account, in one instrument and in all: what they cost together and each; `full`: with a stop and an API key. */
export function benchBatches(engine: Engine, account: string, full: boolean): void {
  for (const instruments of [1, instrumentCount])
    for (const size of [10, 100, 1000]) {
      const gate = new Gate(engine);
      const orders = Array.from({ length: size }, (_, at): { account: string; order: OrderTerms } => {
        const number = at % instruments;
        const price = startPrice(number).toFixed(4);
        const side = at % 2 === 0 ? "buy" : "sell";
        const stop = (startPrice(number) * (side === "buy" ? 0.95 : 1.05)).toFixed(4);
        const order: OrderTerms = { id: `b${at}`, instrument: instrumentId(number), side, qty: "0.001", price };
        return { account, order: full ? { ...order, stop, key: "bot" } : order };
      });
      const took: number[] = [];
      let accepted = 0;
      for (let round = 0; round < 7; round += 1) {
        const started = process.hrtime.bigint();
        // Every batch a while after the one before: nothing of that is held any longer.
        const { results } = gate.batch({ request: `r${round}`, mode: "each", orders }, round * 100_000);
        took.push(Number(process.hrtime.bigint() - started) / 1e6);
        accepted = results.filter((one) => one.decision === "accept").length;
      }
      const median = took.toSorted((left, right) => left - right)[3] ?? 0;
      const each = ((median * 1000) / size).toFixed(1);
      console.log(
        `batch of ${size} in ${instruments} instruments: ${median.toFixed(2)} ms, ${each} us an order, accepted ${accepted}`,
      );
    }
}
