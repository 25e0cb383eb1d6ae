import { afterAll, beforeAll, expect, test } from "vitest";
import { missing } from "#test/support/browser.ts";
import { deleverages, limitsAnAccount, topsUpTheFund } from "#test/support/console-commands.ts";
import { ConsoleExchange, go, numbers, shows } from "#test/support/console-exchange.ts";
import { eventually } from "#test/support/live-shard.ts";

let it: ConsoleExchange;
beforeAll(async () => {
  it = await ConsoleExchange.start();
}, 60_000);
afterAll(async () => it.stop());

test("a token in a link logs in, leaves the address, and stays in the tab alone", async () => {
  const { page } = await it.open("officer:maria", "overview");
  expect(page.url()).toBe(`${it.exchange.url}/console/#/overview`);
  expect(await page.evaluate("Object.keys(localStorage).length")).toBe(0);
  expect(await page.evaluate("sessionStorage.getItem('plimsoll.token')?.split('.').length")).toBe(3);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to the console" }).waitFor();
  expect(await page.evaluate("sessionStorage.length")).toBe(0);
  await page.getByLabel("Access token").fill("no token");
  await page.getByRole("button", { name: "Log in" }).click();
  await shows(page, "This is no token");
  await page.getByLabel("Access token").fill(`${(await it.exchange.token("viewer")).slice(0, -6)}forged`);
  await page.getByRole("button", { name: "Log in" }).click();
  await shows(page, "The server refused the token");
  await page.getByLabel("Access token").fill(await it.exchange.token("viewer:vera"));
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("[data-connection=live]").waitFor();
});

test("the overview shows the crash: pools, stages, fund, marks, latencies, and at which place in the log", async () => {
  const page = await it.at("viewer:vera", "overview");
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
  // Another view of the same numbers goes on with them.
  await go(page, "account");
  const first = await numbers(page);
  await eventually("newer numbers", async () => (await numbers(page)) > first);
});

test("liquidations are counted by stage as they run", async () => {
  const page = await it.at("viewer:vera", "overview");
  const steps = page
    .getByRole("row", { name: /^2 Partial/ })
    .getByRole("cell")
    .last();
  expect(await steps.innerText()).toBe("0");
  await it.deposit("erin", "1500");
  await it.place("bob", "buy", "2", "48250");
  await it.place("erin", "sell", "2", "48250");
  await it.place("bob", "sell", "1", "48755");
  it.exchange.price("48750");
  await shows(page, /^[1-9]\d* began and [1-9]\d* ended since this page was opened/);
  expect(Number(await steps.innerText())).toBeGreaterThan(0);
  it.exchange.price("48250");
});

test("an account has its positions, its collateral, a stress test of the engine, and receipts", async () => {
  const page = await it.at("viewer:vera", "account/carol");
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
  const page = await it.at("viewer:vera", "liquidations");
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
  await page
    .locator(".figure", { hasText: "Outcome" })
    .getByText(/^(reduced|closed)$/)
    .waitFor();
  const money = page.getByRole("table", { name: "Money of this liquidation, by asset" });
  expect(await money.getByRole("row").nth(1).innerText()).toMatch(/^USDT\s+[\d,.]+\s+(?:[\d,.]+\s+)?−[\d,.]+/);
  await timeline
    .getByText(/closes [\d,.]+ USDT · mark 48,250/)
    .first()
    .waitFor();
  const ended = page.getByRole("table", { name: "Liquidations that ended" });
  await page.getByLabel("Show only this outcome").selectOption("released");
  await shows(page, "None that fits has ended.");
  await page.getByLabel("Show only this outcome").selectOption("");
  await ended.getByRole("link", { name: "alice" }).waitFor();
});

test("an instrument has its open interest, its largest holders and both queues", async () => {
  const page = await it.at("viewer:vera", "instrument/BTC-PERP");
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
  const page = await it.at("officer:maria", "overview");
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
  expect((await it.exchange.check("carol")).codes).not.toContain("halted");
  await send.click();
  await dialog.locator("[data-command=applied]").waitFor();
  expect((await it.exchange.check("carol")).codes).toContain("halted");
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

  const second = await it.at("officer:olaf", "breakers");
  await second.getByRole("button", { name: "Approve …" }).click();
  const approval = second.getByRole("dialog", { name: "Approve: halt" });
  await approval.getByText("the venue is well").waitFor();
  await approval.getByLabel("Reason").fill("seen it too");
  const approve = approval.getByRole("button", { name: "Approve and carry out" });
  expect(await approve.isDisabled()).toBe(true);
  await approval.getByLabel("Type EXCHANGE to confirm").fill("EXCHANGE");
  await approve.click();
  await approval.locator("[data-command=applied]").waitFor();
  await plate.getByText("normal").waitFor();
  expect((await it.exchange.check("carol")).codes).not.toContain("halted");
});

