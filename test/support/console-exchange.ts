import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { freePort } from "#libs/process/servers/index.ts";
import { ApiExchange } from "./api-exchange.ts";
import { launchBrowser, visit, type Visitor, type VisitorOptions } from "./browser.ts";
import { urlAs } from "./database-roles.ts";
import { exchangeRules } from "./live-exchange.ts";
import { eventually } from "./live-shard.ts";

/** A fund with a brake, warnings, and liquidations that need several steps on a thin book. */
const rules: RuleDocument = {
  ...exchangeRules,
  liquidation: { partialAt: "1.05", fullAt: "1", target: "1.1", depthShare: "0.5", maxSlippage: "0.05" },
  warnings: ["1.5", "1.25", "1.1"],
  fund: { eventCap: "1000000", brake: { drawdown: "0.3", until: "0.25", hours: "8" } },
};

/** The API with its console before a whole exchange, the streams beside it, and people in front of browsers of their own. */
export class ConsoleExchange {
  readonly exchange: ApiExchange;
  readonly visitors: Visitor[] = [];
  readonly #browser: Browser;
  readonly #streamPort: number;
  readonly #desks = new Map<string, Visitor>();
  #streams: RunningApp | null = null;

  private constructor(exchange: ApiExchange, browser: Browser, streamPort: number) {
    this.exchange = exchange;
    this.#browser = browser;
    this.#streamPort = streamPort;
  }

  static async start(): Promise<ConsoleExchange> {
    const streamPort = await freePort();
    const settings = { PLIMSOLL_STREAMS_URL: `ws://127.0.0.1:${streamPort}` };
    const liquidation = { name: "liquidation", app: "liquidation", ready: "listening" };
    const started = ApiExchange.start(rules, settings, [liquidation]);
    const [exchange, browser] = await Promise.all([started, launchBrowser()]);
    const it = new ConsoleExchange(exchange, browser, streamPort);
    await Promise.all([it.startStreams(), it.#crash()]);
    return it;
  }

  async startStreams(): Promise<void> {
    const { environment, servers } = this.exchange;
    const DATABASE_URL = await urlAs("streams", servers.databaseUrl);
    const own = { PLIMSOLL_STREAM_PORT: String(this.#streamPort), DATABASE_URL };
    this.#streams = await spawnApp("streams", { ...environment, ...own });
    await this.#streams.whenMessage("ready");
  }

  async killStreams(): Promise<void> {
    await this.#streams?.kill();
  }

  async deposit(account: string, amount: string): Promise<void> {
    await this.exchange.enter({ k: "cash", account, asset: "USDT", amount });
    const known = async () => (await this.exchange.get(`/v1/accounts/${account}`, "viewer")).status === 200;
    await eventually("the deposit", known);
  }

  /** An order, again where it was refused: on a machine that is busy an approval may run out on its way to the matching engine. */
  async place(account: string, side: "buy" | "sell", qty: string, price: string): Promise<void> {
    await eventually(`an order of ${account}`, async () => {
      const { state } = await this.exchange.place(account, side, qty, price);
      return state !== "rejected";
    });
  }

  /** Alice is long far beyond what a fall bears, carol a little; bob sold it to them. The price falls until alice is liquidated. */
  async #crash(): Promise<void> {
    const { exchange } = this;
    await exchange.enter({ k: "fund", asset: "USDT", amount: "250000" });
    await this.deposit("carol", "20000");
    await this.place("bob", "sell", "60", "50000");
    await this.place("alice", "buy", "50", "50000");
    await this.place("carol", "buy", "5", "50000");
    await eventually("alice's position", async () => {
      const reply = await exchange.get<{ account: { positions: unknown[] } }>("/v1/accounts/alice", "viewer");
      return reply.body.account.positions.length > 0;
    });
    exchange.price("48250");
    for (const price of ["48240", "48230", "48220"]) await this.place("bob", "buy", "8", price);
    // It may have ended before anybody looked.
    const sagas = async (open: string) =>
      (await exchange.get<{ sagas: unknown[] }>(`/v1/sagas?open=${open}`, "viewer")).body.sagas.length;
    await eventually("a liquidation", async () => (await sagas("yes")) + (await sagas("no")) > 0);
  }

  /** A browser of one's own, logged in by a link, at a view that is live. `who`: see `ApiExchange.token`. */
  async open(who: string, view: string, options: VisitorOptions = {}): Promise<Visitor> {
    const visitor = await visit(this.#browser, options);
    this.visitors.push(visitor);
    const next = encodeURIComponent(`#/${view}`);
    await visitor.page.goto(`${this.exchange.url}/console/#token=${await this.exchange.token(who)}&to=${next}`);
    await visitor.page.locator("[data-connection=live]").waitFor();
    return visitor;
  }

  /** The same, but who was there before is there still. */
  async at(who: string, view: string): Promise<Page> {
    const desk = this.#desks.get(who) ?? (await this.open(who, view));
    this.#desks.set(who, desk);
    await go(desk.page, view);
    return desk.page;
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#streams?.stop();
    await this.exchange.stop();
  }
}

export async function go(page: Page, view: string): Promise<void> {
  await page.evaluate(`location.hash = "#/${view}"`);
  await page.locator("main h1").waitFor();
}

/** Once the numbers of the view are there: the place in the log that they were computed at, which stands above them with the age of the marks. */
export async function numbers(page: Page): Promise<number> {
  const place = page.locator("main .freshness[data-seq]").first();
  await place.waitFor();
  expect(await place.innerText()).toMatch(/log shard 0 #[\d,]+\s+marks [\d.]+ m?s old/);
  return Number(await place.getAttribute("data-seq"));
}

export const shows = async (page: Page, text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();
