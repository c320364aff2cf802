// Every screen at two widths in light and dark: screenshots, accessibility, and nothing that is cut off.
"use strict";
const path = require("node:path");
const axe = require("node:fs").readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { assert, finished, open, run, signIn, url } = require("./browser.cjs");

async function examine(page, name) {
  await page.evaluate(axe);
  const result = await page.evaluate(async () => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = result.violations.filter((found) => ["serious", "critical"].includes(found.impact));
  const texts = serious.map((found) => `${found.id}: ${found.help}: ${found.nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(texts, [], `accessibility of ${name}`);
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.ok(!isWide, `${name} is wider than the window`);
}

run(async (browser) => {
  // What the screens show: two backups, a verification, a check and a comparison.
  const { page, context } = await open(browser);
  await signIn(page, "admin");
  for (const name of ["nightly", "nightly"]) {
    await page.goto(`${url}/ui`);
    await page.getByText("Options").click();
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByRole("button", { name: "Back up now" }).click();
    await finished(page);
  }
  await page.getByRole("link", { name: "Show the backup" }).click();
  const backup = page.url();
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("heading", { name: "The backups contain the same records" }).waitFor();
  const comparison = page.url();
  await page.goto(backup);
  await page.getByRole("button", { name: "Verify" }).click();
  await finished(page);
  const operation = page.url();
  await page.goto(backup);
  await page.getByRole("link", { name: "Restore", exact: true }).last().click();
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByRole("button", { name: "Compare with the database" }).click();
  await page.getByText("A restore would change nothing.").waitFor();
  const restore = page.url();
  await page.goto(`${url}/ui/streams`);
  await page.getByLabel("Object id (empty for all)").fill("order-1");
  await page.getByRole("button", { name: "Back up", exact: true }).click();
  await finished(page);
  await page.getByRole("link", { name: "Show the single backup" }).click();
  await page.getByRole("heading", { name: "What it holds" }).waitFor();
  const single = page.url();
  await page.goto(`${url}/ui/streams`);
  await page.getByLabel("Remove expired single backups").check();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await finished(page);
  await page.getByText("0 expired backups removed, 0 kept.").waitFor();
  const cookies = await context.cookies();
  await context.close();

  const screens = {
    overview: `${url}/ui`,
    coverage: `${url}/ui/coverage`,
    backups: `${url}/ui/backups?name=nightly`,
    backup,
    comparison,
    streams: `${url}/ui/streams?object=order`,
    single,
    restore,
    operations: `${url}/ui/operations`,
    operation,
    missing: `${url}/ui/backups/00000000`,
  };
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 375]) {
      const expected = ["404 (Not Found)"];
      const shown = await open(browser, { colorScheme, viewport: { width, height: 800 }, bypassCSP: true }, expected);
      const folder = (name) => path.join(process.env.SCREENSHOTS, `${name}-${width}-${colorScheme}.png`);
      await shown.page.goto(`${url}/ui/sign-in`);
      await examine(shown.page, "sign-in");
      await shown.page.screenshot({ path: folder("sign-in"), fullPage: true });
      await shown.context.addCookies(cookies);
      for (const [name, address] of Object.entries(screens)) {
        await shown.page.goto(address);
        assert.ok((await shown.page.getByRole("heading", { level: 1 }).count()) === 1, `${name} has one main heading`);
        await examine(shown.page, `${name} at ${width} in ${colorScheme}`);
        await shown.page.screenshot({ path: folder(name), fullPage: true });
        assert.ok((await shown.page.locator(".primary").count()) <= 1, `${name} has several primary buttons`);
      }
      // Each action is reached and shown by the keyboard.
      await shown.page.goto(screens.overview);
      await shown.page.keyboard.press("Tab");
      assert.equal(await shown.page.evaluate(() => document.activeElement.textContent), "Skip to the content");
      assert.deepEqual(shown.problems, []);
      await shown.context.close();
    }
  }
});
