// A bounded queue that sends single events in batches, and reports the result of each.
//
// One batch is sent at a time, so events keep their order. A batch is repeated with the same bytes
// and the same `Idempotency-Key` until it is accepted, refused, or out of retries.

import type { Sleep } from "./core.js";
import type { BatcherOptions } from "./cut.js";
import { batcherOptions, cut, fits } from "./cut.js";
import { ApiError, BatcherClosed, BatcherFull, EventRejected, EventTooLarge, SluiceError, isRecord } from "./errors.js";
import type { RetryPolicy } from "./retry.js";
import { retryPolicy } from "./retry.js";
import type { Event } from "./types.js";

export type { BatcherOptions };

/** A queued event. */
export interface Queued {
  /** The event's id once it is durable; rejects with EventRejected, ApiError, NetworkError or BatcherClosed. */
  readonly result: Promise<string>;
}

type Produce = (body: Uint8Array<ArrayBuffer>, policy: RetryPolicy, sleep: Sleep) => Promise<unknown>;

interface Entry {
  body: Uint8Array;
  resolve: (id: string) => void;
  reject: (error: SluiceError) => void;
}

interface Runtime {
  on(event: "beforeExit", listener: () => void): void;
  off(event: "beforeExit", listener: () => void): void;
}

const runtime = (globalThis as { process?: Partial<Runtime> }).process;

/**
 * A batcher, made by `Client.batcher()`; close it at the end. In Node it also flushes when the process has nothing
 * else to do (not on `process.exit()` or a signal: close the batcher before).
 */
export class Batcher {
  readonly #produce: Produce;
  readonly #options: BatcherOptions;
  readonly #policy: RetryPolicy;
  #queue: Entry[] = [];
  #events = 0; // waiting or being sent
  #bytes = 0;
  #waitingBytes = 0;
  #running = false;
  #hurry = 0; // flushes under way
  #closed = false;
  readonly #stop = new AbortController();
  #wakeRunner: (() => void) | undefined;
  #waiters: (() => void)[] = []; // callers that wait for room or for the end
  readonly #atExit = () => void this.flush();

