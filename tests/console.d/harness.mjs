// A running Sluice, an endpoint that behaves as its path says, and a browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createServer as createSocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const tools = createRequire(join(process.env.SLUICE_TEST_CONSOLE_TOOLS, "package.json"));
const { chromium } = tools("playwright-core");
const axe = tools.resolve("axe-core/axe.min.js");
const examples = tools("@octokit/webhooks-examples");
export const realEvents = (examples.default ?? examples).flatMap(({ name, examples: all }) =>
  all.map((payload) => ({ event_type: `github.${name}`, source: "github", payload })),
);

/** The machine may be busy with other builds. */
export const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 90_000);
export const ADMIN_TOKEN = "the-admin-token-of-the-console-test";

async function freePort() {
  const socket = createSocketServer().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

export async function until(what, check, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Sluice on ports that stay the same over a restart. */
export class Server {
  static async start() {
    const server = new Server();
    server.data = mkdtempSync(join(tmpdir(), "sluice-console-"));
    [server.port, server.adminPort] = [await freePort(), await freePort()];
    server.url = `http://127.0.0.1:${server.port}`;
    server.adminUrl = `http://127.0.0.1:${server.adminPort}`;
    await server.run();
    return server;
  }

  async run() {
    this.log = "";
    this.process = spawn(
      process.env.SLUICE_TEST_BINARY,
      ["up", "--data-dir", this.data, "--listen", `127.0.0.1:${this.port}`, "--admin-listen", `127.0.0.1:${this.adminPort}`,
        "--admin-token", ADMIN_TOKEN, "--allow-private-webhooks"],
      { env: { ...process.env, SLUICE_INGEST__ENVIRONMENT: "development" } },
    );
    let out = "";
    this.process.stdout.on("data", (chunk) => (out += chunk));
    this.process.stderr.on("data", (chunk) => (this.log = (this.log + chunk).slice(-20_000)));
    await until("the server is ready", () => {
      if (this.process.exitCode !== null) throw new Error(`the server ended: ${this.log}`);
      return out.includes("ready ");
    });
  }

  async stop(signal = "SIGTERM") {
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }

  async end() {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }

  async ask(url, credential, method, path, body) {
    const answer = await fetch(url + path, {
      method,
      headers: { Authorization: `Bearer ${credential}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  admin(method, path, body) {
    return this.ask(this.adminUrl, ADMIN_TOKEN, method, path, body);
  }

  /** The routes that it does not have, of those that a test needs. */
  async lacks(...paths) {
    const described = await Promise.all([this.url, this.adminUrl].map(async (url) => (await fetch(`${url}/openapi.json`)).json()));
    const known = new Set(described.flatMap(({ paths: all }) => Object.keys(all)));
    return paths.filter((path) => !known.has(path));
  }

  /** A customer with a key. */
  async customer(name) {
    const { customer_id } = await this.admin("POST", "/admin/customers", { name, rate_limit_per_second: 1_000_000 });
    const { api_key, key_id } = await this.admin("POST", `/admin/customers/${customer_id}/keys`, {});
    const api = (method, path, body) => this.ask(this.url, api_key, method, path, body);
    return { id: customer_id, key: api_key, keyId: key_id, api };
  }
}

/** `sluice demo`, with its addresses as it printed them. */
export class Demo {
  static async start(...flags) {
    const demo = new Demo();
    demo.process = spawn(process.env.SLUICE_TEST_BINARY, ["demo", "--web", "--no-open", ...flags], { env: process.env });
    let out = "";
    demo.process.stdout.on("data", (chunk) => (out = (out + chunk).slice(0, 20_000)));
    demo.process.stderr.on("data", () => undefined);
    await until("the demo is ready", () => {
      if (demo.process.exitCode !== null) throw new Error(`the demo ended: ${out}`);
      return out.includes("Ctrl-C ends it");
    });
    demo.link = /open\s+(\S+)/.exec(out)[1];
    demo.url = new URL(demo.link).origin;
    demo.key = /key (sk_test_\S+)/.exec(out)[1];
    return demo;
  }

  async end() {
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    await ended;
  }
}

/** Answers as the path says, and counts the events that it took. */
export class Endpoint {
  static async start() {
    const endpoint = new Endpoint();
    endpoint.taken = [];
    endpoint.server = createServer(async (request, answer) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      if (request.url.startsWith("/fail")) return answer.writeHead(500).end("<b>the database is being upgraded</b>");
      if (request.url.startsWith("/refuse")) return answer.writeHead(400).end("no such tenant");
      endpoint.taken.push(...JSON.parse(body));
      answer.writeHead(200).end("thank you");
    }).listen(0, "127.0.0.1");
    await once(endpoint.server, "listening");
    endpoint.url = `http://127.0.0.1:${endpoint.server.address().port}`;
    return endpoint;
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

export const startBrowser = () =>
  chromium.launch({
    executablePath: process.env.SLUICE_TEST_CHROMIUM,
    args: ["--no-sandbox", "--disable-background-networking", "--enable-precise-memory-info", "--js-flags=--expose-gc"],
  });

export const SIZES = { desk: { width: 1360, height: 860 }, phone: { width: 390, height: 800 } };

/** A page that remembers what went wrong on it, and each address that it asked for. */
export async function openPage(browser, { size = SIZES.desk, theme = "light" } = {}) {
  const context = await browser.newContext({ viewport: size, colorScheme: theme, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const seen = { faults: [], urls: [] };
  page.on("pageerror", (error) => seen.faults.push(String(error)));
  page.on("console", (message) => {
    // A refused request is a part of some tests; the console's own mistakes are not.
    if (["error", "warning"].includes(message.type()) && !/Failed to load resource/.test(message.text())) seen.faults.push(message.text());
  });
  page.on("request", (request) => seen.urls.push(request.url()));
  return { page, seen, close: () => context.close() };
}

export async function signIn(page, url, credential) {
  await page.goto(`${url}/console/`);
  await page.getByLabel(/API key|Admin token/).fill(credential);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(".frame").waitFor();
}

export const go = (page, place) =>
  page.evaluate((hash) => {
    location.hash = hash;
  }, place);

/** What axe finds on the page, in words. */
export async function accessibilityFaults(page) {
  // The page's policy allows no script of others, so axe is evaluated from outside.
  await page.evaluate((await import("node:fs")).readFileSync(axe, "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`);
}

export async function picture(page, name) {
  mkdirSync(process.env.SLUICE_TEST_PICTURES, { recursive: true });
  await page.screenshot({ path: join(process.env.SLUICE_TEST_PICTURES, `${name}.png`) });
}
