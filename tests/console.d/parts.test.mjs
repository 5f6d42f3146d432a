// The console's pure parts: built as they are for the browser, run in Node.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const console_ = join(dirname(fileURLToPath(import.meta.url)), "../../console");
const { build } = createRequire(join(console_, "package.json"))("esbuild");
const work = mkdtempSync(join(tmpdir(), "sluice-console-"));
after(() => rmSync(work, { recursive: true }));

const names = ["json", "diff", "sse", "ticket", "compose", "curl", "prometheus", "ranges", "format"];
await build({
  entryPoints: names.map((name) => join(console_, `src/core/${name}.ts`)),
  outdir: work,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  logLevel: "error",
});
const parts = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await import(pathToFileURL(join(work, `${name}.mjs`)).href)])),
);
const { json, diff, sse, ticket, compose, curl, prometheus, ranges, format } = parts;
const tools = createRequire(join(process.env.SLUICE_TEST_CONSOLE_TOOLS, "package.json"));
const examples = tools("@octokit/webhooks-examples");
const payloads = (examples.default ?? examples).flatMap((one) => one.examples);

/** What a node of the reader stands for, so that it can be compared with JSON.parse. */
function valueOf(text, node) {
  if (node.kind === "object") return Object.fromEntries(node.children.map((child) => [child.key, valueOf(text, child)]));
  if (node.kind === "array") return node.children.map((child) => valueOf(text, child));
  return JSON.parse(json.sliceOf(text, node));
}

test("the reader reads every real event as JSON.parse does", () => {
  assert.ok(payloads.length > 100);
  for (const payload of payloads) {
    for (const text of [JSON.stringify(payload), JSON.stringify(payload, null, 3)]) {
      const node = json.readJson(text);
      assert.deepEqual(valueOf(text, node), payload);
      assert.deepEqual(JSON.parse(json.prettyJson(text, node)), payload);
    }
  }
});

test("the reader keeps numbers and doubled keys as they were sent", () => {
  const text = '{"n":12345678901234567890.10,"a":1,"a":2,"e":1E400}';
  const node = json.readJson(text);
  assert.equal(json.sliceOf(text, json.fieldOf(node, "n")), "12345678901234567890.10");
  assert.equal(json.sliceOf(text, json.fieldOf(node, "a")), "2");
  assert.equal(json.prettyJson(text, node), '{\n  "n": 12345678901234567890.10,\n  "a": 1,\n  "a": 2,\n  "e": 1E400\n}');
});

test("the reader refuses what JSON.parse refuses", () => {
  const bad = ["", "{", "[1,]", '{"a" 1}', "{a:1}", '"\n"', "01", "1.", "tru", "[1 2]", "{} x", '"', "nul", "[", '{"a":1,}', "+1"];
  for (const text of bad) {
    assert.throws(() => JSON.parse(text));
    assert.throws(() => json.readJson(text), (error) => typeof error.fault === "string", JSON.stringify(text));
  }
  assert.throws(() => json.readJson("[".repeat(100_000)), (error) => error.fault === "nested");
});

test("a path of the tree is a JSONPath", () => {
  assert.equal(["$", "a", 3, "odd name", "it's", 'a"b', "ä"].map((key, at) => (at ? json.pathStep(key) : key)).join(""), `$.a[3]['odd name']['it\\'s']['a"b']['ä']`);
});

test("a difference names each path once, and nothing of what is the same", () => {
  const of = (text) => ({ text, node: json.readJson(text) });
  const lines = diff.diffJson(of('{"a":1,"b":[1,2],"c":"\\u0041","d":{}}'), of('{"a":2,"b":[1],"c":"A","e":null,"d":[]}'));
  assert.deepEqual(lines.map(({ kind, path }) => `${kind} ${path}`).sort(), ["added $.e", "changed $.a", "changed $.d", "removed $.b[1]"]);
  for (const payload of payloads.slice(0, 50)) {
    assert.deepEqual(diff.diffJson(of(JSON.stringify(payload)), of(JSON.stringify(payload, null, 1))), []);
  }
});

test("a stream cut anywhere gives the same messages", () => {
  const text = ': hello\r\nid: 1\r\ndata: {"a":1}\r\n\r\nid: 2\ndata: x\ndata: y\n\nevent: odd\ndata\n\ndata: unfinished';
  const whole = new sse.SseReader().push(text);
  assert.deepEqual(whole, [
    { id: "1", event: "message", data: '{"a":1}' },
    { id: "2", event: "message", data: "x\ny" },
    { id: "2", event: "odd", data: "" },
  ]);
  for (let at = 0; at <= text.length; at += 1) {
    const reader = new sse.SseReader();
    assert.deepEqual([...reader.push(text.slice(0, at)), ...reader.push(text.slice(at))], whole, `cut at ${at}`);
  }
});

