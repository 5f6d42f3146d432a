// The vectors that every SDK passes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, NetworkError, WebhookError, verify } from "@sluice/sdk";
import { BATCHER_DEFAULTS, batcherOptions, cut, fits } from "../dist/cut.js";
import { CLIENT_DEFAULTS } from "../dist/core.js";
import { RETRY_DEFAULTS, waitMs } from "../dist/retry.js";
import { TOLERANCE_S } from "@sluice/sdk/webhook";
import { isPart, script, seen, vectors } from "./script.js";

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const camelKeys = (object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [camel(key), value]));
const retries = vectors("retries");
const requests = vectors("requests");
const limits = vectors("limits");
const signatures = vectors("signatures");

function callOf(client, { op, path = [], body, query, key }) {
  const rest = [body, query, key && { idempotencyKey: key }].filter((value) => value !== undefined);
  return client[camel(op)](...path, ...rest);
}

async function settled(work) {
  try {
    return { result: await work() };
  } catch (error) {
    return { error };
  }
}

for (const one of signatures.cases) {
  test(`signatures: ${one.name}`, async () => {
    const options = { nowS: one.now_s };
    const { result, error } = await settled(() => verify(Buffer.from(one.body, "base64"), one.headers, one.secrets, options));
    if (error && !(error instanceof WebhookError)) throw error;
    assert.equal(error?.reason, one.error);
    assert.deepEqual(result, one.value);
    const { error: again } = await settled(() => verify(Buffer.from(one.body, "base64"), new Headers(one.headers), one.secrets, options));
    assert.equal(again?.reason, one.error);
  });
}

test("ed25519 is RFC 8032", async () => {
  for (const one of signatures.ed25519) {
    const [bytes, message, signature] = [one.public_key, one.message, one.signature].map((hex) => Buffer.from(hex, "hex"));
    const key = await crypto.subtle.importKey("raw", bytes, "Ed25519", false, ["verify"]);
    assert.ok(await crypto.subtle.verify("Ed25519", key, signature, message));
  }
});

test("each failure is repeated as the vector says", () => {
  const policy = camelKeys(retries.policy);
  for (const { name, method, keyed, failures, outcome, now_ms, wait_ms } of retries.decisions) {
    const { status, code = "", retry_after = null, fault } = outcome;
    const failure = fault ? { fault } : { status, code, retryAfter: retry_after, outcomeUnknown: outcome.outcome === "unknown" };
    const waits = [0, 1].map((random) => waitMs(policy, method, keyed, failures, failure, now_ms, random));
    assert.deepEqual(waits, wait_ms ?? [undefined, undefined], name);
  }
});

for (const one of retries.sequences) {
  test(`sequences: ${one.name}`, async () => {
    const base = await script(one.answers);
    const { timeoutMs, ...retry } = camelKeys(retries.sequence_options);
    const client = new Client("sk_test_1", { baseUrl: base, timeoutMs, retry });
    const { result, error } = await settled(() => callOf(client, one));
    const all = await seen(base);
    assert.equal(all.length, one.requests);
    assert.equal(new Set(all.map((request) => request.wire)).size, 1);
    const keys = new Set(all.map((request) => request.headers["idempotency-key"]));
    assert.equal(keys.size, 1);
    assert.equal(!keys.has(undefined), one.keyed ?? true);
    if (one.result) assert.ok(isPart(one.result, result), JSON.stringify(result) + error);
    else if (one.fault) assert.equal(error.fault, one.fault);
    else assert.ok(isPart(one.error, { ...error, request_id: error.requestId }), String(error));
  });
}

test("a server that is not there is a connect fault", async () => {
  const client = new Client("k", { baseUrl: "http://127.0.0.1:65533", retry: { maxRetries: 1, baseMs: 1 } });
  const { error } = await settled(() => client.sendEvent({ payload: 1 }));
  assert.ok(error instanceof NetworkError);
  assert.deepEqual([error.fault, error.outcomeUnknown], ["connect", false]);
});

