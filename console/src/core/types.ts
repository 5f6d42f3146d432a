// The types of the API's answers, as its description (/openapi.json) has them.

export type EventStatus = "pending" | "delivered" | "failed" | "unmatched" | "acknowledged";

export interface StoredEvent {
  event_id: string;
  customer_id: string;
  event_type?: string;
  source?: string;
  tags?: string[];
  metadata?: Record<string, unknown>;
  payload: unknown;
  timestamp: string;
  status?: EventStatus;
  delivery_attempts?: number;
  last_delivery_timestamp?: string | null;
  acknowledged_at?: string | null;
}

export interface InboxPage {
  events: StoredEvent[];
  cursor: string;
  has_more: boolean;
}

export type Selector = { type: string; [field: string]: unknown };

export interface BatchPolicy {
  max_events: number;
  max_bytes: number;
  max_wait_ms: number;
}

export interface RetryPolicy {
  max_retries: number;
  max_delay_s: number;
  client_errors: "dead_letter" | "retry";
}

export interface Subscription {
  workflow_id: string;
  customer_id: string;
  status: "active" | "disabled";
  status_reason?: string;
  event_selector: Selector | null;
  webhook_url: string;
  batch: BatchPolicy;
  retry: RetryPolicy;
  ordered: boolean;
  description: string | null;
  version: number;
  effective_at: string;
  created_at: string;
  updated_at: string;
  secret?: string;
  public_key?: string;
  /** Names, with a mask for each value. */
  headers?: Record<string, string>;
  signature?: "v1" | "v1a";
  rate_limit_per_second?: number | null;
  body?: "array" | "single";
  transform?: { template: unknown } | null;
  [more: string]: unknown;
}

export interface Attempt {
  delivery_id: string;
  timestamp: string;
  attempt: number;
  event_count: number;
  status_code: number | null;
  latency_ms: number;
  error: string | null;
  answer_excerpt: string | null;
}

export interface JudgedEvent {
  event_id: string;
  event_type?: string;
  matches: boolean;
  before_effective_at: boolean;
  reason: string;
  pointer: string;
}

export interface Judgement {
  looked_at: number;
  complete: boolean;
  matching: number;
  events: JudgedEvent[];
}

export interface SentTrial {
  delivered: boolean;
  event_id: string;
  delivery_id: string;
  status_code: number | null;
  latency_ms: number;
  error: string | null;
  answer_excerpt: string | null;
}

export interface WhereItWent {
  workflow_id: string;
  state: "delivered" | "failed" | "pending";
  attempts: number;
  last_attempt: string | null;
}

/** An attempt whose webhook carried the event. */
export interface EventAttempt extends Attempt {
  workflow_id: string;
}

export interface SubscriptionHealth {
  backlog_deliveries: number;
  backlog_events: number;
  /** Null or absent if the server does not know it. */
  breaker?: "closed" | "open" | "half_open" | null;
  breaker_until?: string | null;
}

export interface AuditEntry {
  audit_id: string;
  at: string;
  action: string;
  actor: { kind: string; key_id: string | null };
  customer_id: string | null;
  subject: Record<string, string | null>;
  changes: { field: string; before: unknown; after: unknown; secret: boolean }[];
  outcome: string;
  error: string | null;
  from: { address: string | null } | null;
}

export interface EventType {
  name: string;
  description: string | null;
  schema: unknown;
  enforce: boolean;
  created_at: string;
  updated_at: string;
}

export interface EventTypeResult {
  valid: boolean;
  errors: { pointer: string; message: string }[];
}

/** The result of a template for an event. */
export interface TransformMade {
  ok: boolean;
  body?: unknown;
  error?: { message: string; pointer: string; line: number | null };
}

export interface DeadLetter {
  dead_letter_id: string;
  workflow_id: string;
  reason: string;
  attempts: number;
  last_status: number | null;
  last_error: string | null;
  event_count: number;
  event_ids?: string[];
  event_range?: { first: string; last: string };
  first_attempt: string | null;
  last_attempt: string | null;
  created_at: string;
}

export interface DeadLetterPage {
  dead_letters: DeadLetter[];
  cursor: string | null;
  has_more: boolean;
}

export interface DeadLetterCount {
  dead_letters: number;
  events: number;
  by_reason: { reason: string; dead_letters: number; events: number }[];
  by_workflow: { workflow_id: string; dead_letters: number; events: number }[];
  complete: boolean;
}

export interface Replay {
  replay_id: string;
  workflow_id: string;
  status: "running" | "done" | "cancelled" | "stopped";
  start_time: string;
  end_time: string;
  rate_per_second: number;
  scanned: number;
  queued: number;
  created_at: string;
  updated_at: string;
}

export interface DryRun {
  scanned: number;
  would_match: number;
  complete: boolean;
}

export interface Customer {
  customer_id: string;
  name: string;
  email: string | null;
  status: "active" | "suspended";
  rate_limit_per_second: number;
  fan_out: number;
  created_at: string;
  updated_at: string;
}

export interface ApiKey {
  key_id: string;
  hint: string;
  status: "active" | "revoked" | "expired";
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  scopes?: string[];
  api_key?: string;
}

export interface Me {
  customer: { customer_id: string; name: string; status: string; rate_limit_per_second: number };
  key: { key_id: string; hint: string; expires_at: string | null; scopes?: string[] } | null;
}

export interface UsageBucket {
  start: string;
  event_type?: string | null;
  workflow_id?: string | null;
  /** Not known for a subscription. */
  accepted?: number;
  unmatched?: number;
  bytes?: number;
  /** Not known for an event type. */
  delivered?: number;
  failed?: number;
  receipt_ms?: ReceiptMs | null;
}

/** The p50 and p99 of the delivered events' time from acceptance to receipt. */
export interface ReceiptMs {
  p50: number;
  p99: number;
}

export interface Usage {
  usage: UsageBucket[];
  /** For the whole range: one in total, or one for each subscription. */
  receipts: { workflow_id?: string | null; events: number; receipt_ms: ReceiptMs | null }[];
}

export interface System {
  version: string;
  environment: string;
  engine?: string;
  started_at?: string;
  ready: boolean;
  roles: string[];
  dependencies: { name: string; state: string; reason: string | null }[];
  shards: {
    shard: string;
    owner?: string;
    lag_ms?: number;
    lag_events?: number;
    unsettled_events?: number;
    checkpoint_age_ms?: number;
    running?: boolean;
  }[];
  queue?: { deliveries: number; events: number };
  dead_letters?: number;
  streams_open?: number;
}
