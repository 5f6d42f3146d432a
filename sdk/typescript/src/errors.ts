// The errors of the client and the batcher. `SluiceError` is the base of all others.

/** The base of every error of the client and the batcher. */
export class SluiceError extends Error {
  override name = "SluiceError";
}

/** The server refused the request, or could not do it after all retries. */
export class ApiError extends SluiceError {
  override name = "ApiError";

  constructor(
    readonly status: number,
    /** Stable: programs may rely on it. `UNKNOWN` if the answer was not in the API's shape. */
    readonly code: string,
    /** For people. */
    readonly reason: string,
    /** Details for programs: `field`, `pointer`, a limit, `outcome`. */
    readonly details: unknown,
    readonly requestId: string | undefined,
    readonly retryAfterMs: number | undefined,
  ) {
    super(`${status} ${code}: ${reason} (request ${requestId ?? "unknown"})`);
  }

  /** Whether the events may have been accepted all the same. */
  get outcomeUnknown(): boolean {
    return isRecord(this.details) && this.details["outcome"] === "unknown";
  }
}

/** How a request failed without a complete answer; `connect`: it was certainly not sent. */
export type FaultKind = "connect" | "timeout" | "broken";

/** No complete answer came, after all retries. */
export class NetworkError extends SluiceError {
  override name = "NetworkError";

  constructor(
    readonly fault: FaultKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether the server may have done the request although it reported no success. */
  get outcomeUnknown(): boolean {
    return this.fault !== "connect";
  }
}

/** The server refused one event; its neighbours are not affected. */
export class EventRejected extends SluiceError {
  override name = "EventRejected";

  constructor(
    readonly code: string,
    readonly reason: string,
  ) {
    super(`${code}: ${reason}`);
  }
}

/** An event has more bytes than the batcher may send. */
export class EventTooLarge extends SluiceError {
  override name = "EventTooLarge";
}

/** The batcher's queue has no room. */
export class BatcherFull extends SluiceError {
  override name = "BatcherFull";
}

/** The batcher was closed before the event was sent. */
export class BatcherClosed extends SluiceError {
  override name = "BatcherClosed";
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