test("the agent's rule triggers on a high priority and on whole words", () => {
  assert.equal(ticket.judgeTicket("all is well", "high").triggers, true);
  assert.equal(ticket.judgeTicket("all is well", "normal").triggers, false);
  const found = ticket.judgeTicket("URGENT: angry, not hungry. Uncritical? emergency!", "low");
  assert.deepEqual(found.hits.map((hit) => hit.word), ["urgent", "angry", "emergency"]);
});

test("the agent's rule judges the cases that it shares with the demo's backend as they say", () => {
  const cases = JSON.parse(readFileSync(join(console_, "../demo/rule-cases.json"), "utf8"));
  assert.ok(cases.length > 10);
  for (const { text, priority, words } of cases) {
    const verdict = ticket.judgeTicket(text, priority);
    assert.deepEqual([...new Set(verdict.hits.map((hit) => hit.word))], words, text);
    assert.equal(verdict.triggers, priority === "high" || words.length > 0, text);
  }
});

test("the form is checked field by field", () => {
  const good = { documentType: "invoice", priority: "high", description: "x", email: "a@b.example" };
  assert.deepEqual(compose.checkForm(good), {});
  assert.deepEqual(compose.checkForm({ ...good, documentType: "a b", email: "a@b", description: " " }), {
    documentType: "odd_type", description: "missing", email: "not_an_address",
  });
  assert.equal(JSON.parse(compose.formBody(good)).event_type, "document.invoice");
  assert.equal(compose.checkBody("json", '{"payload":null}'), null);
  assert.equal(compose.checkBody("json", "{}").fault, "no_payload");
  assert.deepEqual(compose.checkBody("cloudevent", '{"id":"1"}').missing, ["specversion", "source", "type"]);
  assert.equal(compose.checkBody("batch", "{}").fault, "no_array");
  assert.deepEqual(compose.lineAndColumn("ab\ncd", 4), [2, 2]);
});

test("a copied command says the same to a shell, whatever is in it", () => {
  const odd = `it's $HOME "x" \\ \`id\` !\n\u202e`;
  assert.equal(execFileSync("sh", ["-c", `printf %s ${curl.quote(odd)}`], { encoding: "utf8" }), odd);
  const command = curl.curlOf({ method: "POST", url: "http://x/'", headers: { A: "b'c" }, body: odd, credential: "SLUICE_API_KEY" });
  const shown = execFileSync("sh", ["-c", `curl() { printf '%s\\0' "$@"; }; SLUICE_API_KEY=k; ${command}`], { encoding: "utf8" });
  assert.deepEqual(shown.split("\0").slice(0, -1), ["-sS", "-X", "POST", "http://x/'", "-H", "Authorization: Bearer k", "-H", "A: b'c", "--data-binary", odd]);
});

test("metrics are read with their labels", () => {
  const samples = prometheus.readSamples('# HELP x\nlag{shard="a\\"b"} 3\nlag{shard="c"} 4\n');
  assert.equal(prometheus.sumOf(samples, "lag"), 7);
  assert.equal(prometheus.sumOf(samples, "lag", { shard: "c" }), 4);
  assert.equal(prometheus.sumOf(samples, "nothing"), null);
});

test("usage is spread over every step of the range", () => {
  const range = ranges.RANGES["1h"];
  const { since, until } = ranges.bounds(range, Date.parse("2026-01-01T10:30:20Z"));
  assert.deepEqual([since, until], ["2026-01-01T09:31:00.000Z", "2026-01-01T10:31:00.000Z"]);
  const bucket = { start: "2026-01-01T10:30:00Z", accepted: 3, delivered: 2, failed: 1, unmatched: 0, bytes: 9 };
  const series = ranges.spread([bucket], range, since, until);
  assert.equal(series.times.length, 60);
  assert.equal(series.buckets[59].accepted, 3);
  assert.equal(series.sums.bytes, 9);
});

test("odd characters are written out", () => {
  assert.equal(format.plainText("a\u202eb\u0000c\u200bd\ne"), "a\\u202eb\\u0000c\\u200bd\ne");
});
