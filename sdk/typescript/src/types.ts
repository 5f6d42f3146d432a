// What the API takes and answers.
// Written by sdk/generate from the OpenAPI documents; do not edit.

/** A string that may be one this version does not know: enumerations are open. */
export type Unknown = string & {};

/** `Accepted` of the API. */
export interface Accepted {
  event_id: string;
  message: string;
  status: string;
  timestamp: string;
}

/** `AcceptedMany` of the API. */
export interface AcceptedMany {
  accepted: number;
  events: EventResult[];
  rejected: number;
}

/** `AckMany` of the API. */
export interface AckMany {
  event_ids: string[];
}

/** `AckResult` of the API. */
export interface AckResult {
  acknowledged_at?: string;
  event_id: string;
  status: AckResultStatus;
}

/** `AckResultStatus` of the API. */
export type AckResultStatus = "acknowledged" | "already_acknowledged" | "not_found" | "invalid_id" | Unknown;

/** `AckResults` of the API. */
export interface AckResults {
  acknowledged: number;
  results: AckResult[];
}

/** `Acknowledged` of the API. */
export interface Acknowledged {
  acknowledged_at: string;
  event_id: string;
  status: string;
}

/** `Attempt` of the API. */
export interface Attempt {
  answer_excerpt: string | null;
  attempt: number;
  delivery_id: string;
  error: string | null;
  event_count: number;
  latency_ms: number;
  status_code: number | null;
  timestamp: string;
}

/** `Attempts` of the API. */
export interface Attempts {
  deliveries: Attempt[];
}

/** `AuditActor` of the API. */
export interface AuditActor {
  key_id: string | null;
  kind: AuditActorKind;
}

/** `AuditActorKind` of the API. */
export type AuditActorKind = "admin" | "key" | "system" | Unknown;

/** `AuditChange` of the API. */
export interface AuditChange {
  /** The value after; null if there is none, or if it is secret. */
  after: unknown;
  /** The value before; null if there was none, or if it is secret. A long value is cut. */
  before: unknown;
  field: string;
  /** Whether the values are secret, and so are not shown. */
  secret: boolean;
}

/** `AuditEntry` of the API. */
export interface AuditEntry {
  action: ListAuditAction;
  actor: AuditActor;
  at: string;
  audit_id: string;
  changes: AuditChange[];
  customer_id: string | null;
  /** More about the change: an object with a filter, or with counts. */
  details: unknown;
  /** The code of the error with which the change failed. */
  error: string | null;
  from: AuditSource | null;
  /** `begun`: the change is not known to have ended; none, a part or all of it was done. */
  outcome: AuditEntryOutcome;
  subject: AuditSubject;
}

/** `begun`: the change is not known to have ended; none, a part or all of it was done. */
export type AuditEntryOutcome = "begun" | "done" | "failed" | Unknown;

/** `AuditPage` of the API. */
export interface AuditPage {
  audit: AuditEntry[];
  cursor: string | null;
  has_more: boolean;
}

/** `AuditSource` of the API. */
export interface AuditSource {
  /** The address at the other end of the socket: behind a proxy, the proxy's. */
  address: string | null;
  /** The beginning of `X-Forwarded-For`, which a client may make up. */
  forwarded_for: string | null;
  request_id: string;
  user_agent: string | null;
}

/** `AuditSubject` of the API. */
export interface AuditSubject {
  customer_id: string | null;
  dead_letter_id: string | null;
  event_type: string | null;
  key_id: string | null;
  replay_id: string | null;
  workflow_id: string | null;
}

/** `BatchPolicy` of the API. */
export interface BatchPolicy {
  max_bytes?: number | null;
  max_events?: number | null;
  max_wait_ms?: number | null;
}

/** `CreateReplayAnswer` of the API. */
export type CreateReplayAnswer = DryRun | Replay;

/** `Customer` of the API. */
export interface Customer {
  created_at: string;
  customer_id: string;
  email: string | null;
  fan_out: number;
  name: string;
  rate_limit_per_second: number;
  status: CustomerStatus;
  updated_at: string;
}

