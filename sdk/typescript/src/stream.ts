// The event stream (`GET /v1/stream`): reads it, and resumes where it broke.

import type { Core } from "./core.js";
import { faultOf } from "./core.js";
import { NetworkError } from "./errors.js";
import type { SluiceError } from "./errors.js";
import { errorOf, refusalOf } from "./request.js";
import type { Failure } from "./retry.js";
import { waitMs } from "./retry.js";
import type { Message } from "./sse.js";
import { Parser } from "./sse.js";

/** Which events a stream has, and where it begins. */
export interface StreamOptions {
  /** Events of this type. */
  event_type?: string;
  /** Events of this source. */
  source?: string;
  /** Events with this tag. */
  tag?: string;
  /** Where the stream begins, in RFC 3339; now if absent. */
  start_time?: string;
  /** The `lastEventId` of an earlier stream with the same filter. */
  lastEventId?: string;
  /** Failures in a row before the stream throws. */
  maxRetries?: number;
  /** A stream that is silent for longer is begun again. */
  idleTimeoutMs?: number;
}

interface Connection {
  abort: AbortController;
  reader: ReadableStreamDefaultReader<Uint8Array>;
  decoder: TextDecoder;
  parser: Parser;
}

/** An async iterable of events. `close` ends it. */
export class EventStream<T> implements AsyncIterable<T> {
  readonly #core: Core;
  readonly #query: Record<string, string | undefined>;
  readonly #maxRetries: number;
  readonly #idleTimeoutMs: number;
  #failures = 0;
  #closed = false;
  #connection: Connection | undefined;
  #lastEventId: string | undefined;

  constructor(core: Core, options: StreamOptions) {
    const { event_type, source, tag, start_time, lastEventId, maxRetries = 20, idleTimeoutMs = 60_000 } = options;
    this.#core = core;
    this.#query = { event_type, source, tag, start_time };
    this.#lastEventId = lastEventId;
    this.#maxRetries = maxRetries;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** The position of the stream: give it to a later stream to resume there. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /** Ends the stream. */
  close(): void {
    this.#closed = true;
    this.#disconnect();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      while (!this.#closed) {
        for (const message of await this.#read()) {
          if (message.id) this.#lastEventId = message.id;
          if (message.data !== undefined) yield JSON.parse(message.data) as T;
        }
      }
    } finally {
      this.close();
    }
  }

  /** The next messages; an empty list after a failure that will be retried. */
  async #read(): Promise<Message[]> {
    try {
      const connection = (this.#connection ??= await this.#connect());
      if (this.#closed) return [];
      const { done, value } = await this.#timed(connection.abort, () => connection.reader.read());
      if (done) throw new NetworkError("broken", "the stream ended");
      this.#failures = 0;
      return connection.parser.feed(connection.decoder.decode(value, { stream: true }));
    } catch (caught) {
      if (!(caught instanceof NetworkError)) throw caught;
      if (!this.#closed) await this.#failed(caught, { fault: caught.fault });
      return [];
    }
  }

  async #connect(): Promise<Connection> {
    for (;;) {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (this.#lastEventId) headers["last-event-id"] = this.#lastEventId;
      const request = await this.#core.target.prepare({ method: "GET", path: "/v1/stream", query: this.#query, headers });
      const abort = new AbortController();
      const response = await this.#timed(abort, () => this.#core.open(request, abort));
      if (response.status === 200 && response.body) {
        this.#rememberStart(response);
        return { abort, reader: response.body.getReader(), decoder: new TextDecoder(), parser: new Parser() };
      }
      const bytes = await this.#timed(abort, () => response.arrayBuffer());
      const answer = { status: response.status, headers: response.headers, body: new Uint8Array(bytes) };
      const error = errorOf(answer, Date.now());
      await this.#failed(error, refusalOf(answer, error));
    }
  }

  /** A stream that breaks before its first id begins again at this time, by the server's clock. */
  #rememberStart(response: Response): void {
    const date = Date.parse(response.headers.get("date") ?? "");
    if (!this.#lastEventId && !this.#query["start_time"] && !Number.isNaN(date)) {
      this.#query["start_time"] = new Date(date).toISOString();
    }
  }

  async #timed<R>(abort: AbortController, work: () => Promise<R>): Promise<R> {
    const timer = setTimeout(() => abort.abort(), this.#idleTimeoutMs);
    try {
      return await work();
    } catch (caught) {
      throw faultOf(caught, abort);
    } finally {
      clearTimeout(timer);
    }
  }

  async #failed(error: SluiceError, failure: Failure): Promise<void> {
    this.#disconnect();
    this.#failures++;
    const policy = { ...this.#core.retry, maxRetries: this.#maxRetries };
    const wait = waitMs(policy, "GET", false, this.#failures, failure, Date.now(), Math.random());
    if (wait === undefined) {
      this.#closed = true;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }

  #disconnect(): void {
    this.#connection?.abort.abort();
    this.#connection = undefined;
  }
}
