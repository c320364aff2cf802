// A person signs in, sees a gap, backs up, watches, damages a row, restores, sees it return, and is refused as a viewer.
"use strict";
const { assert, finished, open, run, signIn, sql, url } = require("./browser.cjs");

const javaScriptEnabled = process.argv[2] === "with-javascript";

run(async (browser) => {
  const { context, page, problems } = await open(browser, { javaScriptEnabled });
  await page.goto(`${url}/ui/restore`);
  assert.match(page.url(), /\/ui\/sign-in\?to=/, "a screen that needs a caller leads to the sign-in");
  await page.getByLabel("Token").fill("koan_wrong-wrong-wrong-wrong-wrong-wrong-wrong-w");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Token").fill(process.env.TOKEN_ADMIN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Restore a backup" }).waitFor();
  await page.getByText("There is no complete backup").waitFor();

  // The gap, and the line that closes it.
  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await page.getByText("1 gap in the coverage").waitFor();
  await page.getByText("There is no good backup").waitFor();
  await page.getByRole("link", { name: "See the coverage" }).click();
  await page.getByRole("heading", { name: "Not everything is covered" }).waitFor();
  await page.getByText("Table drafts of main belongs to no entity.").waitFor();
  await page.getByText('.ignore_table("drafts", "…")').waitFor();

  // A backup, which is watched until it ends. A form has the origin of the page, by which the server knows its own forms.
  const origins = [];
  page.on("request", async (request) => request.method() === "POST" && origins.push((await request.allHeaders()).origin));
  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await page.getByText("Options").click();
  await page.getByLabel("Name", { exact: true }).fill("before the change");
  await page.getByLabel("Reason").fill("a test by a person");
  const loads = [];
  page.on("request", (request) => request.isNavigationRequest() && loads.push(request.url()));
  await page.getByRole("button", { name: "Back up now" }).click();
  await page.waitForURL(/\/ui\/operations\//);
  const before = loads.length;
  assert.match(await finished(page), /Backup before the change completed/);
  if (javaScriptEnabled) assert.equal(loads.length, before, "the screen was loaded again although the events replace it");
  await page.getByText("120,000 records").waitFor();
  await page.getByText("a test by a person").waitFor();
  await page.getByRole("link", { name: "Show the backup" }).click();
  await page.getByRole("heading", { name: "What it holds" }).waitFor();

  // A verification.
  await page.getByRole("button", { name: "Verify" }).click();
  assert.match(await finished(page), /Verification before the change completed/);
  await page.getByText("What was verified is valid: 120,000 records read.").waitFor();

  // A row is damaged, and restored.
  sql("UPDATE users SET name = 'damaged' WHERE id = 7");
  await page.getByRole("link", { name: "Show the backup" }).click();
  await page.getByRole("link", { name: "Restore", exact: true }).last().click();
  await page.getByRole("heading", { name: "1. What" }).waitFor();
  await page.getByRole("checkbox", { name: "Order" }).uncheck();
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText("It would not be refused.").waitFor();
  // The choices that were checked are shown and cannot be edited beside the result.
  assert.equal(await page.getByRole("checkbox").count(), 0);
  await page.getByRole("link", { name: "Change" }).click();
  assert.ok(!(await page.getByRole("checkbox", { name: "Order" }).isChecked()), "the choices are kept");
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText("It would not be refused.").waitFor();
  await page.getByRole("button", { name: "Compare with the database" }).click();
  await page.getByText("A restore would change 1 record.").waitFor();
  assert.equal(sql("SELECT name FROM users WHERE id = 7"), "damaged", "the comparison has written something");
  await page.getByLabel(/Type shop\.db/).fill("shop");
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByText("must be the name of the database").waitFor();
  assert.equal(sql("SELECT name FROM users WHERE id = 7"), "damaged", "a wrong name has confirmed the restore");
  await page.goBack();
  await page.getByLabel(/Type shop\.db/).fill("shop.db");
  await page.getByRole("button", { name: "Restore" }).click();
  assert.match(await finished(page), /Restore before the change completed/);
  await page.getByText("The restore changed 1 record.").waitFor();
  assert.equal(sql("SELECT name FROM users WHERE id = 7"), "user 7");

  // The overview knows both.
  await page.getByRole("link", { name: "Overview", exact: true }).click();
  await page.getByText("Last restore just now").or(page.getByText(/Last restore \d+ minutes? ago/)).waitFor();
  await page.getByText(/Last good backup/).waitFor();

  // What protects the backup, and what removes it.
  await page.getByRole("link", { name: "Backups", exact: true }).click();
  await page.getByRole("link", { name: /before the change/ }).first().click();
  await page.getByText("Pin it, so that it cannot be deleted").click();
  await page.getByLabel("Reason").fill("the audit");
  await page.getByRole("button", { name: "Pin" }).click();
  await page.getByText("It is pinned: the audit").waitFor();
  await page.getByRole("checkbox", { name: /Delete backup/ }).check();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("alert").waitFor();
  await page.goBack();
  await page.getByRole("button", { name: "Remove the pin" }).click();
  await page.getByText("Pin it, so that it cannot be deleted").waitFor();
  const address = page.url();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(address);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.deepEqual([...new Set(origins)], [new URL(url).origin]);
  assert.deepEqual(problems.filter((problem) => !/the server responded with a status of (401|409|422)/.test(problem)), []);
  await context.close();

  // A viewer sees no button, and is refused by the server as well.
  const viewer = await open(browser, { javaScriptEnabled });
  await signIn(viewer.page, "viewer");
  assert.equal(await viewer.page.getByRole("button", { name: "Back up now" }).count(), 0);
  await viewer.page.goto(address);
  await viewer.page.getByRole("heading", { name: "What it holds" }).waitFor();
  for (const name of ["Verify", "Delete", "Pin", "Copy"]) {
    assert.equal(await viewer.page.getByRole("button", { name, exact: true }).count(), 0, `a viewer sees ${name}`);
  }
  const refused = await viewer.context.request.post(`${url}/ui/backup`, {
    form: { visit: "1" }, headers: { origin: new URL(url).origin },
  });
  assert.equal(refused.status(), 403);
  assert.match(await refused.text(), /This is not permitted/);
  assert.deepEqual(viewer.problems, []);
});
