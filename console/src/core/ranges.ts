// The ranges that charts show, and usage put into even buckets.

import type { UsageBucket } from "./types.ts";

export interface Range {
  ms: number;
  granularity: "minute" | "hour" | "day";
  stepMs: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const RANGES: Record<string, Range> = {
  "15m": { ms: 15 * MINUTE, granularity: "minute", stepMs: MINUTE },
  "1h": { ms: HOUR, granularity: "minute", stepMs: MINUTE },
  "6h": { ms: 6 * HOUR, granularity: "minute", stepMs: MINUTE },
  "24h": { ms: DAY, granularity: "hour", stepMs: HOUR },
  "7d": { ms: 7 * DAY, granularity: "hour", stepMs: HOUR },
  "30d": { ms: 30 * DAY, granularity: "day", stepMs: DAY },
};

/** The range's first and last moment, on the borders of buckets. */
export function bounds(range: Range, nowMs: number): { since: string; until: string } {
  const end = Math.floor(nowMs / range.stepMs) * range.stepMs + range.stepMs;
  return { since: new Date(end - range.ms).toISOString(), until: new Date(end).toISOString() };
}

export interface UsageSeries {
  times: Date[];
  buckets: (UsageBucket | null)[];
  sums: Sums;
}

export interface Sums {
  accepted: number;
  delivered: number;
  failed: number;
  unmatched: number;
  bytes: number;
}

export const noSums = (): Sums => ({ accepted: 0, delivered: 0, failed: 0, unmatched: 0, bytes: 0 });

export function addSums(sums: Sums, bucket: UsageBucket): Sums {
  sums.accepted += bucket.accepted ?? 0;
  sums.delivered += bucket.delivered ?? 0;
  sums.failed += bucket.failed ?? 0;
  sums.unmatched += bucket.unmatched ?? 0;
  sums.bytes += bucket.bytes ?? 0;
  return sums;
}

/** One bucket for each step of the range; null where nothing happened. */
export function spread(usage: UsageBucket[], range: Range, since: string, until: string): UsageSeries {
  const known = new Map(usage.map((bucket) => [Date.parse(bucket.start), bucket]));
  const [times, buckets]: [Date[], (UsageBucket | null)[]] = [[], []];
  for (let at = Date.parse(since); at < Date.parse(until); at += range.stepMs) {
    times.push(new Date(at));
    buckets.push(known.get(at) ?? null);
  }
  return { times, buckets, sums: usage.reduce(addSums, noSums()) };
}

/** Sums by a name, the largest first. */
export function sumBy(usage: UsageBucket[], name: (bucket: UsageBucket) => string): [string, Sums][] {
  const sums = new Map<string, Sums>();
  for (const bucket of usage) {
    const key = name(bucket);
    sums.set(key, addSums(sums.get(key) ?? noSums(), bucket));
  }
  return [...sums].sort(([, a], [, b]) => b.accepted + b.delivered + b.failed - (a.accepted + a.delivered + a.failed));
}