  constructor(produce: Produce, options: Partial<BatcherOptions>) {
    this.#produce = produce;
    this.#options = batcherOptions(options);
    this.#policy = retryPolicy({ maxRetries: this.#options.maxRetries });
    runtime?.on?.("beforeExit", this.#atExit);
  }

  /** Queues an event, once there is room, or throws BatcherFull. Await the returned `result` for the event's id. */
  async send(event: Event): Promise<Queued> {
    const body = new TextEncoder().encode(JSON.stringify(event));
    const { eventBytesMax, whenFull } = this.#options;
    if (body.length > eventBytesMax) {
      throw new EventTooLarge(`the event has ${body.length} bytes, and eventBytesMax is ${eventBytesMax}`);
    }
    for (;;) {
      if (this.#closed) throw new BatcherClosed("the batcher is closed");
      if (fits(this.#options, this.#events, this.#bytes, body.length)) break;
      if (whenFull === "throw") throw new BatcherFull(`the queue has ${this.#events} events and ${this.#bytes} bytes`);
      await this.#progress();
    }
    const result = new Promise<string>((resolve, reject) => this.#queue.push({ body, resolve, reject }));
    // A caller that ignores the result does not want an unhandled rejection to end the process.
    result.catch(() => undefined);
    this.#events++;
    this.#bytes += body.length;
    this.#waitingBytes += body.length;
    if (!this.#running) void this.#run();
    else if (this.#batchIsFull()) this.#wakeRunner?.();
    return { result };
  }

  /** Sends the queued events without lingering; resolves once all of them have a result. */
  async flush(): Promise<void> {
    this.#hurry++;
    this.#wakeRunner?.();
    while (this.#events > 0) await this.#progress();
    this.#hurry--;
  }

  /** Accepts no more events and flushes; events without a result after `timeoutMs` fail with BatcherClosed. */
  async close(timeoutMs = 30_000): Promise<void> {
    this.#closed = true;
    this.#wake();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
    await Promise.race([this.flush(), timeout]);
    clearTimeout(timer);
    this.#stop.abort();
    const abandoned = this.#queue.splice(0);
    this.#release(abandoned);
    this.#settle(abandoned, [], new BatcherClosed("the batcher was closed before the event was sent"));
    runtime?.off?.("beforeExit", this.#atExit);
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      await this.#linger();
      const { batchEventsMax, batchBytesMax } = this.#options;
      const batch = this.#queue.splice(0, cut(this.#sizes(), batchEventsMax, batchBytesMax));
      for (const entry of batch) this.#waitingBytes -= entry.body.length;
      await this.#deliver(batch);
      this.#release(batch);
    }
    this.#running = false;
  }

  *#sizes(): Iterable<number> {
    for (const entry of this.#queue) yield entry.body.length;
  }

  /** Waits for more events, unless the batch is full or a flush is under way. */
  async #linger(): Promise<void> {
    if (this.#batchIsFull() || this.#hurry > 0 || this.#closed) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wakeRunner = resolve;
      timer = setTimeout(resolve, this.#options.lingerMs);
      // If the process has nothing else to do, `beforeExit` flushes and so ends the linger.
      if (runtime?.on && typeof timer === "object") (timer as { unref?(): void }).unref?.();
    });
    clearTimeout(timer);
    this.#wakeRunner = undefined;
  }

  #batchIsFull(): boolean {
    const { batchEventsMax, batchBytesMax } = this.#options;
    return (
      this.#queue.length >= batchEventsMax ||
      this.#waitingBytes + this.#queue.length + 1 >= batchBytesMax ||
      !fits(this.#options, this.#events, this.#bytes, 1)
    );
  }

  async #deliver(batch: Entry[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      const answer = await this.#produce(arrayOf(batch), this.#policy, this.#sleep);
      this.#settle(batch, resultsOf(answer));
    } catch (caught) {
      if (caught instanceof ApiError && caught.code === "ALL_REJECTED" && resultsOf(caught.details).length > 0) {
        this.#settle(batch, resultsOf(caught.details));
      } else if (caught instanceof ApiError && caught.status === 413 && batch.length > 1) {
        // The server's limit is lower than this batch; none of its events was accepted.
        const middle = Math.floor(batch.length / 2);
        await this.#deliver(batch.slice(0, middle));
        await this.#deliver(batch.slice(middle));
      } else {
        const error = caught instanceof SluiceError ? caught : new SluiceError(`the batch could not be sent: ${String(caught)}`);
        this.#settle(batch, [], error);
      }
    }
  }

  readonly #sleep: Sleep = (ms) =>
    new Promise((resolve, reject) => {
      const stopped = () => {
        clearTimeout(timer);
        reject(new BatcherClosed("the batcher was closed while the batch was being retried; the event may have been accepted"));
      };
      const timer = setTimeout(() => {
        this.#stop.signal.removeEventListener("abort", stopped);
        resolve();
      }, ms);
      if (this.#stop.signal.aborted) stopped();
      else this.#stop.signal.addEventListener("abort", stopped, { once: true });
    });

  /** Settles each event's promise. */
  #settle(batch: Entry[], results: unknown[], error?: SluiceError): void {
    const byIndex = new Map(results.filter(isRecord).map((result) => [result["index"], result]));
    batch.forEach((entry, index) => {
      const result = byIndex.get(index) ?? {};
      const refused = result["error"];
      if (error !== undefined) entry.reject(error);
      else if (isRecord(refused)) entry.reject(new EventRejected(String(refused["code"]), String(refused["message"])));
      else if (typeof result["event_id"] === "string") entry.resolve(result["event_id"]);
      else entry.reject(new SluiceError("the answer has no result for the event"));
    });
  }

  #release(batch: Entry[]): void {
    this.#events -= batch.length;
    for (const entry of batch) this.#bytes -= entry.body.length;
    this.#wake();
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.#wakeRunner?.();
  }
}

function resultsOf(answer: unknown): unknown[] {
  return isRecord(answer) && Array.isArray(answer["events"]) ? answer["events"] : [];
}

/** The events as one JSON array. */
function arrayOf(batch: Entry[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(batch.reduce((total, entry) => total + entry.body.length + 1, 1));
  let at = 0;
  for (const entry of batch) {
    out[at] = at === 0 ? 0x5b : 0x2c;
    out.set(entry.body, at + 1);
    at += entry.body.length + 1;
  }
  out[at] = 0x5d;
  return out;
}
