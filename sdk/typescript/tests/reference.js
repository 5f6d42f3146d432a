// Checks that the reference library of Standard Webhooks judges the vectors as this package does. It knows `v1` only.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook, WebhookVerificationError } = createRequire(import.meta.url)(`${process.argv[2]}/standardwebhooks`);
const vectors = JSON.parse(readFileSync(new URL("../../vectors/signatures.json", import.meta.url), "utf8"));
const cases = vectors.cases.filter((one) => one.reference);
assert.ok(cases.length > 10);
for (const one of cases) {
  Date.now = () => one.now_s * 1000;
  try {
    const value = new Webhook(one.secrets[0]).verify(Buffer.from(one.body, "base64"), one.headers);
    assert.ok(!one.error, one.name);
    assert.deepEqual(value, one.value, one.name);
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    assert.ok(one.error, one.name);
  }
}
console.log(`${cases.length} webhooks compared`);