/** `CustomerChange` of the API. */
export interface CustomerChange {
  email?: string | null;
  fan_out?: number | null;
  name?: string | null;
  rate_limit_per_second?: number | null;
  status?: CustomerStatus | null;
}

/** `CustomerPage` of the API. */
export interface CustomerPage {
  cursor: string | null;
  customers: Customer[];
  has_more: boolean;
  total: number;
}

/** `CustomerStatus` of the API. */
export type CustomerStatus = "active" | "suspended" | Unknown;

/** `DeadLetter` of the API. */
export interface DeadLetter {
  attempts: number;
  created_at: string;
  dead_letter_id: string;
  event_count: number;
  /** Only if there are at most 1000. */
  event_ids?: string[];
  event_range?: DeadLetterEventRange;
  first_attempt: string | null;
  last_attempt: string | null;
  last_error: string | null;
  last_status: number | null;
  reason: DeadLetterReason;
  workflow_id: string;
}

/** `DeadLetterEventRange` of the API. */
export interface DeadLetterEventRange {
  first: string;
  last: string;
}

/** `DeadLetterPage` of the API. */
export interface DeadLetterPage {
  cursor: string | null;
  dead_letters: DeadLetter[];
  has_more: boolean;
}

/** `DeadLetterReason` of the API. */
export type DeadLetterReason = "exhausted" | "refused" | "subscription_disabled" | "backlog_full" | "poison" | "too_expensive" | "transform_failed" | Unknown;

/** `DeadLetterSummary` of the API. */
export interface DeadLetterSummary {
  by_reason: DeadLetterSummaryByReason[];
  by_workflow: DeadLetterSummaryByWorkflow[];
  complete: boolean;
  dead_letters: number;
  events: number;
}

/** `DeadLetterSummaryByReason` of the API. */
export interface DeadLetterSummaryByReason {
  dead_letters: number;
  events: number;
  reason: DeadLetterReason;
}

/** `DeadLetterSummaryByWorkflow` of the API. */
export interface DeadLetterSummaryByWorkflow {
  dead_letters: number;
  events: number;
  workflow_id: string;
}

/** `Deleted` of the API. */
export interface Deleted {
  deleted: number;
}

/** `DeletedMany` of the API. */
export interface DeletedMany {
  deleted: number;
  has_more: boolean;
}

/** `DryRun` of the API. */
export interface DryRun {
  /** Whether all events of the range were looked at. */
  complete: boolean;
  dry_run: boolean;
  scanned: number;
  would_match: number;
}

/** `Event` of the API. */
export interface Event {
  event_type?: string | null;
  metadata?: EventMetadata | null;
  ordering_key?: string | null;
  /** Any JSON, at most 64 levels deep. */
  payload: unknown;
  source?: string | null;
  tags?: string[] | null;
}

/** `EventAttempt` of the API. */
export interface EventAttempt {
  answer_excerpt: string | null;
  attempt: number;
  delivery_id: string;
  error: string | null;
  event_count: number;
  latency_ms: number;
  status_code: number | null;
  timestamp: string;
  workflow_id: string;
}

/** `EventAttempts` of the API. */
export interface EventAttempts {
  attempts: EventAttempt[];
  event_id: string;
  has_more: boolean;
}

/** `EventDeliveries` of the API. */
export interface EventDeliveries {
  event_id: string;
  subscriptions: EventStanding[];
}

/** `EventError` of the API. */
export interface EventError {
  code: string;
  details?: EventMisfits;
  message: string;
  /** Seconds after which the event may be accepted. */
  retry_after_s?: number;
}

/** `EventMetadata` of the API. */
export interface EventMetadata {
  correlation_id?: string;
  /**
   * An event with the same key and fields within 24 hours is not accepted again: the answer has the
   * first event's id. This holds for one event among many too; the others are accepted.
   */
  idempotency_key?: string;
  priority?: EventMetadataPriority;
}

/** `EventMetadataPriority` of the API. */
export type EventMetadataPriority = "low" | "normal" | "high" | Unknown;

/** The places where the payload does not fit the declared type. */
export interface EventMisfits {
  errors: Misfit[];
  event_type: string;
}

