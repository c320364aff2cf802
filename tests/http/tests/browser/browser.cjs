// What the scripts share: a browser that notices every request to another host and every message of its console.
"use strict";
const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const { chromium } = require("playwright-core");

const url = process.env.PAGE_URL;
const tokens = { viewer: process.env.TOKEN_VIEWER, operator: process.env.TOKEN_OPERATOR, admin: process.env.TOKEN_ADMIN };
// The machine may be busy with other tests.
const patience = 120000;

async function launch() {
  const executablePath = process.env.KOAN_TEST_CHROMIUM || "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

// Opens a context with one page. `expected` are messages of the console that belong to the test.
async function open(browser, options = {}, expected = []) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(patience);
  context.setDefaultNavigationTimeout(patience);
  const problems = [];
  const host = new URL(url).host;
  context.on("request", (request) => {
    if (new URL(request.url()).host !== host) problems.push(`a request to ${request.url()}`);
  });
  context.on("console", (message) => {
    const text = message.text();
    if (["error", "warning"].includes(message.type()) && !expected.some((part) => text.includes(part))) problems.push(text);
  });
  context.on("weberror", (error) => problems.push(String(error.error())));
  return { context, page: await context.newPage(), problems };
}

async function signIn(page, role) {
  await page.goto(`${url}/ui`);
  await page.getByLabel("Token").fill(tokens[role]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("signed in as").waitFor();
}

// Waits for the end of the operation whose screen is shown.
async function finished(page) {
  await page.getByRole("heading", { level: 1, name: /completed|failed|cancelled|interrupted/ }).waitFor();
  return page.getByRole("heading", { level: 1 }).innerText();
}

// Runs a statement in the database of the shop.
function sql(statement) {
  return execFileSync("sqlite3", ["-cmd", ".timeout 60000", process.env.DATABASE, statement], { encoding: "utf8" }).trim();
}

async function run(steps) {
  const browser = await launch();
  try {
    await steps(browser);
    console.log("all steps done");
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

module.exports = { assert, finished, open, run, signIn, sql, tokens, url };
