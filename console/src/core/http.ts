// Requests to the API, and messages for their failures.

import { session } from "./session.ts";
import { texts } from "../texts.ts";

/** Paths are relative to the folder above /console/, so a proxy may add a prefix. */
export const apiBase = new URL("..", new URL("./", location.href.split(/[?#]/)[0])).href.replace(/\/$/, "");

/** Requests that take longer than this have failed. */
const TIMEOUT_MS = 30_000;

export interface FailureDetails {
  field?: string;
  pointer?: string;
  [other: string]: unknown;
}

/** A request that failed: the server's refusal, or no answer at all. */
export class ApiFailure extends Error {
  constructor(
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: FailureDetails,
    readonly requestId: string | null,
    readonly retryAfterSeconds: number | null,
  ) {
    super(message);
  }
}

export interface Ask {
  method?: string;
  query?: Record<string, string | number | undefined | null>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  rawBody?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Instead of the session's. */
  credential?: string;
}

export function urlOf(path: string, query: Ask["query"] = {}): string {
  const url = new URL(apiBase + path);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, String(value));
  }
  return url.href;
}

/** Sends a request with the session's credential; a 401 ends the session. */
export async function send(path: string, ask: Ask = {}): Promise<Response> {
  const credential = ask.credential ?? session.credential;
  const headers: Record<string, string> = { ...ask.headers };
  if (credential) headers["Authorization"] = `Bearer ${credential}`;
  let body: string | undefined = ask.rawBody;
  if (ask.body !== undefined) {
    body = JSON.stringify(ask.body);
    headers["Content-Type"] ??= "application/json";
  }
  let response: Response;
  try {
    response = await fetch(urlOf(path, ask.query), {
      method: ask.method ?? "GET",
      headers,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      ...(body === undefined ? {} : { body }),
      ...(ask.signal ? { signal: ask.signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiFailure(0, "UNREACHABLE", texts.failure.unreachable, {}, null, null);
  }
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (response.status === 401 && ask.credential === undefined) session.signOut(texts.signIn.ended);
  throw failure;
}

async function failureOf(response: Response): Promise<ApiFailure> {
  const retryAfter = Number(response.headers.get("Retry-After"));
  const after = Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null;
  const requestId = response.headers.get("X-Request-ID");
  try {
    const { error } = (await response.json()) as {
      error: { code: string; message: string; details?: FailureDetails };
    };
    return new ApiFailure(response.status, error.code, error.message, error.details ?? {}, requestId, after);
  } catch {
    return new ApiFailure(response.status, "NOT_AN_ANSWER", texts.failure.notJson(response.status), {}, requestId, after);
  }
}

/** The answer's JSON. Without an answer in time the request fails. */
export async function ask<T>(path: string, options: Ask = {}): Promise<T> {
  const text = await askText(path, options);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** The answer's text, for payloads that must be shown as they came. */
export async function askText(path: string, options: Ask = {}): Promise<string> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    const response = await send(path, { ...options, signal });
    return await response.text();
  } catch (error) {
    if (timeout.aborted) throw new ApiFailure(0, "TIMED_OUT", texts.failure.timedOut(TIMEOUT_MS / 1000), {}, null, null);
    throw error;
  }
}

export function isAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