/** `EventResult` of the API. */
export interface EventResult {
  error?: EventError;
  event_id?: string;
  index: number;
  /** The event was accepted before, under its own key. */
  replayed?: boolean;
}

/** `EventStanding` of the API. */
export interface EventStanding {
  attempts: number;
  last_attempt: string | null;
  state: EventStandingState;
  workflow_id: string;
}

/** `EventStandingState` of the API. */
export type EventStandingState = "delivered" | "failed" | "pending" | Unknown;

/** `EventStatus` of the API. */
export type EventStatus = "pending" | "delivered" | "failed" | "unmatched" | "acknowledged" | Unknown;

/** `EventType` of the API. */
export interface EventType {
  created_at: string;
  description: string | null;
  enforce: boolean;
  name: string;
  /** The schema as it was given. */
  schema: unknown;
  updated_at: string;
}

/** `EventTypePage` of the API. */
export interface EventTypePage {
  cursor: string | null;
  event_types: EventType[];
  has_more: boolean;
  total: number;
}

/** `EventTypeResult` of the API. */
export interface EventTypeResult {
  errors: Misfit[];
  valid: boolean;
}

/** `EventTypeTrial` of the API. */
export interface EventTypeTrial {
  /** Any JSON. */
  payload: unknown;
  schema?: unknown;
}

/** `Health` of the API. */
export interface Health {
  environment: string;
  status: string;
}

/** `InboxPage` of the API. */
export interface InboxPage {
  cursor: string | null;
  events: StoredEvent[];
  has_more: boolean;
  readable_until?: string;
  total: number;
}

/** `JudgedEvent` of the API. */
export interface JudgedEvent {
  before_effective_at: boolean;
  event_id?: string;
  event_type?: string;
  matches: boolean;
  pointer: string;
  reason: string;
}

/** `Judgement` of the API. */
export interface Judgement {
  /** Whether all events were judged in time. */
  complete: boolean;
  effective_at: string | null;
  events: JudgedEvent[];
  looked_at: number;
  matching: number;
}

/** `Key` of the API. */
export interface Key {
  created_at: string;
  customer_id: string;
  expires_at: string | null;
  /** The beginning of the key. */
  hint: string;
  key_id: string;
  revoked_at: string | null;
  scopes: Scope[];
  status: KeyStatus;
}

/** `KeyStatus` of the API. */
export type KeyStatus = "active" | "revoked" | "expired" | Unknown;

/** `KeyWithText` of the API. */
export interface KeyWithText {
  /** Shown only in this answer. */
  api_key: string;
  created_at: string;
  customer_id: string;
  expires_at: string | null;
  /** The beginning of the key. */
  hint: string;
  key_id: string;
  revoked_at: string | null;
  scopes: Scope[];
  status: KeyStatus;
}

/** `Keys` of the API. */
export interface Keys {
  keys: Key[];
}

/** `ListAuditAction` of the API. */
export type ListAuditAction = "customer.created" | "customer.updated" | "key.created" | "key.revoked" | "subscription.created" | "subscription.updated" | "subscription.enabled" | "subscription.disabled" | "subscription.secret_rotated" | "subscription.deleted" | "event_type.created" | "event_type.updated" | "event_type.deleted" | "dead_letters.redriven" | "dead_letters.deleted" | "replay.created" | "replay.cancelled" | Unknown;

/** `ListAuditActor` of the API. */
export type ListAuditActor = "admin" | "key" | "system" | Unknown;

/** `ListAuditOrder` of the API. */
export type ListAuditOrder = "asc" | "desc" | Unknown;

/** `Me` of the API. */
export interface Me {
  customer: Customer;
  key: Key | null;
  version: string;
}

/** `Misfit` of the API. */
export interface Misfit {
  message: string;
  /** JSON Pointer into the payload; "" is the payload itself. */
  pointer: string;
}

/** `NewCustomer` of the API. */
export interface NewCustomer {
  email?: string | null;
  fan_out?: number | null;
  name: string;
  rate_limit_per_second?: number | null;
  status?: CustomerStatus | null;
}

/** `NewEventType` of the API. */
export interface NewEventType {
  description?: string | null;
  enforce?: boolean | null;
  schema: unknown;
}

