// Each view of the console in a browser, against the running binary.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  ADMIN_TOKEN, Endpoint, SIZES, Server, accessibilityFaults, go, openPage, picture, realEvents, signIn, startBrowser, until,
} from "./harness.mjs";

let server, endpoint, browser, shop, subscriptions;

before(async () => {
  server = await Server.start();
  endpoint = await Endpoint.start();
  browser = await startBrowser();
  shop = await server.customer("Sample shop");
  const subscribe = (description, selector, path, more = {}) =>
    shop.api("POST", "/v1/subscriptions", { description, event_selector: selector, webhook_url: endpoint.url + path, ...more });
  subscriptions = {
    good: await subscribe("takes pushes", { type: "event_type", value: "github.push" }, "/good"),
    failing: await subscribe("is down", { type: "event_type", value: "github.issues" }, "/fail"),
    refusing: await subscribe("refuses all", { type: "event_type", value: "github.star" }, "/refuse"),
  };
  const effective = Math.max(...Object.values(subscriptions).map((one) => Date.parse(one.effective_at)));
  await until("the subscriptions count", () => Date.now() > effective + 50);
  for (let from = 0; from < realEvents.length; from += 50) await shop.api("POST", "/v1/events", realEvents.slice(from, from + 50));
  await until("there is a dead letter", async () => (await shop.api("GET", "/v1/dead-letters")).dead_letters.length > 0);
  await until("something was delivered", async () => endpoint.taken.length > 0);
});

after(async () => {
  await browser?.close();
  endpoint?.end();
  await server?.end();
});

/** A page of the customer, signed in. */
async function customerPage(options) {
  const opened = await openPage(browser, options);
  await signIn(opened.page, server.url, shop.key);
  return opened;
}

/** Skips a test, loudly, whose routes the binary does not have. */
async function needs(t, ...paths) {
  const lacking = await server.lacks(...paths);
  if (lacking.length > 0) {
    console.error(`tests/console: NOT TESTED: ${t.name}: the binary has no ${lacking.join(", ")}`);
    t.skip(`no ${lacking.join(", ")}`);
  }
  return lacking.length === 0;
}

const newestOfType = async (type) => (await shop.api("GET", `/v1/inbox?order=desc&limit=1&event_type=${type}`)).events[0];

async function lookAt(places, opened, name) {
  const { page } = opened;
  const faults = [];
  for (const [view, place, ready] of places) {
    await go(page, place);
    await page.locator(ready).first().waitFor();
    await page.locator("main .loading").waitFor({ state: "detached" });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) faults.push(`${name} ${view}: is ${overflow} px wider than the page`);
    faults.push(...(await accessibilityFaults(page)).map((fault) => `${name} ${view}: ${fault}`));
    await picture(page, `${view}-${name}`);
  }
  faults.push(...opened.seen.faults.map((fault) => `${name}: ${fault}`));
  await opened.close();
  return faults;
}

const LOOKS = ["desk", "phone"].flatMap((size) => ["light", "dark"].map((theme) => [size, theme]));

test("each view of a customer shows what is there, fits, and has nothing that axe finds", async (t) => {
  if (!(await needs(t, "/v1/usage", "/v1/subscriptions/judge", "/v1/me", "/v1/event-types"))) return;
  await shop.api("PUT", "/v1/event-types/github.push", { schema: { type: "object", required: ["ref"] }, description: "A push" });
  const [push, star] = [await newestOfType("github.push"), await newestOfType("github.star")];
  const places = [
    ["overview", "/overview", ".chart"],
    ["tail", "/tail", ".live.open"],
    ["events", "/events", ".event-row .event-type"],
    ["event", `/events/${push.event_id}`, ".tree"],
    ["difference", `/events/difference?left=${push.event_id}&right=${star.event_id}`, ".diff"],
    ["usage", "/usage", "tr.total"],
    ["composer", "/composer", ".code"],
    ["ticket", "/ticket", ".side-card"],
    ["subscriptions", "/subscriptions", "tbody tr"],
    ["subscription", `/subscriptions/${subscriptions.failing.workflow_id}`, ".judged li"],
    ["new-subscription", "/subscriptions/new?type=github.push", ".judged li"],
    ["dead-letters", "/deadLetters", "tbody tr"],
    ["replay", "/replays", ".card"],
    ["event-types", "/eventTypes", "tbody tr"],
    ["event-type", "/eventTypes/github.push", ".side-card"],
    ["keys", "/keys", ".view-head"],
    ["audit", "/audit", ".card, .notice"],
    ["system", "/system", ".figures"],
  ];
  const faults = [];
  for (const [size, theme] of LOOKS) {
    faults.push(...(await lookAt(places, await customerPage({ size: SIZES[size], theme }), `${size}-${theme}`)));
  }
  assert.deepEqual(faults, []);
});

