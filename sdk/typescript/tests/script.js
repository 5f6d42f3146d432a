// Starts `vectors/server.py`, scripts its answers, and reads the requests that it received.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

const VECTORS = fileURLToPath(new URL("../../vectors/", import.meta.url));

export const vectors = (name) => JSON.parse(readFileSync(`${VECTORS}${name}.json`, "utf8"));

const child = spawn("python3", [`${VECTORS}server.py`], { stdio: ["pipe", "pipe", "inherit"] });
const port = await new Promise((resolve) => child.stdout.once("data", (line) => resolve(Number(String(line).split(" ")[1]))));
after(() => child.kill());

const origin = `http://127.0.0.1:${port}`;

/** Scripts these answers; returns the base URL of the requests that get them. */
export async function script(answers) {
  const answer = await fetch(`${origin}/_script`, { method: "POST", body: JSON.stringify({ answers }) });
  return origin + (await answer.json()).base;
}

export async function seen(base) {
  return (await (await fetch(`${origin}/_seen${base.slice(origin.length)}`)).json()).requests;
}

/** Whether every field of `part` is in `whole`. */
export function isPart(part, whole) {
  if (part === null || typeof part !== "object" || Array.isArray(part)) return JSON.stringify(part) === JSON.stringify(whole);
  return typeof whole === "object" && whole !== null && Object.entries(part).every(([key, value]) => isPart(value, whole[key]));
}