/** `NewKey` of the API. */
export interface NewKey {
  expires_at?: string | null;
  mode?: NewKeyMode | null;
  scopes?: Scope[] | null;
}

/** `NewKeyMode` of the API. */
export type NewKeyMode = "live" | "test" | Unknown;

/** `NewReplay` of the API. */
export interface NewReplay {
  dry_run?: boolean | null;
  end_time?: string | null;
  rate_per_second?: number | null;
  start_time?: string | null;
  workflow_id?: string | null;
}

/** `NewSubscription` of the API. */
export interface NewSubscription {
  batch?: BatchPolicy | null;
  body?: WebhookBody | null;
  description?: string | null;
  event_selector: Selector;
  headers?: unknown;
  ordered?: boolean | null;
  rate_limit_per_second?: number | null;
  retry?: RetryPolicy | null;
  secret?: string | null;
  signature?: SignatureScheme | null;
  transform?: Transform | null;
  /** https://…; private addresses are refused unless the server is configured to allow them. */
  webhook_url: string;
}

/** `ReceiptBucket` of the API. */
export interface ReceiptBucket {
  /** `null` for the last bucket, from 12.4 days on. */
  below_ms: number | null;
  events: number;
  from_ms: number;
}

/** `ReceiptMs` of the API. */
export interface ReceiptMs {
  /** Half of the events took no longer. */
  p50: number;
  /** 99 of a hundred events took no longer. */
  p99: number;
}

/** `Receipts` of the API. */
export interface Receipts {
  buckets: ReceiptBucket[];
  events: number;
  receipt_ms: ReceiptMs | null;
  workflow_id?: string | null;
}

/** `Redrive` of the API. */
export interface Redrive {
  dead_letter_ids?: string[] | null;
  limit?: number | null;
  reason?: DeadLetterReason | null;
  since?: string | null;
  until?: string | null;
  workflow_id?: string | null;
}

/** `Redriven` of the API. */
export interface Redriven {
  events: number;
  has_more: boolean;
  redriven: number;
  skipped: number;
}

/** `Replay` of the API. */
export interface Replay {
  created_at: string;
  end_time: string;
  queued: number;
  rate_per_second: number;
  replay_id: string;
  scanned: number;
  start_time: string;
  status: ReplayStatus;
  updated_at: string;
  workflow_id: string;
}

/** `ReplayPage` of the API. */
export interface ReplayPage {
  cursor: string | null;
  has_more: boolean;
  replays: Replay[];
}

/** `ReplayStatus` of the API. */
export type ReplayStatus = "running" | "done" | "cancelled" | "stopped" | Unknown;

/** `Resend` of the API. */
export interface Resend {
  workflow_id?: string | null;
}

/** `Resent` of the API. */
export interface Resent {
  deliveries: ResentDelivery[];
  event_id: string;
}

/** `ResentDelivery` of the API. */
export interface ResentDelivery {
  delivery_id: string;
  workflow_id: string;
}

/** `RetryPolicy` of the API. */
export interface RetryPolicy {
  client_errors?: RetryPolicyClientErrors | null;
  max_delay_s?: number | null;
  max_retries?: number | null;
}

/** `RetryPolicyClientErrors` of the API. */
export type RetryPolicyClientErrors = "dead_letter" | "retry" | Unknown;

/** `Rotation` of the API. */
export interface Rotation {
  keep_s?: number | null;
  signature?: SignatureScheme | null;
}

/** `Scope` of the API. */
export type Scope = "events:write" | "events:read" | "subscriptions:read" | "subscriptions:write" | "deliveries:write" | Unknown;

/** At most 16384 bytes of JSON, 128 selectors in all and 32 levels of `all`, `any` and `not`. */
export type Selector = SelectorEventType | SelectorJsonpath | SelectorCustom | SelectorAll | SelectorAny | SelectorNot;

/** `SelectorAll` of the API. */
export interface SelectorAll {
  type: "all";
  of: Selector[];
}

/** `SelectorAny` of the API. */
export interface SelectorAny {
  type: "any";
  of: Selector[];
}

/** `SelectorCustom` of the API. */
export interface SelectorCustom {
  type: "custom";
  function: SelectorFunction;
}

