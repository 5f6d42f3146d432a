// The live tail: reads the stream of events, and after a break resumes from the last
// event that it has. It keeps a bounded number of events.

import type { StoredEvent } from "./types.ts";
import { ApiFailure, isAborted, send } from "./http.ts";
import { SseReader } from "./sse.ts";

export type TailState = "connecting" | "open" | "waiting" | "refused";

/** The most events that are kept; older ones are dropped. */
export const KEPT_MAX = 1000;
/** Characters of a payload that are kept for its line. */
const PREVIEW_MAX = 200;
/** A stream sends something at least every 15 s; after a longer silence it is dead. */
const SILENCE_MAX_MS = 45_000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 10_000;

/** An event as a line of a list shows it. */
export interface EventLine {
  id: string;
  type: string;
  source: string;
  time: string;
  status: string;
  attempts: number;
  preview: string;
}

export function lineOf(event: StoredEvent): EventLine {
  const text = typeof event.payload === "string" ? event.payload : JSON.stringify(event.payload);
  return {
    id: event.event_id,
    type: event.event_type ?? "",
    source: event.source ?? "",
    time: event.timestamp,
    status: event.status ?? "",
    attempts: event.delivery_attempts ?? 0,
    // A copy of its own: a slice would hold the whole payload in memory.
    preview: [...text.slice(0, PREVIEW_MAX)].join(""),
  };
}

export interface TailFilter {
  event_type?: string;
  source?: string;
  tag?: string;
}

/** Reads a customer's stream until it is stopped. */
export class Tail {
  lines: EventLine[] = [];
  received = 0;
  state: TailState = "connecting";
  failure: ApiFailure | null = null;
  private lastId: string | null = null;
  private readonly controller = new AbortController();

  constructor(
    private readonly path: string,
    private readonly filter: TailFilter,
    private readonly changed: () => void,
  ) {
    void this.run();
  }

  stop(): void {
    this.controller.abort();
  }

  clear(): void {
    this.lines = [];
    this.changed();
  }

  private async run(): Promise<void> {
    let pause = PAUSE_MIN_MS;
    while (!this.controller.signal.aborted) {
      const before = this.received;
      try {
        await this.readOnce();
      } catch (error) {
        if (isAborted(error) || this.controller.signal.aborted) return;
        if (error instanceof ApiFailure) {
          this.failure = error;
          if ([400, 401, 403, 404, 405].includes(error.status)) return this.enter("refused");
          if (error.retryAfterSeconds) pause = Math.max(pause, error.retryAfterSeconds * 1000);
        }
      }
      if (this.received > before) pause = PAUSE_MIN_MS;
      this.enter("waiting");
      await sleep(pause * (0.5 + Math.random()), this.controller.signal);
      pause = Math.min(pause * 2, PAUSE_MAX_MS);
    }
  }

  private async readOnce(): Promise<void> {
    this.enter("connecting");
    const silence = new Silence();
    try {
      const response = await send(this.path, {
        query: { ...this.filter },
        headers: this.lastId === null ? {} : { "Last-Event-ID": this.lastId },
        signal: AbortSignal.any([this.controller.signal, silence.signal]),
      });
      this.failure = null;
      this.enter("open");
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const messages = new SseReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        silence.broken();
        for (const message of messages.push(value)) this.take(message.id, message.data);
        this.changed();
      }
    } catch (error) {
      if (!silence.signal.aborted) throw error;
    } finally {
      silence.end();
    }
  }

  private take(id: string | null, data: string): void {
    if (id !== null) this.lastId = id;
    this.lines.push(lineOf(JSON.parse(data) as StoredEvent));
    this.received += 1;
    if (this.lines.length > KEPT_MAX * 1.5) this.lines = this.lines.slice(-KEPT_MAX);
  }

  private enter(state: TailState): void {
    this.state = state;
    this.changed();
  }
}

/** Aborts a request whose answer is silent for too long. */
class Silence {
  private readonly controller = new AbortController();
  readonly signal = this.controller.signal;
  private timer = this.start();

  private start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.controller.abort(), SILENCE_MAX_MS);
  }

  broken(): void {
    clearTimeout(this.timer);
    this.timer = this.start();
  }

  end(): void {
    clearTimeout(this.timer);
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
