// The connection is lost while an operation is watched. The page says so, and recovers by itself.
"use strict";
const { assert, finished, open, run, signIn, url } = require("./browser.cjs");

run(async (browser) => {
  const { context, page } = await open(browser);
  await signIn(page, "admin");
  const message = page.getByText("The connection to the server is lost.");
  // The stream of the operation is refused as if the server could not be reached.
  await page.route(/\/progress$/, (route) => route.abort());
  await page.getByRole("button", { name: "Back up now" }).click();
  await page.waitForURL(/\/ui\/operations\//);
  await message.waitFor({ state: "visible" });
  await page.unroute(/\/progress$/);
  assert.match(await finished(page), /Backup .* completed/);
  assert.equal(await message.isVisible(), false);

  // A proxy answers in place of the server while it restarts.
  await page.goto(`${url}/ui`);
  let loads = 0;
  const refused = [];
  await page.route(/\/ui\/operations\//, (route) => {
    const isProgress = route.request().url().endsWith("/progress");
    if (route.request().isNavigationRequest()) loads += 1;
    const isQuestion = route.request().method() === "HEAD" && refused.length < 2;
    if (isQuestion) refused.push(loads);
    return isProgress || isQuestion ? route.fulfill({ status: 502, body: "bad gateway" }) : route.continue();
  });
  await page.getByRole("button", { name: "Back up now" }).click();
  await page.waitForURL(/\/ui\/operations\//);
  await message.waitFor({ state: "visible" });
  assert.match(await finished(page), /Backup .* completed/);
  assert.equal(refused[0], refused[1], "the page was loaded again although the proxy answered for the server");
  await page.unroute(/\/ui\/operations\//);

  // The list of operations is read again and again while something runs.
  await page.goto(`${url}/ui`);
  await page.getByRole("button", { name: "Back up now" }).click();
  await page.waitForURL(/\/ui\/operations\//);
  await page.goto(`${url}/ui/operations`);
  if (await page.getByRole("heading", { name: /running/ }).count()) {
    await context.setOffline(true);
    await message.waitFor({ state: "visible" });
    await context.setOffline(false);
  }
  await page.getByRole("heading", { name: "Nothing runs" }).waitFor();
  assert.equal(await message.isVisible(), false);
});
