import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { type Bus, connectBus } from "#libs/adapters/nats/index.ts";
import type { HandshakeReply, TradingReply } from "#libs/contracts/live/venue.ts";
import type { Entry } from "#libs/contracts/log.ts";
import { Random } from "#libs/simulation/random.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { useNats } from "../support/servers.ts";
import { venueDocument } from "../support/venue.ts";
import { loggedEntries } from "../support/venue-log.ts";

const nats = useNats();
const rounds = 5;
const traders = 6;
const lot = 100;

/** What a trader was told last of an order; `sure` until a request about it was left without an answer. */
interface Told {
  readonly account: string;
  readonly id: string;
  sure: boolean;
  /** Lots of the whole order and its price. */
  lots: number;
  price: string;
  over: boolean;
}

/** Traders that place, amend and cancel one after the other, and remember each answer that they got. */
class Traders {
  readonly told: Told[] = [];
  readonly #bus: Bus;
  readonly #random = new Random(11, 3);
  #count = 0;
  answers = 0;
  stopped = false;
  /** While the venue is down nobody asks. */
  up: Promise<unknown> = Promise.resolve();

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async run(account: string): Promise<void> {
    while (!this.stopped) {
      await this.up;
      const own = this.told.filter((one) => one.account === account && !one.over && one.sure);
      const order = own[this.#whole(Math.max(1, own.length))];
      const draw = this.#random.unit();
      if (order === undefined || draw < 0.5) await this.#place(account);
      else if (draw < 0.8) await this.#amend(order);
      else await this.#cancel(order);
    }
  }

  #whole(below: number): number {
    return Math.floor(this.#random.unit() * below);
  }

  async #ask(verb: "place" | "amend" | "cancel", body: object): Promise<TradingReply | null> {
    const subject = this.#bus.names.subjects.trading(verb);
    const reply = await this.#bus.request<TradingReply>(subject, body, { timeoutMs: 2_000 }).catch(() => null);
    if (reply !== null) this.answers += 1;
    return reply;
  }

  async #place(account: string): Promise<void> {
    const id = `${account}-${(this.#count += 1)}`;
    const [lots, price] = [1 + this.#whole(9), String(48 + this.#whole(5))];
    const side = this.#random.unit() < 0.5 ? "buy" : "sell";
    const order: Told = { account, id, sure: true, lots, price, over: false };
    this.told.push(order);
    const reply = await this.#ask("place", {
      account,
      id,
      instrument: "BTC-PERP",
      side,
      qty: String(lots / lot),
      price,
    });
    this.#note(order, reply);
  }

  async #amend(order: Told): Promise<void> {
    const { account, id } = order;
    const [lots, price] = [order.lots + this.#whole(6) - 2, String(48 + this.#whole(5))];
    if (lots < 1) return;
    const reply = await this.#ask("amend", { account, id, qty: String(lots / lot), price });
    if (reply !== null && reply.state !== "rejected") Object.assign(order, { lots, price });
    // Refused, it stands as it stood; one that is not known has filled.
    if (reply?.state !== "rejected" || reply.codes.includes("order_unknown")) this.#note(order, reply);
  }

  async #cancel(order: Told): Promise<void> {
    const { account, id } = order;
    this.#note(order, await this.#ask("cancel", { account, id }));
  }

  #note(order: Told, reply: TradingReply | null): void {
    if (reply === null) order.sure = false;
    else if (reply.state !== "resting") order.over = true;
  }
}

/** What the entries say: open lots and price of each order, and the lots that it has filled. */
function mirror(entries: readonly Entry[]) {
  const open = new Map<string, { lots: number; price: string }>();
  const filled = new Map<string, number>();
  const lotsOf = (qty: string): number => Math.round(Number(qty) * lot);
  for (const entry of entries) {
    if (entry.k === "order")
      open.set(`${entry.account} ${entry.id}`, { lots: lotsOf(entry.qty), price: entry.price ?? "" });
    if (entry.k === "cancel") open.delete(`${entry.account} ${entry.id}`);
    if (entry.k !== "fill") continue;
    const key = `${entry.account} ${entry.order}`;
    filled.set(key, (filled.get(key) ?? 0) + lotsOf(entry.qty));
    const order = open.get(key);
    if (order === undefined) continue;
    order.lots -= lotsOf(entry.qty);
    if (order.lots <= 0) open.delete(key);
  }
  return { open, filled };
}

test("traders' orders, amendments and cancels that were answered are there after every kill", async () => {
  const folder = mkdtempSync(`${tmpdir()}/plimsoll-venue-`);
  writeFileSync(`${folder}/rules.json`, JSON.stringify(venueDocument));
  const bus = await connectBus({ url: nats().url, name: "test", namespace: `kill${process.pid}` });
  const answer = (data: Uint8Array) => {
    const { request } = JSON.parse(new TextDecoder().decode(data)) as { request: string };
    const basis = { epoch: 1, appliedSeq: 1, frame: 1, ruleVersion: 1, numbers: {} };
    return { request, decision: "accept", codes: [], ...basis, expiresAt: Date.now() + 500, ttlMs: 500 };
  };
  for (const verb of ["check", "amend"] as const) bus.respond(bus.names.subjects.rpc("0", verb), answer);
  const start = async (): Promise<RunningApp> => {
    const servers = { NATS_URL: nats().url, PLIMSOLL_NAMESPACE: bus.names.namespace };
    const app = await spawnApp("venue", { ...servers, PLIMSOLL_DATA: folder, PLIMSOLL_RULES: `${folder}/rules.json` });
    await app.whenMessage("ready");
    return app;
  };
  let venue = await start();
  try {
    const all = new Traders(bus);
    const running = Array.from({ length: traders }, async (_, at) => all.run(`trader-${at}`));
    for (let round = 0; round < rounds; round += 1) {
      const enough = all.answers + 40 + 31 * round;
      await expect.poll(() => all.answers, { timeout: 60_000, interval: 5 }).toBeGreaterThan(enough);
      const killed = venue.kill();
      const started = killed.then(start);
      all.up = started;
      venue = await started;
    }
    all.stopped = true;
    await Promise.all(running);
    await check(bus, all.told);
  } finally {
    await venue.stop();
    await bus.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

async function check(bus: Bus, told: readonly Told[]): Promise<void> {
  const { lastSeq, openOrders } = await bus.request<HandshakeReply>(
    bus.names.subjects.venue("handshake"),
    { shard: "0", epoch: 2 },
    { timeoutMs: 10_000 },
  );
  const entries = await loggedEntries(bus, lastSeq);
  expect(entries.map(({ sourceSeq }) => sourceSeq)).toEqual(entries.map((_, at) => at + 1));
  const { open, filled } = mirror(entries);
  expect(openOrders.map(({ account, id }) => `${account} ${id}`).sort()).toEqual([...open.keys()].sort());
  const sure = told.filter((one) => one.sure);
  expect(sure.length).toBeGreaterThan(told.length / 2);
  for (const { account, id, lots, price, over } of sure) {
    const key = `${account} ${id}`;
    const now = open.get(key);
    if (over) expect([key, now]).toEqual([key, undefined]);
    else if (now === undefined) expect([key, filled.get(key)]).toEqual([key, lots]);
    else expect([key, now]).toEqual([key, { lots: lots - (filled.get(key) ?? 0), price }]);
  }
}