/** `SelectorEventType` of the API. */
export interface SelectorEventType {
  type: "event_type";
  /** A type; `*` stands for one segment, and at the end for all further segments. */
  value: string;
}

/** `SelectorFunction` of the API. */
export interface SelectorFunction {
  /** A dotted path, or a JSON Pointer, into the event. */
  field: string;
  operator: SelectorFunctionOperator;
  value?: unknown;
}

/** `SelectorFunctionOperator` of the API. */
export type SelectorFunctionOperator = "equals" | "not_equals" | "greater_than" | "greater_or_equal" | "less_than" | "less_or_equal" | "contains" | "starts_with" | "ends_with" | "in" | "not_in" | "matches" | "exists" | "not_exists" | Unknown;

/** `SelectorJsonpath` of the API. */
export interface SelectorJsonpath {
  type: "jsonpath";
  /** An RFC 9535 query over the payload, or a bare logical expression. */
  expression: string;
}

/** `SelectorNot` of the API. */
export interface SelectorNot {
  type: "not";
  of: Selector;
}

/** `SelectorTrial` of the API. */
export interface SelectorTrial {
  event_selector: Selector;
  last?: number | null;
  event?: SelectorTrialEvent;
}

/** `SelectorTrialEvent` of the API. */
export interface SelectorTrialEvent {
  event_type?: string | null;
  /** Any JSON. */
  payload: unknown;
}

/** `SentTrial` of the API. */
export interface SentTrial {
  answer_excerpt: string | null;
  delivered: boolean;
  delivery_id: string;
  error: string | null;
  event_id: string;
  latency_ms: number;
  status_code: number | null;
}

/** The schemes of Standard Webhooks: `v1` is HMAC-SHA256, `v1a` is ed25519. */
export type SignatureScheme = "v1" | "v1a" | Unknown;

/** `State` of the API. */
export interface State {
  status: string;
}

/** `StatusFilter` of the API. */
export type StatusFilter = "pending" | "delivered" | "failed" | "unmatched" | "acknowledged" | "any" | Unknown;

/** `StoredEvent` of the API. */
export interface StoredEvent {
  acknowledged_at: string | null;
  customer_id: string;
  delivery_attempts: number;
  event_id: string;
  event_type?: string;
  last_delivery_timestamp: string | null;
  metadata?: unknown;
  /** The payload as it was sent. */
  payload: unknown;
  source?: string;
  status: EventStatus;
  tags?: string[];
  timestamp: string;
}

/** `Subscription` of the API. */
export interface Subscription {
  batch: BatchPolicy;
  body: WebhookBody;
  created_at: string;
  customer_id: string;
  description: string | null;
  effective_at: string;
  /** The selector as it was given. */
  event_selector: unknown;
  headers: unknown;
  ordered: boolean;
  /** The key that verifies its signatures, with `v1a`. */
  public_key?: string;
  rate_limit_per_second: number | null;
  retry: RetryPolicy;
  signature: SignatureScheme;
  status: SubscriptionStatus;
  /** Why it is disabled: gone, backlog_full, by_customer. */
  status_reason?: string;
  transform: Transform | null;
  updated_at: string;
  version: number;
  webhook_url: string;
  workflow_id: string;
}

/** `SubscriptionChange` of the API. */
export interface SubscriptionChange {
  batch?: BatchPolicy | null;
  body?: WebhookBody | null;
  description?: string | null;
  event_selector?: Selector | null;
  headers?: unknown;
  ordered?: boolean | null;
  rate_limit_per_second?: number | null;
  retry?: RetryPolicy | null;
  status?: SubscriptionStatus | null;
  transform?: Transform | null;
  webhook_url?: string | null;
}

/** `SubscriptionHealth` of the API. */
export interface SubscriptionHealth {
  backlog_deliveries: number;
  backlog_events: number;
  /** `closed`, `open` or `half_open` */
  breaker: string | null;
  breaker_until: string | null;
  workflow_id: string;
}

/** `SubscriptionPage` of the API. */
export interface SubscriptionPage {
  cursor: string | null;
  has_more: boolean;
  subscriptions: Subscription[];
  total: number;
}

