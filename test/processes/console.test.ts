import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningApp, spawnApp } from "#libs/process/spawn-app.ts";
import { freePort } from "#libs/process/servers/index.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import { ApiExchange } from "#test/support/api-exchange.ts";
import { launchBrowser, missing, visit, type Visitor, type VisitorOptions } from "#test/support/browser.ts";
import { urlAs } from "#test/support/database-roles.ts";
import { exchangeRules } from "#test/support/live-exchange.ts";
import { eventually } from "#test/support/live-shard.ts";

/** Collateral in two assets, a fund, and liquidations that need several steps on a thin book. */
const rules: RuleDocument = {
  ...exchangeRules,
  liquidation: { partialAt: "1.05", fullAt: "1", target: "1.1", depthShare: "0.5", maxSlippage: "0.05" },
  warnings: ["1.5", "1.25", "1.1"],
  fund: { eventCap: "1000000", brake: { drawdown: "0.3", until: "0.25", hours: "8" } },
};

let exchange: ApiExchange;
let streams: RunningApp;
let browser: Browser;
const visitors: Visitor[] = [];
let streamPort = 0;

const startStreams = async (): Promise<RunningApp> => {
  const own = {
    PLIMSOLL_STREAM_PORT: String(streamPort),
    DATABASE_URL: await urlAs("streams", exchange.servers.databaseUrl),
  };
  const app = await spawnApp("streams", { ...exchange.environment, ...own });
  await app.whenMessage("ready");
  return app;
};

beforeAll(async () => {
  streamPort = await freePort();
  const settings = { PLIMSOLL_STREAMS_URL: `ws://127.0.0.1:${streamPort}` };
  const liquidation = { name: "liquidation", app: "liquidation", ready: "listening" };
  [exchange, browser] = await Promise.all([ApiExchange.start(rules, settings, [liquidation]), launchBrowser()]);
  streams = await startStreams();
  await crash();
}, 60_000);
afterAll(async () => {
  await browser.close();
  await streams.stop();
  await exchange.stop();
});

/** Alice is long far beyond what a fall bears, carol a little; bob sold it to them. The price falls until alice is being liquidated. */
async function crash(): Promise<void> {
  await exchange.enter({ k: "fund", asset: "USDT", amount: "250000" });
  await exchange.enter({ k: "cash", account: "carol", asset: "USDT", amount: "20000" });
  await eventually("carol's deposit", async () => (await exchange.get("/v1/accounts/carol", "viewer")).status === 200);
  await exchange.place("bob", "sell", "60", "50000");
  await exchange.place("alice", "buy", "50", "50000");
  await exchange.place("carol", "buy", "5", "50000");
  await eventually("alice's position", async () => (await positionOf("alice")) !== undefined);
  exchange.price("48250");
  for (const [qty, price] of [
    ["8", "48240"],
    ["8", "48230"],
    ["8", "48220"],
  ] as const)
    await exchange.place("bob", "buy", qty, price);
  await eventually("a liquidation", async () => (await sagas()) > 0);
}

async function positionOf(account: string): Promise<unknown> {
  const { body } = await exchange.get<{ account: { positions: unknown[] } }>(`/v1/accounts/${account}`, "viewer");
  return body.account?.positions[0];
}
const sagas = async (): Promise<number> =>
  (await exchange.get<{ sagas: unknown[] }>("/v1/sagas", "viewer")).body.sagas.length;

