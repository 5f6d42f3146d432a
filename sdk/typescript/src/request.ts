// Turns a call into the exact bytes of a request, and an answer into a value.

import { ApiError, isRecord } from "./errors.js";
import type { Failure } from "./retry.js";
import { retryAfterMs } from "./retry.js";
import { VERSION } from "./version.js";

/** A call of the API. */
export interface CallRequest {
  method: string;
  path: string;
  query?: object;
  body?: unknown;
  headers?: Record<string, string>;
}

/** A request. Every attempt sends these same bytes. */
export interface Prepared {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer> | undefined;
  keyed: boolean;
}

/** An answer that was read whole. */
export interface Answer {
  status: number;
  headers: Headers;
  body: Uint8Array;
}

/** The target and the credential of requests. */
export class Target {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #gzipMinBytes: number;

  constructor(baseUrl: string, key: string, gzipMinBytes: number) {
    const url = new URL(baseUrl);
    if (!/^https?:$/.test(url.protocol) || url.search || url.hash || url.username) {
      throw new TypeError("baseUrl must be http://host or https://host, with a path at most");
    }
    if (!/^[!-~]+$/.test(key)) throw new TypeError("the key must be printable ASCII");
    this.#base = url.href.replace(/\/+$/, "");
    this.#headers = {
      authorization: `Bearer ${key}`,
      "user-agent": `sluice-typescript/${VERSION}`,
      accept: "application/json",
    };
    this.#gzipMinBytes = gzipMinBytes;
  }

  /** The request of a call. */
  prepare(call: CallRequest): Promise<Prepared> {
    const body = call.body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(call.body));
    return this.prepareBytes(call, body);
  }

  /** The request of a call whose body is JSON text already. */
  async prepareBytes(call: CallRequest, body: Uint8Array<ArrayBuffer> | undefined): Promise<Prepared> {
    const headers = { ...this.#headers, ...call.headers };
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      if (body.length >= this.#gzipMinBytes) {
        headers["content-encoding"] = "gzip";
        body = await gzip(body);
      }
    }
    const url = this.#base + call.path + queryText(call.query ?? {});
    return { method: call.method, url, headers, body, keyed: "idempotency-key" in headers };
  }
}

/** A path segment: an id with a slash in it stays one segment. */
export function segment(text: string): string {
  if (text === "" || text === "." || text === "..") throw new TypeError("an id must not be empty, `.` or `..`");
  return encodeURIComponent(text);
}

function queryText(query: object): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`);
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** The value of a successful answer. */
export function valueOf(answer: Answer): unknown {
  if (answer.body.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(answer.body));
  } catch {
    throw new ApiError(answer.status, "UNKNOWN", "the answer is not JSON", undefined, requestId(answer), undefined);
  }
}

/** The error of an answer that is no success. */
export function errorOf(answer: Answer, nowMs: number): ApiError {
  const text = new TextDecoder().decode(answer.body);
  let fields: Record<string, unknown> = { message: text.slice(0, 200) || "the answer has no body" };
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value) && isRecord(value["error"])) fields = value["error"];
  } catch {
    // The answer is not in the API's shape, so an excerpt of it is the message.
  }
  return new ApiError(
    answer.status,
    String(fields["code"] ?? "UNKNOWN"),
    String(fields["message"] ?? ""),
    fields["details"],
    typeof fields["request_id"] === "string" ? fields["request_id"] : requestId(answer),
    retryAfterMs(answer.headers.get("retry-after"), nowMs),
  );
}

export function refusalOf(answer: Answer, error: ApiError): Failure {
  const retryAfter = answer.headers.get("retry-after");
  return { status: answer.status, code: error.code, retryAfter, outcomeUnknown: error.outcomeUnknown };
}

function requestId(answer: Answer): string | undefined {
  return answer.headers.get("x-request-id") ?? undefined;
}
