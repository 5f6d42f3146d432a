// Decides which queued events make the next batch, and which still fit the queue. Pure.

/** The limits of a batcher. Bytes are those of the events' JSON. */
export interface BatcherOptions {
  /** The most events of a request. */
  batchEventsMax: number;
  /** The most bytes of a request, with brackets and commas, before gzip. */
  batchBytesMax: number;
  /** The most bytes of an event; the server's default limit. */
  eventBytesMax: number;
  /** The most events that wait or are being sent. */
  queueEventsMax: number;
  /** The most bytes that wait or are being sent. */
  queueBytesMax: number;
  /** How long the first event of a batch waits for others. */
  lingerMs: number;
  /** What `send` does when the queue is full: wait for room, or throw BatcherFull. */
  whenFull: "wait" | "throw";
  /** Attempts of a batch after the first; with the waits between them, about two and a half minutes. */
  maxRetries: number;
}

export const BATCHER_DEFAULTS: BatcherOptions = {
  batchEventsMax: 1000,
  batchBytesMax: 1 << 20,
  eventBytesMax: 256 << 10,
  queueEventsMax: 10_000,
  queueBytesMax: 16 << 20,
  lingerMs: 20,
  whenFull: "wait",
  maxRetries: 20,
};

/** The default options with these changes; throws RangeError if an option is absurd. */
export function batcherOptions(changes: Partial<BatcherOptions>): BatcherOptions {
  const options = { ...BATCHER_DEFAULTS, ...changes };
  for (const name of ["batchEventsMax", "eventBytesMax", "queueEventsMax", "queueBytesMax"] as const) {
    if (!(options[name] >= 1)) throw new RangeError(`${name} must be at least 1`);
  }
  if (options.batchEventsMax > 10_000) throw new RangeError("batchEventsMax must be at most 10000");
  if (!(options.batchBytesMax >= options.eventBytesMax + 2)) {
    throw new RangeError("batchBytesMax must be at least eventBytesMax and 2 brackets");
  }
  if (!(options.queueBytesMax >= options.eventBytesMax)) throw new RangeError("queueBytesMax must be at least eventBytesMax");
  if (!(options.lingerMs >= 0 && options.maxRetries >= 0)) throw new RangeError("lingerMs and maxRetries must not be negative");
  if (options.whenFull !== "wait" && options.whenFull !== "throw") throw new RangeError('whenFull must be "wait" or "throw"');
  return options;
}

/** How many of the first events make a batch: at least one, and more while they fit. */
export function cut(sizes: Iterable<number>, eventsMax: number, bytesMax: number): number {
  let count = 0;
  let total = 2;
  for (const size of sizes) {
    total += size + (count > 0 ? 1 : 0);
    if (count > 0 && (count === eventsMax || total > bytesMax)) break;
    count++;
  }
  return count;
}

/** Whether one more event fits the queue. */
export function fits(options: BatcherOptions, queuedEvents: number, queuedBytes: number, size: number): boolean {
  return queuedEvents < options.queueEventsMax && queuedBytes + size <= options.queueBytesMax;
}