/** A browser of one's own, logged in by a link, at a view that is live. */
async function open(who: string, view: string, options: VisitorOptions = {}): Promise<Visitor> {
  const visitor = await visit(browser, options);
  visitors.push(visitor);
  const { page } = visitor;
  await page.goto(`${exchange.url}/console/#token=${await exchange.token(who)}&to=${encodeURIComponent(`#/${view}`)}`);
  await page.locator("[data-connection=live]").waitFor();
  return visitor;
}

const desks = new Map<string, Visitor>();
/** The same, but somebody who was there before is there still. */
async function at(who: string, view: string): Promise<Visitor> {
  const desk = desks.get(who) ?? (await open(who, view));
  desks.set(who, desk);
  await go(desk.page, view);
  return desk;
}

const go = async (page: Page, view: string): Promise<void> => {
  await page.evaluate(`location.hash = "#/${view}"`);
  await page.locator("main h1").waitFor();
};
/** Until the numbers of the view are there, with the place in the log that they were computed at. */
const numbers = async (page: Page): Promise<number> => {
  const place = page.locator("main .freshness[data-seq]").first();
  await place.waitFor();
  expect(await place.innerText()).toMatch(/log shard 0 #[\d,]+\s+marks [\d.]+ m?s old/);
  return Number(await place.getAttribute("data-seq"));
};
const shows = async (page: Page, text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

test("a token in a link logs in, leaves the address, and stays in the tab alone", async () => {
  const { page } = await open("officer:maria", "overview");
  expect(page.url()).toBe(`${exchange.url}/console/#/overview`);
  expect(await page.evaluate("Object.keys(localStorage).length")).toBe(0);
  expect(await page.evaluate("sessionStorage.getItem('plimsoll.token')?.split('.').length")).toBe(3);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to the console" }).waitFor();
  expect(await page.evaluate("sessionStorage.length")).toBe(0);
  await page.getByLabel("Access token").fill("no token");
  await page.getByRole("button", { name: "Log in" }).click();
  await shows(page, "This is no token");
  await page.getByLabel("Access token").fill(`${(await exchange.token("viewer")).slice(0, -6)}forged`);
  await page.getByRole("button", { name: "Log in" }).click();
  await shows(page, "The server refused the token");
  await page.getByLabel("Access token").fill(await exchange.token("viewer:vera"));
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("[data-connection=live]").waitFor();
});

test("the overview shows the crash: pools, stages, fund, marks, latencies, and at which place in the log", async () => {
  const { page } = await at("viewer:vera", "overview");
  expect(await numbers(page)).toBeGreaterThan(10);
  const map = page.getByRole("img", { name: /^Heat map of \d+ pools/ });
  expect(await map.getAttribute("aria-label")).toContain("≤ 1");
  await page.getByRole("button", { name: "Table", exact: true }).click();
  const table = page.getByRole("table", { name: "Pools, from the lowest margin ratio" });
  expect(await table.getByRole("rowheader").first().innerText()).toBe("alice");
  await table.getByRole("button", { name: "Notional" }).click();
  expect(await table.getByRole("columnheader", { name: "Notional" }).getAttribute("aria-sort")).toBe("descending");
  for (const text of ["BTC-PERP", "Drawdown, 8 h", "stops at 30%, then ADL", "replica"]) await shows(page, text);
  await page.getByRole("meter", { name: "USDT: drawdown on the way to ADL" }).waitFor();
  // Whoever only reads is offered nothing to command.
  expect(await page.getByRole("link", { name: "HALT" }).count()).toBe(0);
});

test("liquidations are counted by stage as they run", async () => {
  const { page } = await at("viewer:vera", "overview");
  const steps = page
    .getByRole("row", { name: /^2 Partial/ })
    .getByRole("cell")
    .last();
  expect(await steps.innerText()).toBe("0");
  await exchange.enter({ k: "cash", account: "erin", asset: "USDT", amount: "1500" });
  await eventually("her deposit", async () => (await exchange.get("/v1/accounts/erin", "viewer")).status === 200);
  await exchange.place("bob", "buy", "2", "48250");
  await exchange.place("erin", "sell", "2", "48250");
  await exchange.place("bob", "sell", "1", "48755");
  exchange.price("48750");
  await shows(page, /^1 began and 1 ended since this page was opened/);
  expect(Number(await steps.innerText())).toBeGreaterThan(0);
  exchange.price("48250");
});

test("an account has its positions, its collateral, a stress test of the engine, and receipts", async () => {
  const { page } = await at("viewer:vera", "account/carol");
  await numbers(page);
  await page.getByRole("table", { name: "Positions" }).getByText("long 5").waitFor();
  await page.getByRole("table", { name: "Collateral with haircuts" }).getByText("USDT").waitFor();
  const slider = page.getByRole("slider", { name: "Move of BTC, per cent" });
  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  await page.locator("output", { hasText: "−13%" }).waitFor();
  await shows(page, "Ratio then");
  await page.getByRole("button", { name: "−50%" }).click();
  await page.locator(".figure", { hasText: "Free then" }).getByText("full liquidation").waitFor();
  await go(page, "account/alice");
  await page.getByRole("button", { name: "liquidations", exact: true }).click();
  await page.getByRole("button", { name: /^Why\? Liquidation of the cross pool begins/ }).click();
  const receipt = page.getByRole("dialog", { name: /^Receipt of fact/ });
  await receipt.getByText("Each of these alone would have avoided it").waitFor();
  await receipt.getByText(/^a deposit of/).waitFor();
  await page.keyboard.press("Escape");
  await receipt.waitFor({ state: "detached" });
});

test("a liquidation is a timeline with prices and money", async () => {
  const { page } = await at("viewer:vera", "liquidations");
  await numbers(page);
  await page.getByRole("table", { name: "Liquidations that ended" }).getByRole("link", { name: "alice" }).click();
  const timeline = page.locator(".timeline");
  await timeline.getByText(/Liquidation of the cross pool begins at a ratio of \d/).waitFor();
  await timeline
    .getByText(/^sell [\d.]+ BTC-PERP at 48,/)
    .first()
    .waitFor();
  await timeline
    .getByText(/mark 48,250/)
    .first()
    .waitFor();
  expect(await page.locator(".figure", { hasText: "Realised" }).locator("strong").innerText()).toMatch(/^−\$/);
});

test("an instrument has its open interest, its largest holders and both queues", async () => {
  const { page } = await at("viewer:vera", "instrument/BTC-PERP");
  await numbers(page);
  for (const [side, account] of [
    ["long", "carol"],
    ["short", "bob"],
  ] as const)
    await page
      .getByRole("table", { name: `ADL queue of the ${side} side` })
      .getByText(account)
      .waitFor();
  await page.getByRole("meter", { name: "bob's share" }).waitFor();
});

test("a halt is typed before it can be sent, acts at once, and says how long it took; its release needs somebody else", async () => {
  const { page } = await at("officer:maria", "overview");
  await page.getByRole("link", { name: "HALT" }).click();
  const plate = page.getByRole("region", { name: "State of the whole exchange" });
  await plate.getByText("normal").waitFor();
  await page.getByRole("button", { name: "Halt whole exchange …" }).click();
  const dialog = page.getByRole("dialog", { name: "no new orders: whole exchange" });
  const send = dialog.getByRole("button", { name: "HALT whole exchange" });
  await dialog.getByLabel("Reason").fill("the venue looks unwell");
  expect(await send.isDisabled()).toBe(true);
  await dialog.getByLabel("Type EXCHANGE to confirm").fill("exchange");
  expect(await send.isDisabled()).toBe(true);
  await dialog.getByLabel("Type EXCHANGE to confirm").fill("EXCHANGE");
  expect((await exchange.check("carol")).codes).not.toContain("halted");
  await send.click();
  await dialog.locator("[data-command=applied]").waitFor();
  expect((await exchange.check("carol")).codes).toContain("halted");
  expect(Number(await dialog.locator("[data-answered-ms]").getAttribute("data-answered-ms"))).toBeGreaterThan(0);
  await dialog.getByText(/click → seen on the stream \d+/).waitFor();
  await dialog.getByText(/halt\.set, fact #[\d,]+ of shard 0 at log #[\d,]+/).waitFor();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await plate.getByText("no new orders").waitFor();
  expect(await page.locator(".top [data-state]").getAttribute("data-state")).toBe("no_new_orders");

  await page.getByRole("button", { name: "Release whole exchange" }).click();
  const release = page.getByRole("dialog", { name: "Release whole exchange" });
  await release.getByLabel("Reason").fill("the venue is well");
  await release.getByLabel("Type EXCHANGE to confirm").fill("EXCHANGE");
  await release.getByRole("button", { name: "Propose the release" }).click();
  await release.locator("[data-command=proposed]").waitFor();
  await release.getByRole("button", { name: "Close" }).last().click();
  await shows(page, "You proposed it, so somebody else has to approve it.");
  expect(await page.getByRole("button", { name: "Approve …" }).isDisabled()).toBe(true);

  const second = await at("officer:olaf", "breakers");
  await second.page.getByRole("button", { name: "Approve …" }).click();
  const approval = second.page.getByRole("dialog", { name: "Approve: halt" });
  await approval.getByText("the venue is well").waitFor();
  await approval.getByLabel("Reason").fill("seen it too");
  const approve = approval.getByRole("button", { name: "Approve and carry out" });
  expect(await approve.isDisabled()).toBe(true);
  await approval.getByLabel("Type EXCHANGE to confirm").fill("EXCHANGE");
  await approve.click();
  await approval.locator("[data-command=applied]").waitFor();
  await plate.getByText("normal").waitFor();
  expect((await exchange.check("carol")).codes).not.toContain("halted");
});

test("a phone is enough for halting", async () => {
  const { page } = await open("operator:pia", "overview", { width: 390, height: 844, dark: true });
  await page.getByRole("link", { name: "HALT" }).click();
  await page.getByText("Account", { exact: true }).locator("visible=true").first().click();
  await page.getByLabel("Account id").last().fill("carol");
  await page.getByText("cancel all", { exact: true }).click();
  await page.getByRole("button", { name: "Halt account carol …" }).click();
  const dialog = page.getByRole("dialog", { name: "cancel all: account carol" });
  await dialog.getByLabel("Reason").fill("called from the train");
  await dialog.getByLabel("Type carol to confirm").fill("carol");
  await dialog.getByRole("button", { name: "HALT account carol" }).click();
  await dialog.locator("[data-command=applied]").waitFor();
  expect(await missing(page)).toEqual([]);
});

test("rules are tried on the live book, proposed as tried, seen as a difference, approved by somebody else, and taken back", async () => {
  const { page } = await at("officer:maria", "rules");
  await shows(page, "version 1 in force");
  await page
    .getByLabel(/^Change, as JSON/)
    .fill('{"instruments":[{"id":"BTC-PERP","tiers":[{"from":"0","im":"0.2","mm":"0.1"}]}]}');
  await page.getByRole("button", { name: "Dry run on the live book" }).click();
  const tried = page.locator("[data-dry-run=done]");
  await tried.getByText(/Judged \d+ accounts on the book as it stood at log #?/).waitFor();
  expect(await tried.getByRole("table", { name: /^Affected accounts/ }).innerText()).toMatch(
    /carol\s+liquidated in full/,
  );
  await page.getByLabel("Reason").fill("margins for a storm");
  await page.getByRole("button", { name: "Propose exactly this" }).click();
  await page.locator("[data-command=proposed]").waitFor();

  const second = await at("officer:olaf", "rules");
  await second.page.getByRole("button", { name: "Reject …" }).waitFor();
  await second.page.getByRole("button", { name: "Approve …" }).click();
  const approval = second.page.getByRole("dialog", { name: "Approve: rules" });
  await approval.getByRole("rowheader", { name: /tiers/ }).first().waitFor();
  await approval.getByText('"mm": "0.005"').waitFor();
  await approval.getByLabel("Reason").fill("too much");
  await approval.getByRole("button", { name: "Cancel" }).click();
  await second.page.getByRole("button", { name: "Reject …" }).click();
  const rejection = second.page.getByRole("dialog", { name: "Reject: rules" });
  await rejection.getByLabel("Reason").fill("it would liquidate carol");
  await rejection.getByRole("button", { name: "Reject", exact: true }).click();
  await rejection.locator("[data-command=rejected]").waitFor();

  await page.getByLabel(/^Change, as JSON/).fill('{"instruments":[{"id":"BTC-PERP","maxLeverage":"50"}]}');
  await page.getByRole("button", { name: "Dry run on the live book" }).click();
  await page.getByLabel("Reason").fill("less leverage");
  await page.getByRole("button", { name: "Propose exactly this" }).click();
  await rejection.getByRole("button", { name: "Close" }).last().click();
  await second.page.getByRole("button", { name: "Approve …" }).click();
  await approval.getByLabel("Reason").fill("agreed");
  await approval.getByRole("button", { name: "Approve and carry out" }).click();
  await approval.locator("[data-command=applied]").waitFor();
  await second.page.reload();
  await shows(second.page, "version 2 in force");
  await second.page
    .getByRole("table", { name: /^From version 1/ })
    .getByText("50", { exact: true })
    .waitFor();
  await second.page.getByRole("button", { name: "Roll back" }).click();
  await second.page.getByLabel("Back to version").selectOption("1");
  await second.page.getByRole("button", { name: "Dry run on the live book" }).click();
  await second.page.locator("[data-dry-run=done]").waitFor();
});

test("the audit shows who did what, and that its chain holds", async () => {
  const { page } = await at("viewer:vera", "audit");
  await page.locator(".figure", { hasText: "Every hash" }).getByText("holds").waitFor();
  await page.getByRole("searchbox", { name: /^Show only records/ }).fill("the venue looks unwell");
  const table = page.getByRole("table", { name: "Audit records" });
  await table.getByText("maria").first().waitFor();
  expect(await table.innerText()).not.toContain("called from the train");
});

test("a trader sees their own account as its owner does, and no other", async () => {
  const { page } = await open("trader:alice:alice", "overview");
  await page.getByRole("link", { name: "alice" }).click();
  await numbers(page);
  await shows(page, "How deep you are loaded");
  await page
    .locator(".distance", { hasText: "BTC-PERP, long" })
    .getByText(/to liquidation at [\d,.]+, from/)
    .waitFor();
  await page
    .getByText(/^Liquidation of the cross pool begins/)
    .first()
    .waitFor();
  expect(await page.getByRole("link", { name: "Breakers" }).count()).toBe(0);
  await go(page, "trader/bob");
  await page.getByRole("alert").getByText("this channel is not yours to read").waitFor();
});

test("everything can be reached by keys, and is named for those who do not see it, in both colours and on a phone", async () => {
  const { page, complaints } = await open("officer:maria", "overview", { dark: true });
  expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dark");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.activeElement?.tagName")).toBe("MAIN");
  for (const [key, title] of [
    ["a", "Account"],
    ["i", "BTC-PERP"],
    ["l", "Liquidations"],
    ["b", "Breakers"],
    ["r", "Rules"],
    ["u", "Audit"],
    ["e", "Alerts"],
    ["t", "Trader"],
    ["o", "Overview"],
  ] as const) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.getByRole("heading", { level: 1, name: title }).waitFor();
    await page.locator("main .freshness[data-seq]").first().waitFor();
    expect({ title, missing: await missing(page) }).toEqual({ title, missing: [] });
    expect(await page.evaluate("document.activeElement?.tagName")).toBe("MAIN");
  }
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("d");
  expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("light");
  await page.keyboard.press("/");
  await page.keyboard.type("carol");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "carol" }).waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  for (const view of [
    "overview",
    "account/carol",
    "instrument/BTC-PERP",
    "liquidations",
    "breakers",
    "rules",
    "audit",
    "alerts",
    "trader/carol",
  ]) {
    await go(page, view);
    await page.locator("main .freshness[data-seq]").first().waitFor();
    expect({ view, missing: await missing(page) }).toEqual({ view, missing: [] });
  }
  expect(complaints).toEqual([]);
});

test("a lost connection is said at once and above everything, and the numbers come back by themselves", async () => {
  const { page } = await at("viewer:vera", "overview");
  const before = await numbers(page);
  await streams.kill();
  await page.getByRole("alert").getByText("Every number below is old.").waitFor();
  await page.locator("main .freshness.old").getByText("OLD", { exact: true }).waitFor();
  streams = await startStreams();
  await page.locator("[data-connection=live]").waitFor();
  await page.locator("main .freshness:not(.old)").waitFor();
  expect(await page.getByText("Every number below is old.").count()).toBe(0);
  await eventually("newer numbers", async () => (await numbers(page)) > before);
});

test("nothing that anybody did made the browser complain", () => {
  // A refusal that was asked for, and a connection that was taken away, are told in the browser's own words too.
  const expected = /status of (401|403|404|409|422|503)|WebSocket connection to .* failed/;
  expect(visitors.flatMap(({ complaints }) => complaints).filter((one) => !expected.test(one))).toEqual([]);
});
