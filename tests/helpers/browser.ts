/**
 * Pages in a headless Chromium, where this machine has one.
 *
 * @module
 */

import type { Browser, Page } from "npm:playwright-core@^1.65.0";

/** A machine without a sandbox for it, without a graphics card and perhaps without a network. */
const ARGUMENTS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

const executablePath = findExecutable();

function findExecutable(): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  return folders.flatMap((folder) => NAMES.map((name) => `${folder}/${name}`)).find(isFile);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Whether to skip a test that needs a browser; prints the reason when it does. */
export function skipWithoutBrowser(what: string): boolean {
  if (executablePath === undefined) console.warn(`skipped: ${what} (there is no ${NAMES.join(", ")} on PATH)`);
  return executablePath === undefined;
}

/** Starts the browser. It is closed by `await using`. */
export async function launchBrowser(): Promise<Browser> {
  // While it loads it looks whether this is Windows, by a file that Deno shows to --allow-all only; this stops the look.
  Deno.env.set("__IS_WSL_TEST__", "1");
  // Loaded only where there is a browser for it.
  const { chromium } = await import("npm:playwright-core@^1.65.0");
  Deno.env.delete("__IS_WSL_TEST__");
  return await chromium.launch({ executablePath: executablePath!, headless: true, args: [...ARGUMENTS] });
}

/** A page, and what went wrong in it. */
export interface OpenedPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors and warnings on its console, failed requests among them, and errors that nobody caught. */
  readonly problems: readonly string[];
}

/** Opens a page. (One that a test makes up instead of a server counts as a public one, which may open no local socket.) */
export async function openPage(browser: Browser, url: string): Promise<OpenedPage> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  // Chromium asks every server for it by itself.
  await page.route("**/favicon.ico", (route) => route.fulfill({ contentType: "image/svg+xml", body: "<svg/>" }));
  await page.goto(url);
  return { page, problems, [Symbol.asyncDispose]: () => context.close() };
}
