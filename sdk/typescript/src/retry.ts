// Decides whether a failed attempt is repeated, and after how long. Pure.

import type { FaultKind } from "./errors.js";

/** How often and how fast a failed request is repeated. */
export interface RetryPolicy {
  /** Attempts after the first. */
  maxRetries: number;
  /** The longest wait after the first failure; it doubles with each. */
  baseMs: number;
  /** The longest wait of all, unless the server asks for more. */
  capMs: number;
  /** If `Retry-After` asks for more than this, the request fails at once. */
  retryAfterMaxMs: number;
}

export const RETRY_DEFAULTS: RetryPolicy = { maxRetries: 5, baseMs: 500, capMs: 10_000, retryAfterMaxMs: 60_000 };

/** Why an attempt failed: no complete answer came, or an answer that is no success. */
export type Failure =
  | { fault: FaultKind }
  | { status: number; code: string; retryAfter: string | null; outcomeUnknown: boolean };

/** The default policy with these changes; throws RangeError if a number is negative or not a number. */
export function retryPolicy(changes: Partial<RetryPolicy>): RetryPolicy {
  const policy = { ...RETRY_DEFAULTS, ...changes };
  for (const [name, value] of Object.entries(policy)) {
    if (!(value >= 0)) throw new RangeError(`${name} must not be negative`);
  }
  return policy;
}

/**
 * Returns how long to wait before the next attempt, or undefined to give up. `failures` counts the
 * failed attempts, this one included; `random` is in [0, 1).
 */
export function waitMs(
  policy: RetryPolicy,
  method: string,
  keyed: boolean,
  failures: number,
  failure: Failure,
  nowMs: number,
  random: number,
): number | undefined {
  const after = "status" in failure ? retryAfterMs(failure.retryAfter, nowMs) : undefined;
  if (failures > policy.maxRetries || !repeatable(method, keyed, failure, after !== undefined)) return undefined;
  if (after !== undefined) return after > policy.retryAfterMaxMs ? undefined : after + random * policy.baseMs;
  const longest = Math.min(policy.capMs, policy.baseMs * 2 ** (failures - 1));
  return longest * (0.5 + 0.5 * random);
}

/** Whether a repeat can help and is safe. */
function repeatable(method: string, keyed: boolean, failure: Failure, hasRetryAfter: boolean): boolean {
  const safe = keyed || ["GET", "HEAD", "PUT", "PATCH", "DELETE"].includes(method);
  if ("fault" in failure) return safe || failure.fault === "connect";
  switch (failure.status) {
    case 429:
    case 503:
      return safe || !failure.outcomeUnknown;
    case 408:
    case 502:
    case 504:
      return safe;
    case 500:
      return safe && failure.outcomeUnknown;
    case 409: // The first attempt is still being worked on.
      return keyed && failure.code === "IDEMPOTENCY_IN_FLIGHT";
    case 404: // The event may be too young to be in the store.
      return method === "GET" && hasRetryAfter;
    default:
      return false;
  }
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. */
export function retryAfterMs(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