test("each view of an operator shows what is there, fits, and has nothing that axe finds", async (t) => {
  if (!(await needs(t, "/admin/customers/{customer_id}/inbox"))) return;
  const of = `/c/${shop.id}`;
  const places = [
    ["operator-customers", "/customers", "tbody tr"],
    ["operator-system", "/system", "tbody tr"],
    ["operator-overview", `${of}/overview`, ".chart"],
    ["operator-events", `${of}/events`, ".event-row .event-type"],
    ["operator-tail", `${of}/tail`, ".live.open"],
    ["operator-subscriptions", `${of}/subscriptions`, "tbody tr"],
    ["operator-dead-letters", `${of}/deadLetters`, "tbody tr"],
    ["operator-keys", `${of}/keys`, "tbody tr"],
    ["operator-audit", "/audit", ".card, .notice"],
  ];
  const faults = [];
  for (const [size, theme] of LOOKS) {
    const opened = await openPage(browser, { size: SIZES[size], theme });
    await signIn(opened.page, server.adminUrl, ADMIN_TOKEN);
    faults.push(...(await lookAt(places, opened, `${size}-${theme}`)));
  }
  assert.deepEqual(faults, []);
});

test("a wrong key is refused and kept nowhere; signing out forgets the right one", async () => {
  const { page, seen, close } = await openPage(browser);
  await page.goto(`${server.url}/console/`);
  await page.getByLabel("API key").fill("sk_live_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This key is not known").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(await accessibilityFaults(page), []);
  await picture(page, "sign-in-desk-light");
  await page.getByLabel("API key").fill(` ${shop.key}\n`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(".frame").waitFor();
  await go(page, "/events");
  await page.locator(".event-row .event-type").first().waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  const kept = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href]));
  assert.ok(!kept.includes(shop.key), kept);
  assert.deepEqual(seen.urls.filter((url) => url.includes("sk_live") || !url.startsWith(server.url)), []);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a key that is revoked ends the session, and signing in again leads back", async () => {
  const second = await server.admin("POST", `/admin/customers/${shop.id}/keys`, {});
  const { page, close } = await openPage(browser);
  await signIn(page, server.url, second.api_key);
  await go(page, "/subscriptions?q=pushes");
  await page.getByText("takes pushes").first().waitFor();
  await server.admin("DELETE", `/admin/customers/${shop.id}/keys/${second.key_id}`);
  await page.keyboard.press("r");
  await page.getByText("The session has ended").waitFor();
  await page.getByLabel("API key").fill(shop.key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("takes pushes").first().waitFor();
  assert.match(page.url(), /#\/subscriptions\?q=pushes$/);
  await close();
});

