// Sends requests with fetch, and retries failed ones.

import { ApiError, NetworkError } from "./errors.js";
import type { Answer, CallRequest, Prepared } from "./request.js";
import { Target, errorOf, refusalOf, valueOf } from "./request.js";
import type { Failure, RetryPolicy } from "./retry.js";
import { retryPolicy, waitMs } from "./retry.js";

/** An answer with a longer body is refused. */
const ANSWER_BYTES_MAX = 64 << 20;

/** The error codes of fetch that mean that nothing was sent. */
const CONNECT_CODES = new Set([
  "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT", "ConnectionRefused",
]);

/** The options of a client. */
export interface ClientOptions {
  /** The server's URL; this machine if absent. */
  baseUrl?: string;
  /** The time limit of a whole attempt, connecting included. */
  timeoutMs?: number;
  retry?: Partial<RetryPolicy>;
  /** Bodies from this size on are sent as gzip. */
  gzipMinBytes?: number;
  /** A replacement for the global fetch, for proxies and tests. */
  fetch?: typeof fetch;
}

export const CLIENT_DEFAULTS = { timeoutMs: 30_000, gzipMinBytes: 1024 };

/** Waits; rejects early if the caller stops the wait. */
export type Sleep = (ms: number) => Promise<void>;

const sleepFor: Sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The part that the clients of both listeners share. */
export class Core {
  readonly target: Target;
  readonly retry: RetryPolicy;
  readonly #timeoutMs: number;
  readonly #fetch: typeof fetch;

  constructor(key: string, baseUrl: string, options: ClientOptions) {
    const { timeoutMs, gzipMinBytes } = { ...CLIENT_DEFAULTS, ...options };
    if (!(timeoutMs > 0)) throw new RangeError("timeoutMs must be more than 0");
    this.target = new Target(options.baseUrl ?? baseUrl, key, gzipMinBytes);
    this.retry = retryPolicy(options.retry ?? {});
    this.#timeoutMs = timeoutMs;
    this.#fetch = options.fetch ?? globalThis.fetch;
  }

  async call<T>(call: CallRequest): Promise<T> {
    return (await this.send(await this.target.prepare(call), this.retry)) as T;
  }

  /** Sends the same bytes until an answer counts, or the policy gives up. */
  async send(request: Prepared, policy: RetryPolicy, sleep: Sleep = sleepFor): Promise<unknown> {
    for (let failures = 1; ; failures++) {
      let failure: Failure, error: ApiError | NetworkError;
      try {
        const answer = await this.#attempt(request);
        if (answer.status >= 200 && answer.status < 300) return valueOf(answer);
        error = errorOf(answer, Date.now());
        failure = refusalOf(answer, error);
      } catch (caught) {
        if (!(caught instanceof NetworkError)) throw caught;
        error = caught;
        failure = { fault: caught.fault };
      }
      const wait = waitMs(policy, request.method, request.keyed, failures, failure, Date.now(), Math.random());
      if (wait === undefined) throw error;
      await sleep(wait);
    }
  }

  async *pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined> {
    let cursor: string | null | undefined;
    do {
      const page: Record<string, unknown> = await this.call({ method: "GET", path, query: { ...query, cursor } });
      yield* page[items] as T[];
      cursor = page["has_more"] ? (page["cursor"] as string | null) : null;
    } while (cursor);
  }

  async #attempt(request: Prepared): Promise<Answer> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.#timeoutMs);
    try {
      const response = await this.open(request, abort);
      return { status: response.status, headers: response.headers, body: await readWhole(response) };
    } catch (caught) {
      throw faultOf(caught, abort);
    } finally {
      clearTimeout(timer);
    }
  }

  /** One attempt, up to the head of the answer; `abort` ends it. */
  async open(request: Prepared, abort: AbortController): Promise<Response> {
    const { method, url, headers, body } = request;
    try {
      const call = this.#fetch; // called without `this`
      return await call(url, { method, headers, body: body ?? null, redirect: "manual", signal: abort.signal });
    } catch (caught) {
      throw faultOf(caught, abort);
    }
  }
}

async function readWhole(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body ?? []) {
    total += chunk.length;
    if (total > ANSWER_BYTES_MAX) throw new NetworkError("broken", `the answer has more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const body = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/** An error that fetch threw, as a NetworkError. */
export function faultOf(caught: unknown, abort: AbortController): NetworkError {
  if (caught instanceof NetworkError) return caught;
  if (abort.signal.aborted) return new NetworkError("timeout", "the server did not answer in time", { cause: caught });
  const cause = caught instanceof Error ? (caught.cause ?? caught) : caught;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "";
  const kind = CONNECT_CODES.has(code) ? "connect" : "broken";
  return new NetworkError(kind, `${kind === "connect" ? "cannot connect" : "the connection broke"}: ${String(cause)}`, { cause: caught });
}
