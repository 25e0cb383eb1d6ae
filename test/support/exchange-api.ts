import fastify from "fastify";
import type { Execution } from "../../docs/examples/integration/gateway.ts";

interface Order {
  readonly account: string;
  readonly id: string;
  readonly instrument: string;
  readonly side: "buy" | "sell";
  lots: number;
  readonly price: number;
}
interface Placed extends Omit<Order, "lots" | "price"> {
  readonly qty: string;
  readonly price?: string;
  readonly ioc?: boolean;
}

const lot = 1_000;
const text = (lots: number): string => String(lots / lot);

/** An exchange with an API and no idea of margin, as `docs/examples/integration/gateway.ts` needs it. */
export class ExchangeApi {
  readonly executions: Execution[] = [];
  readonly taken: Placed[] = [];
  /** Every order is refused with this status; null: taken. */
  refusing: number | null = null;
  url = "";
  readonly #app = fastify();
  readonly #known = new Set<string>();
  #orders: Order[] = [];
  #trades = 0;

  async open(): Promise<string> {
    this.#app.post("/orders", (request, reply) => {
      if (this.refusing !== null) return reply.code(this.refusing).send({});
      this.#place(request.body as Placed);
      return { last: this.executions.length };
    });
    this.#app.delete("/orders/:account/:id", (request) =>
      this.#cancel(request.params as Pick<Order, "account" | "id">),
    );
    this.#app.delete("/orders/:account", (request) => this.#cancel(request.params as Pick<Order, "account">));
    this.#app.get("/depth", (request) => {
      const { instrument, side, limit } = request.query as { instrument: string; side: "buy" | "sell"; limit?: string };
      const met = this.#against({ instrument, side, account: "" }, limit === undefined ? null : Number(limit));
      return { qty: text(met.reduce((sum, { lots }) => sum + lots, 0)) };
    });
    this.#app.get("/executions", (request) => {
      const { after } = request.query as { after: string };
      return this.executions.slice(Number(after), Number(after) + 3);
    });
    this.url = await this.#app.listen({ port: 0, host: "127.0.0.1" });
    return this.url;
  }

  async close(): Promise<void> {
    await this.#app.close();
  }

  #against(
    { instrument, side, account }: Pick<Order, "instrument" | "side" | "account">,
    limit: number | null,
  ): Order[] {
    return this.#orders
      .filter((one) => one.instrument === instrument && one.side !== side && one.account !== account)
      .filter(({ price }) => limit === null || (side === "buy" ? price <= limit : price >= limit))
      .sort((left, right) => (side === "buy" ? left.price - right.price : right.price - left.price));
  }

  #tell(kind: Execution["kind"], order: Order, lots: number, price: number, more: Partial<Execution> = {}): void {
    const { account, id, instrument, side } = order;
    const n = this.executions.length + 1;
    const place = { n, kind, account, order: id, instrument, side };
    this.executions.push({ ...place, qty: text(lots), price: String(price), ...more });
  }

  #place(placed: Placed): void {
    const key = `${placed.account} ${placed.id}`;
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.taken.push(placed);
    const limit = placed.price === undefined ? null : Number(placed.price);
    const order: Order = { ...placed, lots: Math.round(Number(placed.qty) * lot), price: limit ?? 0 };
    for (const maker of this.#against(order, limit)) {
      const lots = Math.min(maker.lots, order.lots);
      if (lots === 0) break;
      const trade = `x-${(this.#trades += 1)}`;
      for (const [one, liquidity] of [
        [maker, "maker"],
        [order, "taker"],
      ] as const) {
        one.lots -= lots;
        this.#tell("trade", one, lots, maker.price, { trade, liquidity });
      }
      if (maker.lots === 0) this.#tell("done", maker, 0, maker.price);
    }
    this.#orders = this.#orders.filter(({ lots }) => lots > 0);
    if (order.lots === 0 || placed.ioc === true || limit === null)
      return this.#tell("done", order, order.lots, order.price);
    this.#orders.push(order);
    this.#tell("open", order, order.lots, order.price);
  }

  #cancel({ account, id }: { readonly account: string; readonly id?: string }): { readonly last: number } {
    const gone = this.#orders.filter((one) => one.account === account && (id === undefined || one.id === id));
    this.#orders = this.#orders.filter((one) => !gone.includes(one));
    for (const order of gone) this.#tell("done", order, order.lots, order.price);
    return { last: this.executions.length };
  }
}
