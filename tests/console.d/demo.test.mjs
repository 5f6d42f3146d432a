// The views that `sluice demo` adds to the console, in a browser, against the running demo.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Demo, SIZES, accessibilityFaults, go, openPage, picture, startBrowser, until } from "./harness.mjs";

let demo, browser;

before(async () => {
  demo = await Demo.start("--rate", "50");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await demo?.end();
});

/** A page that came by the address that the terminal shows. */
async function demoPage(options) {
  const opened = await openPage(browser, options);
  await opened.page.goto(demo.link);
  await opened.page.locator(".frame").waitFor();
  return opened;
}

const ask = async (path, method = "GET", body) => {
  const answer = await fetch(demo.url + path, {
    method,
    headers: { Authorization: `Bearer ${demo.key}`, ...(body ? { "Content-Type": "application/json" } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
};
const behave = (receiver, answer) => ask(`/demo/receivers/${receiver}`, "PUT", { answer });

test("the printed address signs in, holds no key, and leaves the address bar at once", async () => {
  const { page, seen, close } = await demoPage();
  assert.ok(!demo.link.includes(demo.key));
  const code = demo.link.split("/").at(-1);
  assert.ok(!page.url().includes(code), page.url());
  assert.equal(await page.evaluate(() => history.length), 2, "about:blank and this page");
  assert.deepEqual(seen.urls.filter((url) => url.replace(/#.*/, "").includes(code) || url.includes(demo.key) || !url.startsWith(demo.url)), []);
  await page.getByRole("link", { name: "Try it" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(demo.link.replace(code, "of-another-run"));
  await page.reload();
  await page.getByLabel("API key").waitFor();
  assert.deepEqual(seen.faults, []);
  await close();
  const other = await openPage(browser);
  await other.page.goto(demo.link.replace(code, "of-another-run"));
  await other.page.getByText("This address is of another run of the demo").waitFor();
  assert.deepEqual(await accessibilityFaults(other.page), []);
  await other.close();
});

test("each view of the demo fits, and has nothing that axe finds", async () => {
  await ask("/demo/trigger", "POST", { document_type: "invoice", priority: "high", description: "It is overdue", customer_email: "ann@example.com" });
  await until("its mail is sent", async () => (await ask("/demo/inbox")).mails[0]?.state === "sent");
  const faults = [];
  for (const size of ["desk", "phone"]) {
    for (const theme of ["light", "dark"]) {
      const { page, seen, close } = await demoPage({ size: SIZES[size], theme });
      const first = (await ask("/demo/requests?receiver=mail")).requests[0];
      for (const [view, place, ready] of [
        ["demo-trigger", "/trigger", "tbody tr"],
        ["demo-webhooks", "/webhooks", ".hooks li"],
        ["demo-webhook", `/webhooks?receiver=mail&webhook=${first.id}`, ".tree"],
      ]) {
        await go(page, place);
        await page.locator(ready).first().waitFor();
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (overflow > 0) faults.push(`${view} ${size} ${theme}: is ${overflow} px wider than the page`);
        faults.push(...(await accessibilityFaults(page)).map((fault) => `${view} ${size} ${theme}: ${fault}`));
        await picture(page, `${view}-${size}-${theme}`);
      }
      faults.push(...seen.faults);
      await close();
    }
  }
  assert.deepEqual(faults, []);
});

test("a document is followed from the rule to its e-mail, and its faults are told at their fields", async () => {
  const { page, seen, close } = await demoPage();
  await go(page, "/trigger");
  await page.getByRole("button", { name: "Send to /demo/trigger" }).click();
  await page.getByText("This is needed.").nth(2).waitFor();
  await page.getByRole("button", { name: "Use an example" }).click();
  await page.getByText("It triggers", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Send to /demo/trigger" }).click();
  const steps = page.locator(".steps li");
  await until("all four steps are done", async () => (await page.locator(".steps li.done").count()) === 4);
  assert.equal(await steps.count(), 4);
  await steps.nth(3).getByText("We are on it: your support ticket").waitFor();
  await picture(page, "demo-steps-desk-light");
  assert.deepEqual(await accessibilityFaults(page), []);
  await steps.nth(2).getByRole("link").click();
  await page.getByText("Verified").waitFor();
  await page.locator(".tree").getByText("document.support_ticket").waitFor();
  await go(page, "/trigger");
  await page.getByRole("button", { name: "Use an example" }).click();
  await page.getByLabel("Description").fill("All is well.");
  await page.getByRole("button", { name: "Send to /demo/trigger" }).click();
  await page.getByText("Nothing is triggered").waitFor();
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a receiver that is told to fail is seen to be retried, and one that is gone to be disabled", async () => {
  const { page, seen, close } = await demoPage();
  await go(page, "/webhooks?receiver=mail");
  await page.getByRole("group", { name: "e-mails the customer" }).getByLabel("Answers with").selectOption("error");
  await ask("/demo/trigger", "POST", { document_type: "complaint", priority: "high", description: "<img src=x onerror='globalThis.hacked=1'>", customer_email: "bob@example.com" });
  await page.locator(".hooks .status", { hasText: "500" }).first().waitFor();
  await page.getByRole("group", { name: "e-mails the customer" }).getByLabel("Answers with").selectOption("take");
  await page.locator(".hooks").getByText("attempt 2").or(page.locator(".hooks").getByText("attempt 3")).first().waitFor();
  await page.locator(".hooks a").first().click();
  await page.locator(".tree").waitFor();
  await page.getByRole("button", { name: "As sent" }).click();
  assert.ok((await page.locator("pre.raw").textContent()).includes("<img src=x onerror="));
  await page.getByRole("button", { name: "Resume" }).waitFor();
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  assert.equal(await page.locator("main img, main script").count(), 0);
  await page.getByRole("group", { name: "takes orders" }).getByLabel("Answers with").selectOption("gone");
  await page.locator(".receiver", { hasText: "takes orders" }).getByText("Disabled").waitFor();
  await behave("orders", "take");
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a console that is not the demo's shows none of its views and takes no code", async () => {
  const { page, close } = await openPage(browser);
  // Sluice itself, past the demo's address: what a server in production serves.
  const about = await (await fetch(`${demo.url}/console/about.json`)).json();
  assert.equal(about.demo, true);
  await page.route("**/console/about.json", (route) => route.fulfill({ json: { ...about, demo: undefined } }));
  await page.goto(demo.link);
  await page.getByLabel("API key").waitFor();
  assert.ok(!page.url().includes("sign-in"), page.url());
  await page.getByLabel("API key").fill(demo.key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(".frame").waitFor();
  assert.equal(await page.getByRole("link", { name: "Try it" }).count(), 0);
  await close();
});
