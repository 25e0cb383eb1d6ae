import { expect, test } from "vitest";
import { eventually } from "#test/support/live-shard.ts";
import { LiveExchange } from "#test/support/live-exchange.ts";

const withinMs = 240_000;
/** The first of these prices is too low for the first trader, the last for everybody. */
const falling = ["49200", "49000", "48900", "48700"];
const traders = Array.from({ length: 12 }, (_, at) => `t${at + 1}`);

/** A maker with deep orders on both sides, and traders at a leverage of about 50, each a little higher than the one before. */
async function opened(): Promise<LiveExchange> {
  const exchange = await LiveExchange.start();
  await exchange.deposit("maker", "100000000");
  for (const [at, trader] of traders.entries()) await exchange.deposit(trader, String(1_000 + 40 * at));
  await exchange.settled();
  await exchange.place({ account: "maker", side: "sell", qty: "100", price: "50000" });
  await exchange.place({ account: "maker", side: "buy", qty: "100", price: "49990" });
  for (const trader of traders) {
    const reply = await exchange.place({ account: trader, side: "buy", qty: "1", price: "50000", ioc: true });
    expect(reply).toMatchObject({ state: "filled", filled: "1" });
  }
  return exchange;
}

async function ended(exchange: LiveExchange, count: number): Promise<void> {
  await eventually(`${count} liquidations`, async () => {
    const outcomes = [...exchange.model.outcomes.values()];
    return outcomes.reduce((sum, one) => sum + one, 0) >= count;
  });
}

test(
  "prices, orders, fills and liquidations go through every process, and all agree in the end",
  { timeout: withinMs },
  async () => {
    const exchange = await opened();
    try {
      for (const mark of falling) {
        exchange.price(mark);
        await exchange.settled();
      }
      await ended(exchange, traders.length);
      expect(exchange.model.stages.get(3)?.steps).toBeGreaterThanOrEqual(traders.length);
      expect(exchange.latencies.get("close")?.count).toBeGreaterThanOrEqual(traders.length);
      await exchange.expectAgreement();
    } finally {
      await exchange.stop();
    }
  },
);

const victims = ["margin-0", "liquidation", "venue", "nats", "redis", "postgres"] as const;

test.each(victims)(
  "kill -9 of %s in the middle of liquidations and orders loses nothing that was acknowledged",
  { timeout: withinMs },
  async (victim) => {
    const exchange = await opened();
    const enough = new AbortController();
    try {
      const before = exchange.filled;
      let killed = false;
      // Somebody trades all along; what is not acknowledged may or may not have happened, and the books must agree either way.
      const flow = (async () => {
        for (let at = 0; !enough.signal.aborted; at += 1) {
          const side = at % 2 === 0 ? "buy" : "sell";
          const price = side === "buy" ? "50000" : "49990";
          await exchange.place({ account: "flow", side, qty: "0.01", price, ioc: true }).catch(() => {});
        }
      })();
      await exchange.deposit("flow", "100000");
      for (const mark of falling) {
        exchange.price(mark);
        if (!killed) {
          killed = true;
          await strike(exchange, victim);
        }
        await exchange.settled();
      }
      await ended(exchange, traders.length);
      const known = exchange.filled;
      await eventually("trade after the fault", async () => exchange.filled > known + 10);
      enough.abort();
      await flow;
      expect(exchange.filled).toBeGreaterThan(before);
      await exchange.settled();
      await exchange.expectAgreement();
    } finally {
      enough.abort();
      await exchange.stop();
    }
  },
);

/** Strikes while a liquidation is under way, and sees to it that the victim comes back. */
async function strike(exchange: LiveExchange, victim: (typeof victims)[number]): Promise<void> {
  await eventually("a liquidation under way", async () => exchange.model.liquidations > 0);
  if (victim === "nats" || victim === "redis" || victim === "postgres") {
    const server = exchange.servers.own.get(victim);
    if (server === undefined) throw new Error(`there is no ${victim}`);
    const { identity } = server;
    await server.kill();
    expect(server.running).toBe(false);
    await server.restart();
    // A cluster stays what it is; the other servers are new ones on the same data.
    if (victim !== "postgres") expect(server.identity).not.toBe(identity);
    return;
  }
  exchange.processes.signal(victim, "SIGKILL");
  await eventually("its end", async () => exchange.processes.restarts.get(victim) === 1);
}
