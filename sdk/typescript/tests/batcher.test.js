// The batcher: it is bounded, reports each event's result, and flushes at the end.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { ApiError, BatcherClosed, BatcherFull, Client, EventRejected, EventTooLarge } from "@sluice/sdk";
import { script, seen } from "./script.js";

const ECHO = { echo: "events", repeat: true };

function refused(status, code, details) {
  const headers = status === 503 ? { "retry-after": "0" } : {};
  return { status, headers, body: { error: { code, message: "because", request_id: "r", details } } };
}

const sent = async (base) => (await seen(base)).map((request) => JSON.parse(request.text).map((event) => event.payload));
const numbers = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);

async function start(answers, options, clientOptions) {
  const base = await script(answers);
  const batcher = new Client("k", { baseUrl: base, ...clientOptions }).batcher(options);
  return { base, batcher, add: (n) => batcher.send({ payload: n }) };
}

test("events go in order and each has its id", async () => {
  const { base, batcher, add } = await start([ECHO], { batchEventsMax: 40, queueEventsMax: 60 });
  const queued = [];
  for (const n of numbers(0, 100)) queued.push(await add(n));
  await batcher.close();
  assert.deepEqual(await Promise.all(queued.map((one) => one.result)), numbers(0, 100).map((n) => `id-${n}`));
  const batches = await sent(base);
  assert.deepEqual(batches.flat(), numbers(0, 100));
  assert.ok(Math.max(...batches.map((batch) => batch.length)) <= 40);
});

test("a refused event does not touch its neighbours", async () => {
  const events = [{ index: 0, event_id: "a" }, { index: 1, error: { code: "INVALID_EVENT", message: "bad" } }];
  const { batcher, add } = await start([{ status: 202, body: { accepted: 1, rejected: 1, events } }]);
  const [good, bad] = [await add(1), await add(2)];
  assert.equal(await good.result, "a");
  await assert.rejects(bad.result, (error) => error instanceof EventRejected && error.code === "INVALID_EVENT");
  await batcher.close();
});

test("if all are refused each is told why", async () => {
  const events = [0, 1].map((index) => ({ index, error: { code: `C${index}`, message: "bad" } }));
  const { batcher, add } = await start([refused(400, "ALL_REJECTED", { accepted: 0, rejected: 2, events })]);
  const queued = [await add(0), await add(1)];
  for (const [index, one] of queued.entries()) await assert.rejects(one.result, (error) => error.code === `C${index}`);
  await batcher.close();
});

test("a batch that is too large for the server is halved", async () => {
  const { base, batcher, add } = await start([refused(413, "TOO_MANY_EVENTS"), ECHO]);
  const queued = await Promise.all(numbers(0, 5).map(add));
  await batcher.close();
  assert.equal(await queued[4].result, "id-4");
  assert.deepEqual(await sent(base), [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4]]);
  assert.equal(new Set((await seen(base)).map((request) => request.headers["idempotency-key"])).size, 3);
});

test("a failed batch is repeated with the same bytes and key", async () => {
  const { base, batcher, add } = await start([refused(503, "OVERLOADED"), { fault: "close" }, ECHO]);
  assert.equal(await (await add(1)).result, "id-1");
  await batcher.close();
  const all = await seen(base);
  assert.equal(all.length, 3);
  assert.equal(new Set(all.map((request) => request.wire + request.headers["idempotency-key"])).size, 1);
});

test("a batch that stays refused fails each event", async () => {
  const { batcher, add } = await start([refused(401, "INVALID_API_KEY")]);
  await assert.rejects((await add(1)).result, ApiError);
  await batcher.close();
});

test("a full queue throws or waits", async () => {
  const throwing = await start([{ fault: "stall" }, ECHO], { queueEventsMax: 2, whenFull: "throw" }, { timeoutMs: 500 });
  const queued = [await throwing.add(0), await throwing.add(1)];
  await assert.rejects(throwing.add(2), BatcherFull);
  await throwing.batcher.close();
  assert.equal(await queued[1].result, "id-1");

  const waiting = await start([{ fault: "stall" }, ECHO], { queueEventsMax: 1 }, { timeoutMs: 500 });
  const first = await waiting.add(0);
  let room = false;
  const second = waiting.add(1).then((one) => ((room = true), one));
  await new Promise(setImmediate);
  assert.equal(room, false);
  assert.equal(await first.result, "id-0");
  assert.equal(await (await second).result, "id-1");
  await waiting.batcher.close();
});

test("flush does not wait for the linger", async () => {
  const { batcher, add } = await start([ECHO], { lingerMs: 600_000 });
  const one = await add(1);
  await batcher.flush();
  assert.equal(await one.result, "id-1");
  await batcher.close();
});

test("what cannot be sent is refused at once", async () => {
  const batcher = new Client("k").batcher();
  await assert.rejects(batcher.send({ payload: "x".repeat(262144) }), EventTooLarge);
  await batcher.close();
  await assert.rejects(batcher.send({ payload: 1 }), BatcherClosed);
});

test("closing in time fails what could not be sent", async () => {
  const batcher = new Client("k", { baseUrl: "http://127.0.0.1:65533" }).batcher({ batchEventsMax: 1 });
  const queued = await Promise.all(numbers(0, 3).map((n) => batcher.send({ payload: n })));
  await batcher.close(50);
  for (const one of queued) await assert.rejects(one.result, BatcherClosed);
});

test("absurd options are refused", () => {
  for (const bad of [{ batchEventsMax: 0 }, { whenFull: "drop" }, { batchBytesMax: 10 }, { queueBytesMax: 10 }, { lingerMs: -1 }]) {
    assert.throws(() => new Client("k").batcher(bad), RangeError, JSON.stringify(bad));
  }
});

test("the end of the process flushes", async () => {
  const base = await script([ECHO]);
  const text = `import { Client } from "@sluice/sdk";
    const batcher = new Client("k", { baseUrl: ${JSON.stringify(base)} }).batcher({ lingerMs: 600000 });
    const queued = await batcher.send({ payload: 1 });
    queued.result.then((id) => console.log(id));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", text], { cwd: import.meta.dirname });
  assert.equal(stdout, "id-1\n");
  assert.deepEqual(await sent(base), [[1]]);
});
