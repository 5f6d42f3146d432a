// Serves the console from its sources and passes everything else on to a running
// Sluice, for work on the console:
//
//   sluice up --data-dir ./sluice-data          in one shell
//   node dev.mjs 8090 http://127.0.0.1:8080     in another; then open http://127.0.0.1:8090/console/

import { createServer, request } from "node:http";
import { bundle } from "./build.mjs";

const [port = "8090", target = "http://127.0.0.1:8080"] = process.argv.slice(2);
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

createServer(async (incoming, answer) => {
  const path = incoming.url.split("?")[0];
  if (path.startsWith("/console/") && !path.endsWith("/about.json")) {
    const name = path.slice("/console/".length) || "index.html";
    const file = (await bundle()).find((one) => one.name === name);
    if (!file) return answer.writeHead(404).end();
    const type = TYPES[name.split(".").at(-1)];
    answer.writeHead(200, { "Content-Type": type, "Content-Security-Policy": POLICY, "Cache-Control": "no-store" });
    return answer.end(file.contents);
  }
  const passed = request(target + incoming.url, { method: incoming.method, headers: incoming.headers }, (from) => {
    answer.writeHead(from.statusCode, from.headers);
    from.pipe(answer);
  });
  passed.on("error", () => answer.destroy());
  answer.on("close", () => passed.destroy());
  incoming.pipe(passed);
}).listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/console/`));