for (const one of requests.requests) {
  test(`requests: ${one.name}`, async () => {
    const base = await script(one.answers);
    const result = await callOf(new Client("sk_test_1", { baseUrl: `${base}/` }), one);
    const [request, ...others] = await seen(base);
    assert.equal(others.length, 0);
    const { method, target, headers = {}, absent = [], json, fresh_key } = one.expect;
    assert.deepEqual([request.method, request.target], [method, target]);
    assert.ok(isPart(headers, request.headers), JSON.stringify(request.headers));
    for (const name of absent) assert.ok(!(name in request.headers), name);
    if (json !== undefined) assert.deepEqual(JSON.parse(request.text), json);
    if (fresh_key) assert.match(request.headers["idempotency-key"], /^[0-9a-f-]{36}$/);
    if (one.result) assert.ok(isPart(one.result, result), JSON.stringify(result));
  });
}

test("pages are one iterator", async () => {
  for (const one of requests.pages) {
    const base = await script(one.answers);
    const items = [];
    for await (const item of callOf(new Client("sk_test_1", { baseUrl: base }), one)) items.push(item.event_id);
    assert.deepEqual(items, one.items);
    assert.deepEqual((await seen(base)).map((request) => request.target), one.targets);
  }
});

for (const one of requests.streams) {
  test(`streams: ${one.name}`, async () => {
    const base = await script(one.answers);
    const client = new Client("sk_test_1", { baseUrl: base, retry: { baseMs: 1, capMs: 2 } });
    const stream = client.stream({ ...one.query, ...(one.last_event_id && { lastEventId: one.last_event_id }) });
    const items = [];
    const { error } = await settled(async () => {
      for await (const event of stream) {
        items.push(event.event_id);
        if (items.length === one.items.length) break;
      }
    });
    assert.deepEqual(items, one.items);
    assert.ok(one.error ? isPart(one.error, { ...error }) : !error, String(error));
    if (one.ends_at) assert.equal(stream.lastEventId, one.ends_at);
    const all = await seen(base);
    assert.deepEqual(all.map((request) => request.headers["last-event-id"] ?? null), one.last_event_ids);
    for (const request of all) assert.equal(request.target.split(/[?&]start_time/)[0], one.targets);
  });
}

test("the defaults", () => {
  const { timeout_ms, gzip_min_bytes, max_retries, base_ms, cap_ms, retry_after_max_ms, tolerance_s, batcher } = limits.defaults;
  assert.deepEqual(CLIENT_DEFAULTS, camelKeys({ timeout_ms, gzip_min_bytes }));
  assert.deepEqual(RETRY_DEFAULTS, camelKeys({ max_retries, base_ms, cap_ms, retry_after_max_ms }));
  assert.equal(TOLERANCE_S, tolerance_s);
  assert.ok(isPart(camelKeys(batcher), BATCHER_DEFAULTS));
});

test("batches are cut as the vector says", () => {
  for (const { name, sizes, events_max, bytes_max, batches } of limits.cuts) {
    const rest = [...sizes];
    const found = [];
    while (rest.length > 0) {
      found.push(cut(rest, events_max, bytes_max));
      rest.splice(0, found.at(-1));
    }
    assert.deepEqual(found, batches, name);
  }
});

test("a queue is full when the vector says", () => {
  for (const { name, queue_events_max, queue_bytes_max, sizes, full } of limits.queue) {
    const options = batcherOptions({ ...camelKeys({ queue_events_max, queue_bytes_max }), eventBytesMax: 1 });
    let [events, bytes] = [0, 0];
    const found = sizes.map((size) => {
      const room = fits(options, events, bytes, size);
      if (room) [events, bytes] = [events + 1, bytes + size];
      return !room;
    });
    assert.deepEqual(found, full, name);
  }
});
