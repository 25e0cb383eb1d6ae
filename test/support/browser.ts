import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { serverProgram } from "#libs/process/servers/index.ts";

/** Without what a browser does for people alone: no updates, no reports, no first questions; software rendering. */
const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];
const withinMs = 15_000;

export const launchBrowser = async (): Promise<Browser> =>
  chromium.launch({ executablePath: serverProgram("chromium"), args: flags });

export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the browser complained of: errors of scripts, and whatever the content security policy forbade. */
  readonly complaints: readonly string[];
}

export interface VisitorOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
}

/** Somebody with a browser of their own: nothing is shared with other visitors. */
export async function visit(browser: Browser, options: VisitorOptions = {}): Promise<Visitor> {
  const { width = 1280, height = 900, dark = false } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(withinMs);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  return { page, context, complaints };
}

/** Runs in the page, whose types these tests have not: what somebody who does not see it would miss, one sentence each. */
const audit = `(() => {
  const found = [];
  const named = (element) =>
    (element.textContent ?? "").trim() !== "" ||
    (element.getAttribute("aria-label") ?? "") !== "" ||
    (element.getAttribute("aria-labelledby") ?? "") !== "" ||
    (element.labels?.length ?? 0) > 0;
  for (const element of document.querySelectorAll("button, a[href], input, select, textarea, canvas, [role=img], [role=meter]"))
    if (!named(element) && element.closest("[role=img][aria-label]") === null) found.push("without a name: " + element.outerHTML.slice(0, 120));
  for (const table of document.querySelectorAll("main table"))
    if (table.querySelector("th") === null) found.push("a table without heads: " + table.outerHTML.slice(0, 120));
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) found.push("twice: #" + id);
  for (const tag of ["main", "h1"])
    if (document.querySelectorAll(tag).length !== 1) found.push("not one " + tag);
  if (document.documentElement.scrollWidth > innerWidth + 1)
    for (const element of document.querySelectorAll("body *"))
      if (found.length < 5 && element.getBoundingClientRect().right > innerWidth + 1 && element.closest(".scroll, .tabs-bar") === null)
        found.push("wider than the screen: " + element.outerHTML.slice(0, 120));
  for (const dialog of document.querySelectorAll("dialog[open]"))
    if (dialog.scrollWidth > dialog.clientWidth + 1) found.push("wider than its dialogue: " + dialog.textContent.slice(0, 80));
  return found;
})()`;

export const missing = async (page: Page): Promise<string[]> => page.evaluate<string[]>(audit);
