// Two tabs with different choices, the way back, and two clicks on one button.
"use strict";
const { assert, finished, open, run, signIn, url } = require("./browser.cjs");

run(async (browser) => {
  const { context, page, problems } = await open(browser);
  await signIn(page, "admin");
  // Two clicks at once start one backup.
  await page.getByRole("button", { name: "Back up now" }).dblclick();
  await page.waitForURL(/\/ui\/operations\//);
  await finished(page);
  await page.goto(`${url}/ui/operations`);
  assert.equal(await page.getByRole("link", { name: /^Backup / }).count(), 1, "two clicks have started two operations");
  await page.getByRole("link", { name: /^Backup / }).click();
  await page.getByRole("link", { name: "Show the backup" }).click();
  await page.getByRole("link", { name: "Restore", exact: true }).last().click();
  const address = page.url();

  const other = await context.newPage();
  await other.goto(address);
  await page.getByRole("checkbox", { name: "Order" }).uncheck();
  await page.getByRole("radio", { name: /^Keep/ }).check();
  await other.getByRole("checkbox", { name: "User" }).uncheck();
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await other.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText("It reads 60,000 records").waitFor();
  await other.getByText("It reads 60,000 records").waitFor();
  for (const [tab, entity] of [[page, "User"], [other, "Order"]]) {
    await tab.locator(".facts").getByText(entity, { exact: true }).waitFor();
  }
  await page.getByText("Keep existing records").waitFor();

  // Forward to the comparison, back to the check, and sent to a colleague.
  await page.getByRole("button", { name: "Compare with the database" }).click();
  await page.getByText("A restore would change nothing and keep 60,000 existing records.").waitFor();
  const sent = page.url();
  await page.goBack();
  await page.getByRole("button", { name: "Compare with the database" }).waitFor();
  await page.getByRole("link", { name: "Change" }).click();
  assert.ok(!(await page.getByRole("checkbox", { name: "Order" }).isChecked()), "going back has lost a choice");
  assert.ok(await page.getByRole("radio", { name: /^Keep/ }).isChecked(), "going back has lost a choice");
  assert.deepEqual(problems, []);

  const colleague = await open(browser);
  await signIn(colleague.page, "operator");
  await colleague.page.goto(sent);
  await colleague.page.getByText("A restore would change nothing and keep 60,000 existing records.").waitFor();
  await colleague.page.getByText("An admin restores.").waitFor();
  assert.deepEqual(colleague.problems, []);
});