test("hostile payloads are text: markup, long strings, control characters, marks of direction", async () => {
  const markup = `<script>globalThis.hacked=1</script><img src=x onerror="globalThis.hacked=2">`;
  const payload = { markup, long: "x".repeat(250_000), odd: "a\u202eb\u0000c", [`<b onclick=1>\u202e`]: [1, `{{7*7}}`], big: 0 };
  const body = JSON.stringify({ event_type: "hostile", source: markup, payload }).replace('"big":0', '"big":12345678901234567890.5');
  const { event_id } = await shop.api("POST", "/v1/events", body);
  const { page, seen, close } = await customerPage();
  await go(page, "/events?event_type=hostile");
  await page.getByText("hostile", { exact: true }).first().waitFor();
  await go(page, `/events/${event_id}`);
  const tree = page.locator(".tree");
  await tree.waitFor();
  const text = await tree.textContent();
  assert.ok(text.includes(markup) && text.includes("a\\u202eb\\u0000c") && text.includes("12345678901234567890.5"), text.slice(0, 2000));
  await page.getByRole("button", { name: /show all 250,000/ }).click();
  assert.ok((await tree.textContent()).includes("x".repeat(250_000)));
  await page.getByRole("button", { name: "As sent" }).click();
  await page.locator("pre.raw").waitFor();
  assert.ok((await page.locator("pre.raw").textContent()).includes("12345678901234567890.5"));
  await page.getByRole("button", { name: "Indented" }).click();
  await picture(page, "hostile-desk-light");
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  assert.equal(await page.locator("main script, main img, main b[onclick]").count(), 0);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("the live tail pauses, counts what is new, filters, and goes on through a restart of the server", async () => {
  const other = await server.customer("Tail");
  const { page, seen, close } = await openPage(browser);
  await signIn(page, server.url, other.key);
  await go(page, "/tail");
  await page.locator(".live.open").waitFor();
  const send = (n, type = "tail") => other.api("POST", "/v1/events", Array.from({ length: n }, (_, nth) => ({ event_type: type, payload: { nth } })));
  await send(30);
  await page.getByText("30 received").waitFor();
  await page.keyboard.press("p");
  await send(5);
  await page.getByRole("button", { name: "5 new" }).waitFor();
  await page.getByRole("button", { name: "5 new" }).click();
  await page.getByText("35 received").waitFor();
  await server.stop("SIGKILL");
  await page.locator(".live.waiting, .live.connecting").waitFor();
  await server.run();
  await until("the new server takes events", () => send(7).then(() => true, () => false));
  await page.getByText("42 received").waitFor();
  await page.locator(".live.open").waitFor();
  const ids = await page.locator(".event-link").evaluateAll((links) => links.map((link) => link.href));
  assert.equal(new Set(ids).size, ids.length);
  await go(page, "/tail?event_type=rare");
  await page.getByText("0 received").waitFor();
  await page.locator(".live.open").waitFor();
  await send(3);
  await send(1, "rare");
  await page.getByText("1 received").waitFor();
  assert.deepEqual(seen.faults, []);
  await close();
});

test("an endless list draws the lines in view only, and each page once", async () => {
  const many = await server.customer("Many");
  const total = 6000;
  for (let from = 0; from < total; from += 2000) {
    await many.api("POST", "/v1/events", Array.from({ length: 2000 }, (_, nth) => ({ event_type: "many", payload: { nth: from + nth } })));
  }
  const { page, seen, close } = await openPage(browser);
  await signIn(page, server.url, many.key);
  await go(page, "/events");
  await page.locator(".event-row .event-type").first().waitFor();
  await until("the end of the list is reached", async () => {
    await page.locator(".virtual").evaluate((list) => (list.scrollTop = list.scrollHeight));
    return page.getByText(`${total.toLocaleString("en-US")} in all`).isVisible();
  });
  assert.ok((await page.locator(".event-row").count()) < 100);
  await page.locator(".virtual").evaluate((list) => (list.scrollTop = list.scrollHeight));
  await page.locator('.event-preview:text-is(\'{"nth":0}\')').waitFor();
  await page.locator(".virtual").evaluate((list) => (list.scrollTop = 0));
  await page.locator(`.event-preview:text-is('{"nth":${total - 1}}')`).waitFor();
  const pages = seen.urls.filter((url) => url.includes("/v1/inbox") && url.includes("limit=250"));
  assert.ok(pages.length <= total / 250 + 1, `${pages.length} pages were read`);
  await close();
});

test("keys move through a list, open a line, and find the search", async () => {
  const { page, seen, close } = await customerPage();
  await go(page, "/events");
  await page.locator(".event-row .event-type").first().waitFor();
  for (const key of ["j", "j", "j", "k"]) await page.keyboard.press(key);
  const second = page.locator(".event-row").nth(1);
  assert.match(await second.getAttribute("class"), /selected/);
  const href = await second.locator("a").getAttribute("href");
  await page.keyboard.press("Enter");
  await page.locator(".tree").waitFor();
  assert.ok(page.url().endsWith(href), page.url());
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await go(page, "/events");
  await page.locator(".event-row .event-type").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("github.push");
  await until("the filter is in the address", () => page.url().includes("event_type=github.push"));
  await until("only pushes are listed", async () => {
    const types = await page.locator(".event-row .event-type").allTextContents();
    return types.length > 0 && types.every((type) => type === "github.push");
  });
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a subscription is made with its selector tried on the last events, tested, rotated, disabled and deleted", async (t) => {
  if (!(await needs(t, "/v1/subscriptions/judge"))) return;
  const { page, seen, close } = await customerPage();
  await go(page, "/subscriptions/new");
  await page.getByLabel("Event type", { exact: true }).fill("github.push");
  const matching = (await shop.api("GET", "/v1/inbox?order=desc&limit=100")).events.filter((one) => one.event_type === "github.push").length;
  await page.getByRole("button", { name: "Last 100" }).click();
  await page.getByText(`${matching} of the last 100 events match`).waitFor();
  await page.getByLabel("Webhook URL").fill(`${endpoint.url}/made`);
  await page.getByLabel("Name", { exact: true }).fill("made in the console");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("dialog", { name: "The signing secret" }).getByText(/^whsec_/).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByRole("button", { name: "I have kept it" }).click();
  await page.getByRole("button", { name: "Send a test" }).click();
  await page.getByText("The endpoint took the test event.").waitFor();
  await page.getByRole("button", { name: "Rotate the secret" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate the secret" }).click();
  await page.getByRole("button", { name: "I have kept it" }).click();
  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await page.getByRole("button", { name: "Enable" }).click();
  await page.getByRole("button", { name: "Disable" }).waitFor();
  await page.getByRole("link", { name: "Change" }).click();
  await page.getByLabel("Retries").fill("3000");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("3000 is not between 0 and 100").first().waitFor();
  await page.getByLabel("Retries").fill("3");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("3, at most 24 h apart", { exact: false }).waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog", { name: "Delete made in the console?" }).getByRole("button", { name: "Delete" }).click();
  await page.getByText("takes pushes").first().waitFor();
  assert.equal(await page.getByText("made in the console").count(), 0);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a subscription's headers, rate, body and template have inputs, and the template is tried before it is saved", async (t) => {
  if (!(await needs(t, "/v1/subscriptions/{id}/transform/test"))) return;
  const { page, seen, close } = await customerPage();
  await go(page, "/subscriptions/new");
  await page.getByLabel("Event type", { exact: true }).fill("shaped.*");
  await page.getByLabel("Webhook URL").fill(`${endpoint.url}/shaped`);
  await page.getByLabel("Name", { exact: true }).fill("shaped in the console");
  await page.getByLabel("Events a second, at most").fill("many");
  await page.getByText("This must be a whole number.").waitFor();
  await page.getByLabel("Events a second, at most").fill("500");
  await page.getByLabel("Body", { exact: true }).selectOption("single");
  await page.getByLabel("Headers").fill("X-Team billing");
  await page.getByText("is not Name: value.").waitFor();
  await page.getByLabel("Headers").fill("X-Team: billing\nHost: elsewhere");
  await page.getByLabel("Template").fill('{"text": ');
  await page.getByText("the JSON ends too early").waitFor();
  await page.getByLabel("Template").fill('{"text": "{{ event_type }}"}');
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("`host` cannot be set").first().waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByLabel("Headers").fill("X-Team: billing");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("button", { name: "I have kept it" }).click();
  await page.getByText("x-team").waitFor();
  const made = (await shop.api("GET", "/v1/subscriptions?limit=1000")).subscriptions.find((one) => one.description === "shaped in the console");
  assert.deepEqual([made.rate_limit_per_second, made.body, made.batch.max_events, made.transform.template], [500, "single", 1, { text: "{{ event_type }}" }]);
  await page.getByRole("link", { name: "Change" }).click();
  await page.getByRole("button", { name: "Try it on the last event" }).click();
  await page.getByText("The webhook’s body:").waitFor();
  await page.getByLabel("Events a second, at most").fill("");
  await page.getByLabel("Template").fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("x-team").waitFor();
  const changed = await shop.api("GET", `/v1/subscriptions/${made.workflow_id}`);
  assert.deepEqual([changed.rate_limit_per_second, changed.transform, changed.headers], [null, null, { "x-team": "********" }]);
  await shop.api("DELETE", `/v1/subscriptions/${made.workflow_id}`);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("an event type is declared with its schema tried on a payload, changed and deleted", async (t) => {
  if (!(await needs(t, "/v1/event-types"))) return;
  const { page, seen, close } = await customerPage();
  await go(page, "/eventTypes/new");
  await page.getByLabel("Event type", { exact: true }).fill("made.in.the.console");
  await page.getByLabel("Payload").fill('{"order":"x"}');
  await page.getByRole("button", { name: "Try it" }).click();
  await page.getByText("It does not fit:").waitFor();
  await page.getByText("/order").waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.getByLabel("Payload").fill('{"order":7}');
  await page.getByRole("button", { name: "Try it" }).click();
  await page.getByText("It fits.").waitFor();
  await page.getByLabel("Refuse events that do not fit").check();
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("link", { name: "made.in.the.console" }).click();
  await page.getByLabel("Schema").fill('{"type":"objekt"}');
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator(".notice.bad").waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("link", { name: "github.push" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "made.in.the.console" }).count(), 0);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a bad selector says what is wrong with it while it is typed", async (t) => {
  if (!(await needs(t, "/v1/subscriptions/judge"))) return;
  const { page, close } = await customerPage();
  await go(page, "/subscriptions/new");
  await page.getByLabel("Events", { exact: true }).selectOption("jsonpath");
  await page.getByLabel("JSONPath over the payload").fill("$.items[?");
  await page.locator(".tester .notice.bad").waitFor();
  await close();
});

test("an event says where it went and is sent again", async (t) => {
  if (!(await needs(t, "/v1/events/{id}/deliveries"))) return;
  const push = await newestOfType("github.push");
  const { page, seen, close } = await customerPage();
  await go(page, `/events/${push.event_id}`);
  await page.locator(".went").getByText("takes pushes").waitFor();
  await page.locator(".went .status", { hasText: "200" }).first().waitFor();
  const before = endpoint.taken.filter((one) => one.event_id === push.event_id).length;
  await page.getByRole("button", { name: "Resend" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Resend" }).click();
  await page.getByText("Queued for 1 subscription.").waitFor();
  await until("it came again", () => endpoint.taken.filter((one) => one.event_id === push.event_id).length === before + 1);
  await page.getByRole("button", { name: "Copy as curl" }).first().click();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(command.startsWith("curl ") && command.includes(push.event_id) && !command.includes(shop.key), command);
  await page.getByText("action", { exact: true }).first().hover().catch(() => undefined);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("an event lists the attempts of its own webhooks, with what the endpoint said", async (t) => {
  if (!(await needs(t, "/v1/events/{id}/attempts"))) return;
  const issue = await newestOfType("github.issues");
  const kept = async () => (await shop.api("GET", `/v1/events/${issue.event_id}/attempts`)).attempts;
  await until("its attempts are kept", async () => (await kept()).length > 0);
  const { page, seen, close } = await customerPage();
  await go(page, `/events/${issue.event_id}`);
  await page.locator(".went").getByText("is down").waitFor();
  const rows = page.locator(".went tbody tr");
  await until("each is a line", async () => (await rows.count()) === (await kept()).length);
  await rows.first().getByText("500").waitFor();
  await rows.first().getByText("the database is being upgraded").waitFor();
  // Another event went in other webhooks: it has none of these.
  const star = await newestOfType("github.star");
  await go(page, `/events/${star.event_id}`);
  await page.locator(".went").getByText("refuses all").waitFor();
  await until("its own attempt is shown", async () => (await rows.count()) > 0);
  assert.equal(await page.getByText("the database is being upgraded").count(), 0);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("the overview tells how long events took to their endpoints, in all and by endpoint", async (t) => {
  if (!(await needs(t, "/v1/usage"))) return;
  const receipts = async () => (await shop.api("GET", "/v1/usage?granularity=hour")).receipts;
  await until("it is counted", async () => (await receipts()).length > 0);
  const { page, seen, close } = await customerPage();
  await go(page, "/overview");
  await page.getByText("from acceptance to receipt").first().waitFor();
  await page.getByRole("img", { name: "From acceptance to receipt" }).waitFor();
  await page.getByText(/p50 [\d.]+ \w+, p99 [\d.]+ \w+/).first().waitFor();
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a list is searched, held to a status, and opened with the keys", async () => {
  const { page, seen, close } = await customerPage();
  await go(page, "/subscriptions");
  await page.locator("tbody tr").nth(2).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("is down");
  await until("one is left", async () => (await page.locator("tbody tr").count()) === 1);
  await page.getByLabel("Status").selectOption("disabled");
  await page.getByText("None matches.").waitFor();
  await page.getByLabel("Status").selectOption("");
  await page.locator("tbody tr").first().waitFor();
  await page.keyboard.press("Escape");
  await page.locator("h1").click();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await until("it is opened", () => page.evaluate((id) => location.hash.includes(id), subscriptions.failing.workflow_id));
  assert.deepEqual(seen.faults, []);
  await close();
});

test("dead letters are counted before they are redriven or deleted, some or all", async (t) => {
  if (!(await needs(t, "/v1/dead-letters/summary"))) return;
  const count = async (query = "") => (await shop.api("GET", `/v1/dead-letters?limit=1000${query}`)).dead_letters.length;
  const { page, seen, close } = await customerPage();
  const id = subscriptions.refusing.workflow_id;
  const before = await count(`&workflow_id=${id}`);
  assert.ok(before > 0);
  await go(page, `/deadLetters?workflow_id=${id}`);
  await page.locator("tbody tr").first().waitFor();
  await page.getByRole("button", { name: `Redrive all ${before}` }).click();
  await page.getByRole("dialog", { name: `Deliver ${before} again?` }).getByRole("button", { name: `Redrive ${before}` }).click();
  await page.getByText(/queued again/).waitFor();
  await until("it was refused again", async () => (await count(`&workflow_id=${id}`)) >= 1);
  await page.keyboard.press("r");
  await page.locator('tbody input[type="checkbox"]').first().check();
  await page.getByRole("button", { name: "Delete 1" }).click();
  const left = await count(`&workflow_id=${id}`);
  await page.getByRole("dialog", { name: "Delete 1?" }).getByRole("button", { name: "Delete 1" }).click();
  await page.getByText("1 deleted.").waitFor();
  await until("it is gone", async () => (await count(`&workflow_id=${id}`)) === left - 1);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a replay is counted, confirmed, started and seen to its end", async () => {
  const { page, seen, close } = await customerPage();
  await go(page, `/replays?workflow_id=${subscriptions.good.workflow_id}`);
  const pushes = realEvents.filter((one) => one.event_type === "github.push").length;
  await page.getByRole("button", { name: "Count first" }).click();
  await page.getByText(new RegExp(`^${pushes} of [\\d,]+ events would be delivered`)).waitFor();
  await page.getByRole("button", { name: `Deliver ${pushes} events` }).click();
  await page.getByRole("dialog").getByRole("button", { name: `Deliver ${pushes} events` }).click();
  await page.getByText("It runs.").waitFor();
  await page.locator("tbody .status", { hasText: "Done" }).waitFor();
  await page.getByText(new RegExp(`^${pushes} queued of`)).waitFor();
  assert.deepEqual(seen.faults, []);
  await close();
});

test("the composer checks its form while one types, and sends each form of an event", async () => {
  const { page, seen, close } = await customerPage();
  await go(page, "/composer");
  await page.getByLabel("Customer’s e-mail").fill("nobody");
  await page.getByText("This is not an e-mail address.").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("This is needed.").nth(1).waitFor();
  await page.getByLabel("Document type").fill("invoice");
  await page.getByLabel("Priority").selectOption("high");
  await page.getByLabel("Description").fill("It's overdue");
  await page.getByLabel("Customer’s e-mail").fill("a@b.example");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("1 event accepted.").waitFor();
  const sent = await newestOfType("document.invoice");
  assert.deepEqual(sent.payload, { document_type: "invoice", priority: "high", description: "It's overdue", customer_email: "a@b.example" });
  for (const [form, text] of [["JSON", "1 event accepted."], ["CloudEvent", "1 event accepted."], ["Many", "2 events accepted."]]) {
    await page.getByRole("button", { name: form, exact: true }).click();
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText(text).waitFor();
  }
  await page.getByLabel("Events", { exact: true }).fill('[{"payload":1},{"event_type":7}]');
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("1 event accepted, 1 refused.").waitFor();
  await page.getByLabel("Events", { exact: true }).fill('[\n{"payload":1}');
  await page.getByText(/Line 2, column \d+: the JSON ends too early/).waitFor();
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a ticket is judged by the agent's rule, and sent with its verdict", async () => {
  const { page, seen, close } = await customerPage();
  await go(page, "/ticket");
  await page.getByLabel("The ticket’s text").fill("Please have a look when there is time.");
  await page.getByText("It does not trigger").waitFor();
  await page.getByLabel("The ticket’s text").fill("URGENT: customers are angry");
  await page.getByText("It triggers").waitFor();
  await page.getByText("It has “urgent”, “angry”.").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("1 event accepted.").waitFor();
  const { payload } = await newestOfType("support.ticket");
  assert.deepEqual([payload.triggers, payload.matched_words], [true, ["urgent", "angry"]]);
  assert.deepEqual(seen.faults, []);
  await close();
});

test("an operator makes a customer and a key, and looks at that customer", async (t) => {
  if (!(await needs(t, "/admin/customers/{customer_id}/inbox"))) return;
  const { page, seen, close } = await openPage(browser);
  await signIn(page, server.adminUrl, ADMIN_TOKEN);
  await page.getByRole("button", { name: "Add a customer" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Made by an operator");
  await page.getByRole("dialog").getByRole("button", { name: "Add a customer" }).click();
  await page.getByRole("link", { name: "Made by an operator" }).click();
  await page.getByText("No events in this range").waitFor();
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByText("No keys yet").waitFor();
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make the key" }).click();
  const key = (await page.getByRole("dialog", { name: "The new key" }).getByText(/^sk_live_/).textContent()).trim();
  await page.getByRole("button", { name: "I have kept it" }).click();
  await server.ask(server.url, key, "POST", "/v1/events", { event_type: "seen.by.operator", payload: {} });
  await page.getByRole("link", { name: "Events", exact: true }).click();
  await page.getByText("seen.by.operator").waitFor();
  await page.getByRole("link", { name: "Composer" }).click();
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("1 event accepted.").waitFor();
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a customer that has nothing yet is told what to do in every view", async (t) => {
  if (!(await needs(t, "/v1/usage"))) return;
  const empty = await server.customer("Empty");
  const { page, seen, close } = await openPage(browser);
  await signIn(page, server.url, empty.key);
  for (const [place, text] of [
    ["/overview", "No events in this range"],
    ["/events", "No events yet"],
    ["/events?status=failed", "No event matches these filters"],
    ["/events/01900000-0000-7000-8000-000000000000", "There is no such event"],
    ["/subscriptions", "No subscriptions yet"],
    ["/subscriptions/01900000-0000-7000-8000-000000000000", "There is no such subscription"],
    ["/deadLetters", "No dead letters"],
    ["/replays", "No replays yet"],
    ["/tail", "Waiting for events"],
    ["/nowhere", "There is no such page."],
  ]) {
    await go(page, place);
    await page.getByText(text).first().waitFor();
  }
  assert.deepEqual(seen.faults, []);
  await close();
});

test("a server that is gone is said to be gone, and its return is noticed", async () => {
  const { page, close } = await customerPage();
  await go(page, "/subscriptions");
  await page.getByText("takes pushes").first().waitFor();
  await server.stop();
  await page.keyboard.press("r");
  await page.getByText("The server does not answer").waitFor();
  await server.run();
  await page.getByRole("button", { name: "Try again" }).first().click();
  await page.getByText("The server does not answer").waitFor({ state: "detached" });
  await close();
});
