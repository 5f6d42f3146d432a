// The clients of both listeners.

import type { BatcherOptions } from "./batcher.js";
import { Batcher } from "./batcher.js";
import type { ClientOptions, Sleep } from "./core.js";
import { Core } from "./core.js";
import { AdminMethods, ClientMethods } from "./methods.js";
import type { CallRequest } from "./request.js";
import type { RetryPolicy } from "./retry.js";
import type { StreamOptions } from "./stream.js";
import { EventStream } from "./stream.js";
import type { Accepted, AcceptedMany, Event, StoredEvent } from "./types.js";

/** The options of a request that sends events. */
export interface SendOptions {
  /** Events that are sent again with the same key within 24 hours are accepted once. A unique key if absent. */
  idempotencyKey?: string;
}

/**
 * A customer's client. Failed requests that may be repeated are retried as `retry` says. Requests that send
 * events always carry an `Idempotency-Key`, so the events are accepted once.
 */
export class Client extends ClientMethods {
  readonly #core: Core;

  constructor(apiKey: string, options: ClientOptions = {}) {
    super();
    this.#core = new Core(apiKey, "http://127.0.0.1:8080", options);
  }

  /** Sends one event. When the promise resolves, the event is durable. */
  async sendEvent(event: Event, options: SendOptions = {}): Promise<Accepted> {
    return (await this.#produce(encode(event), options.idempotencyKey)) as Accepted;
  }

  /** Sends up to 10,000 events. Those that were accepted are durable; each refused one has an `error`. */
  async sendEvents(events: Event[], options: SendOptions = {}): Promise<AcceptedMany> {
    return (await this.#produce(encode(events), options.idempotencyKey)) as AcceptedMany;
  }

  /** A queue that sends single events in batches. */
  batcher(options: Partial<BatcherOptions> = {}): Batcher {
    return new Batcher((body, policy, sleep) => this.#produce(body, undefined, policy, sleep), options);
  }

  /** Events as they are accepted, without end; a broken stream resumes where it was. */
  stream(options: StreamOptions = {}): EventStream<StoredEvent> {
    return new EventStream<StoredEvent>(this.#core, options);
  }

  async #produce(body: Uint8Array<ArrayBuffer>, key?: string, policy?: RetryPolicy, sleep?: Sleep): Promise<unknown> {
    const headers = { "idempotency-key": key ?? crypto.randomUUID() };
    const request = await this.#core.target.prepareBytes({ method: "POST", path: "/v1/events", headers }, body);
    return this.#core.send(request, policy ?? this.#core.retry, sleep);
  }

  protected call<T>(request: CallRequest): Promise<T> {
    return this.#core.call(request);
  }

  protected pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined> {
    return this.#core.pages(path, query, items);
  }
}

/** An operator's client, for the admin listener. */
export class Admin extends AdminMethods {
  readonly #core: Core;

  constructor(adminToken: string, options: ClientOptions = {}) {
    super();
    this.#core = new Core(adminToken, "http://127.0.0.1:8081", options);
  }

  protected call<T>(request: CallRequest): Promise<T> {
    return this.#core.call(request);
  }

  protected pages<T>(path: string, query: object, items: string): AsyncGenerator<T, void, undefined> {
    return this.#core.pages(path, query, items);
  }
}

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