/** `SubscriptionStatus` of the API. */
export type SubscriptionStatus = "active" | "disabled" | Unknown;

/** `SubscriptionWithSecret` of the API. */
export interface SubscriptionWithSecret {
  batch: BatchPolicy;
  body: WebhookBody;
  created_at: string;
  customer_id: string;
  description: string | null;
  effective_at: string;
  /** The selector as it was given. */
  event_selector: unknown;
  headers: unknown;
  ordered: boolean;
  /** The key that verifies its signatures, with `v1a`. */
  public_key?: string;
  rate_limit_per_second: number | null;
  retry: RetryPolicy;
  /** Shown only in this answer; not with `v1a`. */
  secret?: string;
  signature: SignatureScheme;
  status: SubscriptionStatus;
  /** Why it is disabled: gone, backlog_full, by_customer. */
  status_reason?: string;
  transform: Transform | null;
  updated_at: string;
  version: number;
  webhook_url: string;
  workflow_id: string;
}

/** `System` of the API. */
export interface System {
  customers: number;
  dead_letters: number;
  dependencies: SystemDependencie[];
  engine: SystemEngine;
  environment: string;
  lanes: number;
  queue: SystemQueue;
  ready: boolean;
  roles: SystemRole[];
  shards: SystemShard[];
  started_at: string;
  streams_open: number;
  version: string;
}

/** `SystemDependencie` of the API. */
export interface SystemDependencie {
  name: string;
  reason: string;
  state: SystemDependencieState;
}

/** `SystemDependencieState` of the API. */
export type SystemDependencieState = "lost" | Unknown;

/** `SystemEngine` of the API. */
export type SystemEngine = "embedded" | "distributed" | Unknown;

/** `SystemQueue` of the API. */
export interface SystemQueue {
  deliveries: number;
  events: number;
}

/** `SystemRole` of the API. */
export type SystemRole = "ingest" | "processor" | Unknown;

/** `SystemShard` of the API. */
export interface SystemShard {
  lag_ms: number;
  progress_age_ms: number;
  restarts: number;
  running: boolean;
  shard: string;
  unsettled_events: number;
}

/** `Transform` of the API. */
export interface Transform {
  /**
   * Any JSON of at most 16384 bytes. Its strings are minijinja templates over the event. A string
   * that is nothing but `{{ expression }}` becomes the expression's value and keeps that value's
   * type.
   */
  template: unknown;
}

/** `TransformProblem` of the API. */
export interface TransformProblem {
  line: number | null;
  message: string;
  pointer: string;
}

/** `TransformResult` of the API. */
export interface TransformResult {
  /** The webhook's body. */
  body?: unknown;
  bytes?: number;
  ok: boolean;
  error?: TransformProblem;
}

/** `TransformTrial` of the API. */
export interface TransformTrial {
  body?: WebhookBody | null;
  event_id?: string;
  /** A template to try. */
  template?: unknown;
  event_type?: string | null;
  /** Any JSON of at most 16 KiB. */
  payload?: unknown;
}

/** `Trial` of the API. */
export interface Trial {
  last?: number;
  /** Any JSON of at most 16 KiB. */
  payload?: unknown;
}

/** `TrialResult` of the API. */
export type TrialResult = SentTrial | Judgement;

/** `Usage` of the API. */
export interface Usage {
  granularity: UsageGranularity;
  group_by: UsageGroupBy;
  receipts: Receipts[];
  since: string;
  until: string;
  usage: UsagePeriod[];
}

/** `UsageGranularity` of the API. */
export type UsageGranularity = "minute" | "hour" | "day" | Unknown;

/** `UsageGroupBy` of the API. */
export type UsageGroupBy = "none" | "event_type" | "workflow_id" | Unknown;

/** `UsagePeriod` of the API. */
export interface UsagePeriod {
  accepted?: number;
  bytes?: number;
  delivered?: number;
  /** `null` for events without a type; `other` for events of types beyond the limit. */
  event_type?: string | null;
  failed?: number;
  receipt_ms?: ReceiptMs | null;
  start: string;
  unmatched?: number;
  workflow_id?: string | null;
}

