// How quick the console is: a list of 1,000,000 events, and a busy live tail.
//
//   tests/console --measure
//   TAIL_SECONDS=3600 TAIL_RATE=1000 tests/console --measure

import { Server, go, openPage, signIn, startBrowser, until } from "./harness.mjs";

const TOTAL = Number(process.env.LIST_EVENTS ?? 1_000_000);
const TAIL_SECONDS = Number(process.env.TAIL_SECONDS ?? 60);
const TAIL_RATE = Number(process.env.TAIL_RATE ?? 1000);
const REQUEST = 5000;

const [server, browser] = await Promise.all([Server.start(), startBrowser()]);
const customer = await server.customer("Measured");
const started = Date.now();
for (let from = 0; from < TOTAL; from += REQUEST) {
  const events = Array.from({ length: REQUEST }, (_, nth) => ({ event_type: "order.created", source: "shop", payload: { order: from + nth, qty: nth % 7, note: "as before" } }));
  await customer.api("POST", "/v1/events", events);
}
console.log(`${TOTAL} events were sent in ${((Date.now() - started) / 1000).toFixed(1)} s`);

const { page } = await openPage(browser);
await signIn(page, server.url, customer.key);
const heap = () => page.evaluate(() => (globalThis.gc?.(), Math.round(performance.memory.usedJSHeapSize / 1e5) / 10));
const opened = performance.now();
await go(page, "/events");
await page.locator(".event-row .event-type").first().waitFor();
console.log(`the list's first lines: ${Math.round(performance.now() - opened)} ms after it was asked for; ${await heap()} MB of JavaScript heap`);

/** Scrolls for a while by so many pixels a frame. */
const scroll = (step, seconds) =>
  page.evaluate(
    async ([step, seconds]) => {
      const list = document.querySelector(".virtual");
      const frames = [];
      const end = performance.now() + seconds * 1000;
      let last = performance.now();
      while (last < end) {
        list.scrollTop += step;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - last);
        last = now;
      }
      frames.sort((a, b) => a - b);
      return { frames: frames.length, dropped: frames.filter((ms) => ms > 25).length, median: frames[frames.length >> 1], worst: frames.at(-1), rows: document.querySelectorAll(".event-row").length };
    },
    [step, seconds],
  );
const say = (what, { frames, dropped, median, worst, rows }) =>
  console.log(`${what}: ${frames} frames, ${dropped} later than 25 ms, median ${median.toFixed(1)} ms, worst ${worst.toFixed(0)} ms; ${rows} lines drawn`);
say("scrolling at 120 px a frame", await scroll(120, 10));

const reading = performance.now();
await until("all pages were read", async () => {
  await page.locator(".virtual").evaluate(async (list) => {
    for (let nth = 0; nth < 200; nth += 1) {
      list.scrollTop = list.scrollHeight;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  return page.getByText(`${TOTAL.toLocaleString("en-US")} in all`).isVisible();
}, 3_600_000);
console.log(`all ${TOTAL} were scrolled through in ${((performance.now() - reading) / 1000).toFixed(0)} s; ${await heap()} MB of heap`);
say("scrolling back at 120 px a frame", await scroll(-120, 10));
say("scrolling back at 20,000 px a frame", await scroll(-20_000, 10));

await go(page, "/tail");
await page.locator(".live.open").waitFor();
const before = await heap();
const said = () => page.getByText(/^[\d,]+ received/).innerText();
const end = Date.now() + TAIL_SECONDS * 1000;
let sent = 0;
const begun = Date.now();
let noted = Date.now();
while (Date.now() < end) {
  const due = Math.floor(((Date.now() - begun) / 1000) * TAIL_RATE) - sent;
  if (due >= 100) {
    await customer.api("POST", "/v1/events", Array.from({ length: due }, (_, nth) => ({ event_type: "tail", payload: { nth: sent + nth } })));
    sent += due;
  } else await new Promise((resolve) => setTimeout(resolve, 20));
  if (Date.now() - noted > 60_000) {
    noted = Date.now();
    console.log(`live tail after ${Math.round((noted - begun) / 60_000)} min: ${sent} events sent, the page says "${await said()}", ${await heap()} MB of heap`);
  }
}
await page.getByText(`${sent.toLocaleString("en-US")} received`).waitFor();
console.log(`live tail of ${sent} events in ${Math.round((Date.now() - begun) / 1000)} s: ${before} MB of heap before, ${await heap()} MB after`);
await browser.close();
await server.end();