test("a phone is enough for halting", async () => {
  const { page } = await it.open("operator:pia", "overview", { width: 390, height: 844, dark: true });
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

test("an alert is acknowledged by a click, and says by whom", async () => {
  const page = await it.at("officer:maria", "alerts");
  await numbers(page);
  const alert = page.getByRole("listitem").filter({ hasText: "account carol is halted" });
  await alert.getByRole("button", { name: "Acknowledge: account carol is halted" }).click();
  await alert.getByText("seen by maria").waitFor();
});

test("rules are tried on the live book, proposed as tried, seen as a difference, approved by somebody else, and taken back", async () => {
  const page = await it.at("officer:maria", "rules");
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

  const second = await it.at("officer:olaf", "rules");
  await second.getByRole("button", { name: "Reject …" }).waitFor();
  await second.getByRole("button", { name: "Approve …" }).click();
  const approval = second.getByRole("dialog", { name: "Approve: rules" });
  await approval.getByRole("rowheader", { name: /tiers/ }).first().waitFor();
  await approval.getByText('"mm": "0.005"').waitFor();
  await approval.getByLabel("Reason").fill("too much");
  await approval.getByRole("button", { name: "Cancel" }).click();
  await second.getByRole("button", { name: "Reject …" }).click();
  const rejection = second.getByRole("dialog", { name: "Reject: rules" });
  await rejection.getByLabel("Reason").fill("it would liquidate carol");
  await rejection.getByRole("button", { name: "Reject", exact: true }).click();
  await rejection.locator("[data-command=rejected]").waitFor();

  await page.getByLabel(/^Change, as JSON/).fill('{"instruments":[{"id":"BTC-PERP","maxLeverage":"50"}]}');
  await page.getByRole("button", { name: "Dry run on the live book" }).click();
  await page.getByLabel("Reason").fill("less leverage");
  await page.getByRole("button", { name: "Propose exactly this" }).click();
  await rejection.getByRole("button", { name: "Close" }).last().click();
  await second.getByRole("button", { name: "Approve …" }).click();
  await approval.getByLabel("Reason").fill("agreed");
  await approval.getByRole("button", { name: "Approve and carry out" }).click();
  await approval.locator("[data-command=applied]").waitFor();
  await second.reload();
  await shows(second, "version 2 in force");
  await second
    .getByRole("table", { name: /^From version 1/ })
    .getByText("50", { exact: true })
    .waitFor();
  await second.getByRole("button", { name: "Roll back" }).click();
  await second.getByLabel("Back to version").selectOption("1");
  await second.getByRole("button", { name: "Dry run on the live book" }).click();
  await second.locator("[data-dry-run=done]").waitFor();
});

test("one tops the fund up, another approves it, and its figure changes on the screen", async () => topsUpTheFund(it));

test("a position is deleveraged by two who type whose it is; what the engine refuses says why", async () =>
  deleverages(it));

test("a limit is tried on the live book and sent as it was tried", async () => limitsAnAccount(it));

test("the audit shows who did what, who tried what they may not and why, and that its chain holds", async () => {
  await it.exchange.post("/v1/commands/halt", "viewer:tries", {});
  const records = async () => JSON.stringify((await it.exchange.get("/v1/audit?limit=1000", "viewer")).body);
  await eventually("the attempt", async () => (await records()).includes('"tries"'));
  const page = await it.at("viewer:vera", "audit");
  await page.locator(".figure", { hasText: "Every hash" }).getByText("holds").waitFor();
  await page.getByRole("searchbox", { name: /^Show only records/ }).fill("the venue looks unwell");
  const table = page.getByRole("table", { name: "Audit records" });
  await table.getByText("maria").first().waitFor();
  expect(await table.innerText()).not.toContain("called from the train");
  await page.getByRole("searchbox", { name: /^Show only records/ }).fill("tries");
  await table.getByText("command halt refused").waitFor();
  await table.locator(".tag.bad", { hasText: "forbidden" }).waitFor();
});

test("a trader sees their own account as its owner does, and no other", async () => {
  const { page } = await it.open("trader:alice:alice", "overview");
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
  const { page, complaints } = await it.open("officer:maria", "overview", { dark: true });
  expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dark");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.activeElement?.tagName")).toBe("MAIN");
  for (const [key, title] of [
    ["a", "Account"],
    ["i", "BTC-PERP"],
    ["l", "Liquidations"],
    ["b", "Breakers"],
    ["c", "Commands"],
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
    "commands",
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
  const page = await it.at("viewer:vera", "overview");
  const before = await numbers(page);
  await it.killStreams();
  await page.getByRole("alert").getByText("Every number below is old.").waitFor();
  await page.locator("main .freshness.old").getByText("OLD", { exact: true }).waitFor();
  await it.startStreams();
  await page.locator("[data-connection=live]").waitFor();
  await page.locator("main .freshness:not(.old)").waitFor();
  expect(await page.getByText("Every number below is old.").count()).toBe(0);
  await eventually("newer numbers", async () => (await numbers(page)) > before);
});

test("a view that fails takes no other with it", async () => {
  const { page } = await it.open("operator:pia", "overview");
  await page.route("**/v1/sagas?*", async (route) => route.fulfill({ json: { sagas: 5 } }));
  await page.evaluate('location.hash = "#/liquidations"');
  await page.getByRole("alert").getByText("This view failed.").waitFor();
  await page.getByRole("link", { name: "HALT" }).click();
  await page.getByRole("button", { name: "Halt whole exchange …" }).waitFor();
});

test("nothing that anybody did made the browser complain", () => {
  // A refusal that was asked for, and a connection that was taken away, are told in the browser's own words too.
  const expected = /status of (401|403|404|409|422|503)|WebSocket connection to .* failed/;
  expect(it.visitors.flatMap(({ complaints }) => complaints).filter((one) => !expected.test(one))).toEqual([]);
});
