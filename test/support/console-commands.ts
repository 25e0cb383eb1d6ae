import { expect } from "vitest";
import type { Locator, Page } from "playwright-core";
import { missing } from "./browser.ts";
import { type ConsoleExchange, go } from "./console-exchange.ts";
import { eventually } from "./live-shard.ts";

/** Opens the form behind a button of the view; gives the dialogue. */
async function formOf(page: Page, button: string, title: string): Promise<Locator> {
  await page.getByRole("button", { name: button }).first().click();
  const dialog = page.getByRole("dialog", { name: title });
  await dialog.getByRole("region", { name: "What it does" }).waitFor();
  return dialog;
}

/** Sends a form that waits for a second person; gives the address of the proposal. */
async function proposed(dialog: Locator): Promise<string> {
  await dialog.getByRole("button", { name: "Propose it" }).click();
  await dialog.locator("[data-command=proposed]").waitFor();
  const address = await dialog
    .getByRole("link", { name: "The proposal, for whoever approves it" })
    .getAttribute("href");
  await dialog.getByRole("button", { name: "Close" }).last().click();
  return (address ?? "").replace("#/", "");
}

/** A second person goes to a proposal by its address and approves what stands there in words and figures; `typed`: what they type. */
async function approved(page: Page, address: string, shown: readonly string[], typed: string | null): Promise<Locator> {
  await go(page, address);
  await page.getByRole("button", { name: "Approve …" }).first().click();
  const dialog = page.getByRole("dialog", { name: /^Approve: / });
  for (const text of shown) await dialog.getByText(text).first().waitFor();
  await dialog.getByLabel("Reason").fill("checked by telephone");
  const approve = dialog.getByRole("button", { name: "Approve and carry out" });
  if (typed !== null) {
    expect(await approve.isDisabled()).toBe(true);
    await dialog.getByLabel(`Type ${typed} to confirm`).fill(typed);
  }
  await approve.click();
  return dialog;
}

const figure = (dialog: Locator, name: string): Locator => dialog.locator(".figure", { hasText: name });

/** One tops the fund up, another approves it, and its figure changes on the screen of whoever looks. */
export async function topsUpTheFund(it: ConsoleExchange): Promise<void> {
  const page = await it.at("operator:pia", "overview");
  const balance = page.locator(".fund .figure").first().locator("strong");
  const before = await balance.innerText();
  const dialog = await formOf(page, "Top up or draw down …", "Top up or draw down a fund");
  await dialog.getByLabel("Amount").fill("50,000");
  await dialog.getByRole("button", { name: "Propose it" }).click();
  await dialog.getByRole("alert").getByText("not_an_amount at amount: expected a decimal string").first().waitFor();
  await dialog.getByRole("alert").getByText("not_permitted at reason").waitFor();
  await dialog.locator("input[name=amount]:focus").waitFor();
  expect(await missing(page)).toEqual([]);
  await dialog.getByLabel("Amount").fill("50000");
  await dialog.getByLabel("Reason").fill("before the weekend");
  await figure(dialog, "Worth").getByText("$50,000.00").waitFor();
  await figure(dialog, "Insurance fund")
    .getByText(/^[\d,.]+ → [\d,.]+$/)
    .waitFor();
  const address = await proposed(dialog);
  expect(await balance.innerText()).toBe(before);

  const second = await it.at("officer:olaf", "overview");
  const approval = await approved(second, address, ["Puts 50,000 USDT into the insurance fund.", "$50,000.00"], null);

  await approval.locator("[data-command=applied]").waitFor();
  await approval.getByText(/^The insurance fund gets 50,000 USDT/).waitFor();
  await approval.getByText(/fund\.changed, fact #[\d,]+ of shard 0 at log #[\d,]+/).waitFor();
  await approval.getByRole("button", { name: "Close" }).last().click();
  await second.getByText("Decided by olaf").waitFor();
  await eventually("the fund's figure on the other screen", async () => (await balance.innerText()) !== before);
}

/** A position is closed against the head of the queue, typed by both; what the engine refuses says why. */
export async function deleverages(it: ConsoleExchange): Promise<void> {
  const page = await it.at("operator:pia", "account/carol");
  const dialog = await formOf(page, "Deleverage …", "Deleverage a position");
  await dialog.getByLabel("Contracts to close").fill("1");
  await figure(dialog, "Position").getByText("long 5 → long 4").waitFor();
  const queue = dialog.getByRole("table", { name: /^Whom it would close against/ });
  await queue.getByRole("row", { name: /^bob 1 [\d.]+ 1$/ }).waitFor();
  await dialog.getByLabel("Reason").fill("too much for one");
  const send = dialog.getByRole("button", { name: "Propose it" });
  expect(await send.isDisabled()).toBe(true);
  await dialog.getByLabel("Type carol to confirm").fill("carol");
  expect(await missing(page)).toEqual([]);
  const address = await proposed(dialog);
  const second = await it.at("officer:olaf", "commands");
  const approval = await approved(
    second,
    address,
    ["Closes 1 contracts of carol's BTC-PERP", "long 5 → long 4"],
    "carol",
  );
  await approval.locator("[data-command=applied]").waitFor();
  await approval.getByRole("button", { name: "Close" }).last().click();
  await page.getByRole("table", { name: "Positions" }).getByText("long 4").waitFor();

  const transfer = await formOf(page, "Transfer …", "Transfer between accounts");
  await transfer.getByLabel("To", { exact: true }).fill("bob");
  await transfer.getByLabel("Amount").fill("9000000");
  await transfer.getByLabel("Reason").fill("more than there is");
  await figure(transfer, "carol").getByText("less than nothing: it will be refused").first().waitFor();
  const refused = await approved(second, await proposed(transfer), ["Moves 9,000,000 USDT from account carol"], null);
  await refused
    .locator("[data-command=refused]")
    .getByText(/^The transfer is refused: /)
    .waitFor();
  await refused.getByRole("button", { name: "Close" }).last().click();
}

/** A limit is tried on the live book and then sent as it was tried. */
export async function limitsAnAccount(it: ConsoleExchange): Promise<void> {
  const page = await it.at("officer:olaf", "commands");
  const entity = await formOf(page, "Fill in … entity", "Put accounts into an entity");
  await entity.getByLabel("Accounts").fill("carol, b@b");
  await entity.getByRole("alert").getByText("not_an_id at accounts").waitFor();
  expect(await missing(page)).toEqual([]);
  await entity.getByRole("button", { name: "Cancel" }).click();
  await go(page, "account/carol");
  const dialog = await formOf(page, "Limit for a time …", "Limit for a time");
  await dialog.getByLabel(/^No more than/).fill("1000");
  await dialog.getByLabel(/^For, minutes/).fill("0");
  await dialog.getByRole("button", { name: "Dry run on the live book" }).click();
  await dialog.getByRole("alert").getByText("out_of_range at until").waitFor();
  await dialog.getByLabel(/^For, minutes/).fill("90");
  await dialog.getByRole("button", { name: "Dry run on the live book" }).click();
  await dialog.locator("[data-dry-run=done]").waitFor();
  await dialog.getByLabel("Reason").fill("for the night");
  await dialog.getByRole("button", { name: "Send exactly this" }).click();
  // It tightens for certain, so that one person is enough.
  await dialog
    .locator("[data-command=applied]")
    .getByText(/^Version \d+ of the rules is in force/)
    .waitFor();
  await dialog
    .getByText(/^Limits account carol until .*: Notional, orders included, no more than \$1,000\.$/)
    .waitFor();
  await dialog.getByRole("button", { name: "Close" }).last().click();
}