/** `array`: an array of events. `single`: one event per webhook, without an array around it. */
export type WebhookBody = "array" | "single" | Unknown;

/** What `listAudit` may be asked for. */
export interface ListAuditQuery {
  /** Entries of this action. */
  action?: ListAuditAction;
  /** Changes by this kind of actor. */
  actor?: ListAuditActor;
  /** Changes by this key. */
  key_id?: string;
  /** `desc`: the newest first. */
  order?: ListAuditOrder;
  /** At this time or later. */
  start_time?: string;
  /** Before this time. */
  end_time?: string;
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before, from the same query. */
  cursor?: string;
}

/** What `deleteDeadLetters` may be asked for. */
export interface DeleteDeadLettersQuery {
  /** Dead letters of this subscription. */
  workflow_id?: string;
  /** Given up for this reason. */
  reason?: DeadLetterReason;
  /** At this time or later. */
  start_time?: string;
  /** Before this time. */
  end_time?: string;
}

/** What `listDeadLetters` may be asked for. */
export interface ListDeadLettersQuery {
  /** Dead letters of this subscription. */
  workflow_id?: string;
  /** Given up for this reason. */
  reason?: DeadLetterReason;
  /** At this time or later. */
  start_time?: string;
  /** Before this time. */
  end_time?: string;
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before, from the same query. */
  cursor?: string;
}

/** What `countDeadLetters` may be asked for. */
export interface CountDeadLettersQuery {
  /** Dead letters of this subscription. */
  workflow_id?: string;
  /** Given up for this reason. */
  reason?: DeadLetterReason;
  /** At this time or later. */
  start_time?: string;
  /** Before this time. */
  end_time?: string;
}

/** What `listEventTypes` may be asked for. */
export interface ListEventTypesQuery {
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before. */
  cursor?: string;
}

/** What `eventAttempts` may be asked for. */
export interface EventAttemptsQuery {
  /** Only attempts for this subscription. */
  workflow_id?: string;
  /** The most entries of a page. */
  limit?: number;
}

/** What `inbox` may be asked for. */
export interface InboxQuery {
  /** Events with this status; `any` means every status. */
  status?: StatusFilter;
  /** Events of this type. */
  event_type?: string;
  /** Events of this source. */
  source?: string;
  /** Events with this tag. */
  tag?: string;
  /** Which events come first. */
  order?: ListAuditOrder;
  /** At this time or later. */
  start_time?: string;
  /** Up to this time, which is included. */
  end_time?: string;
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before, from the same query. */
  cursor?: string;
}

/** What `listReplays` may be asked for. */
export interface ListReplaysQuery {
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before. */
  cursor?: string;
}

/** What `listSubscriptions` may be asked for. */
export interface ListSubscriptionsQuery {
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before. */
  cursor?: string;
}

/** What `listDeliveries` may be asked for. */
export interface ListDeliveriesQuery {
  /** The most entries of a page. */
  limit?: number;
}

/** What `usage` may be asked for. */
export interface UsageQuery {
  /** Periods from the one that holds this time; by default 60 minutes, 24 hours or 30 days ago. */
  since?: string;
  /** Periods that begin before this time; by default all. */
  until?: string;
  /** The length of a period; hours and days are those of UTC. */
  granularity?: UsageGranularity;
  /** How to group the counts. */
  group_by?: UsageGroupBy;
}

/** What `listAllAudit` may be asked for. */
export interface ListAllAuditQuery {
  /** Entries about this customer. */
  customer_id?: string;
  /** Entries of this action. */
  action?: ListAuditAction;
  /** Changes by this kind of actor. */
  actor?: ListAuditActor;
  /** Changes by this key. */
  key_id?: string;
  /** `desc`: the newest first. */
  order?: ListAuditOrder;
  /** At this time or later. */
  start_time?: string;
  /** Before this time. */
  end_time?: string;
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before, from the same query. */
  cursor?: string;
}

/** What `listCustomers` may be asked for. */
export interface ListCustomersQuery {
  /** The most entries of a page. */
  limit?: number;
  /** The cursor of the page before. */
  cursor?: string;
}
