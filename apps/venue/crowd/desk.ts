import type { Bus } from "#libs/adapters/nats/index.ts";
import type { PlaceOrder, TradingReply } from "#libs/contracts/live/venue.ts";

const timeoutMs = 3_000;

/** Order entry as any trader has it. A request without an answer counts as refused: the next one tells. */
export class OrderDesk {
  readonly #bus: Bus;
  readonly #run: string;
  #count = 0;
  readonly counts = new Map<string, number>();

  /** `run`: keeps the ids of one run apart from another's. */
  constructor(bus: Bus, run: string) {
    this.#bus = bus;
    this.#run = run;
  }

  /** Whether any order has been taken yet. */
  get accepted(): boolean {
    return this.counts.has("resting") || this.counts.has("filled");
  }

  async place(order: Omit<PlaceOrder, "id">): Promise<TradingReply> {
    this.#count += 1;
    const id = `${this.#run}-${this.#count.toString(36)}`;
    const reply = await this.#ask<TradingReply>("place", { ...order, id }).catch((): TradingReply => ({
      id,
      state: "rejected",
      filled: "0",
      codes: ["no_answer"],
    }));
    const said = reply.codes[0] ?? reply.state;
    this.counts.set(said, (this.counts.get(said) ?? 0) + 1);
    return reply;
  }

  async cancelAll(account: string, instrument: string): Promise<void> {
    await this.#ask("cancel-all", { account, instrument }).catch(() => {});
  }

  #ask<T>(verb: "place" | "cancel-all", body: unknown): Promise<T> {
    return this.#bus.request<T>(this.#bus.names.subjects.trading(verb), body, { timeoutMs });
  }
}
