import { type Database, enqueueEntry } from "#libs/adapters/postgres/index.ts";
import type { Bus } from "#libs/adapters/nats/index.ts";
import type { Decision } from "#libs/contracts/live/pre-trade.ts";
import { shardOf } from "#libs/contracts/live/shards.ts";
import { sources } from "#libs/contracts/live/subjects.ts";
import type { EntryBody } from "#libs/contracts/log.ts";
import { wait } from "#libs/process/backoff.ts";
import { type Ask, calm, type Case, drillAccount, drillCases, drillInstrument, drillPrice } from "./drill-cases.ts";
import type { Check } from "./ending.ts";
import type { LiveModel } from "./model.ts";

const askWithinMs = 2_000;
const betweenMs = 250;
const quoteMs = 200;
const money = "10000";

export interface DrillParts {
  readonly bus: Bus;
  readonly db: Database;
  readonly model: LiveModel;
  readonly shards: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * While the exchange runs, one account after the other asks for what its limits forbid: each check of the gate is seen to refuse. Only
 * asked, never placed. A service that lags or a price that is stale is waited out.
 */
export class Drill {
  readonly #parts: DrillParts;
  readonly #refused = new Set<string>();
  readonly #running: Promise<void>;
  #asked = 0;
  #over = false;

  constructor(parts: DrillParts) {
    this.#parts = parts;
    this.#running = this.#run().catch(() => {});
  }

  /** Codes that have been seen, of all that are tried. */
  get shown(): string {
    return `${this.#refused.size} of ${drillCases.length}`;
  }

  /** What is not shown by now is not shown any more. */
  async ended(): Promise<Check> {
    this.#over = true;
    await this.#running;
    const missing = drillCases.filter(({ code }) => !this.#refused.has(code)).map(({ code }) => code);
    const detail = missing.length === 0 ? `${this.shown} codes` : `not: ${missing.join(", ")}`;
    return { what: "checks of the gate refuse", ok: missing.length === 0, detail };
  }

  async #run(): Promise<void> {
    const { bus, model } = this.#parts;
    const quotes = setInterval(() => {
      bus.publish(bus.names.subjects.quote(calm.source, calm.asset), { price: calm.price, t: model.t });
    }, quoteMs);
    this.#parts.signal.addEventListener("abort", () => clearInterval(quotes), { once: true });
    await this.#prepare();
    for (const one of drillCases)
      while (!this.#over && !this.#parts.signal.aborted) {
        if (await this.#shows(one).catch(() => false)) {
          this.#refused.add(one.code);
          break;
        }
        await wait(betweenMs, this.#parts.signal);
      }
  }

  async #prepare(): Promise<void> {
    const halt: EntryBody = {
      k: "halt",
      scope: "account",
      id: drillAccount("halted"),
      state: "paused",
      reason: "drill",
    };
    for (const { code } of drillCases) {
      const account = drillAccount(code);
      await this.#enter(account, "money", { k: "cash", account, asset: "USDT", amount: money });
    }
    await this.#enter(drillAccount("halted"), "halt", halt);
  }

  async #enter(account: string, key: string, body: EntryBody): Promise<void> {
    const { db, model, shards } = this.#parts;
    const entry = { source: sources.operator, shard: shardOf(account, shards), key: `${account}-${key}`, body };
    await enqueueEntry(db, { ...entry, t: model.t });
  }

  /** Whether the last question of a case is refused with its code, and those before it were not in its way. */
  async #shows({ code, asks, sameRequest = false }: Case): Promise<boolean> {
    const mark = this.#parts.model.marks.get(drillInstrument);
    if (mark === undefined) return false;
    const price = drillPrice(mark.price);
    let codes: readonly string[] = [];
    this.#asked += 1;
    const first = `drill-${this.#asked}`;
    for (const ask of asks(price)) {
      if (!sameRequest) this.#asked += 1;
      codes = await this.#codes(drillAccount(code), sameRequest ? first : `drill-${this.#asked}`, ask);
    }
    return codes.includes(code);
  }

  async #codes(account: string, request: string, ask: Ask): Promise<readonly string[]> {
    const { bus, shards } = this.#parts;
    const verb = "order" in ask ? "check" : "amend";
    const body = "order" in ask ? ask : { order: ask.amend, qty: ask.qty };
    const subject = bus.names.subjects.rpc(shardOf(account, shards), verb);
    const asked = { request, account, ...body };
    return (await bus.request<Decision>(subject, asked, { timeoutMs: askWithinMs })).codes;
  }
}
