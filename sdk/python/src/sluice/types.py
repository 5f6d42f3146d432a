"""What the API takes and answers, as dictionaries.

Written by sdk/generate from the OpenAPI documents; do not edit.
"""

from __future__ import annotations

from typing import Any, List, Literal, Optional, TypedDict, Union

# Enumerations are open: a value that this version does not know arrives as it is.
AckResultStatus = Union[Literal["acknowledged", "already_acknowledged", "not_found", "invalid_id"], str]
AuditActorKind = Union[Literal["admin", "key", "system"], str]
AuditEntryOutcome = Union[Literal["begun", "done", "failed"], str]
CustomerStatus = Union[Literal["active", "suspended"], str]
DeadLetterReason = Union[Literal["exhausted", "refused", "subscription_disabled", "backlog_full", "poison", "too_expensive", "transform_failed"], str]
EventMetadataPriority = Union[Literal["low", "normal", "high"], str]
EventStandingState = Union[Literal["delivered", "failed", "pending"], str]
EventStatus = Union[Literal["pending", "delivered", "failed", "unmatched", "acknowledged"], str]
KeyStatus = Union[Literal["active", "revoked", "expired"], str]
ListAuditAction = Union[Literal["customer.created", "customer.updated", "key.created", "key.revoked", "subscription.created", "subscription.updated", "subscription.enabled", "subscription.disabled", "subscription.secret_rotated", "subscription.deleted", "event_type.created", "event_type.updated", "event_type.deleted", "dead_letters.redriven", "dead_letters.deleted", "replay.created", "replay.cancelled"], str]
ListAuditActor = Union[Literal["admin", "key", "system"], str]
ListAuditOrder = Union[Literal["asc", "desc"], str]
NewKeyMode = Union[Literal["live", "test"], str]
ReplayStatus = Union[Literal["running", "done", "cancelled", "stopped"], str]
RetryPolicyClientErrors = Union[Literal["dead_letter", "retry"], str]
Scope = Union[Literal["events:write", "events:read", "subscriptions:read", "subscriptions:write", "deliveries:write"], str]
SelectorFunctionOperator = Union[Literal["equals", "not_equals", "greater_than", "greater_or_equal", "less_than", "less_or_equal", "contains", "starts_with", "ends_with", "in", "not_in", "matches", "exists", "not_exists"], str]
SignatureScheme = Union[Literal["v1", "v1a"], str]
StatusFilter = Union[Literal["pending", "delivered", "failed", "unmatched", "acknowledged", "any"], str]
SubscriptionStatus = Union[Literal["active", "disabled"], str]
SystemDependencieState = Union[Literal["lost"], str]
SystemEngine = Union[Literal["embedded", "distributed"], str]
SystemRole = Union[Literal["ingest", "processor"], str]
UsageGranularity = Union[Literal["minute", "hour", "day"], str]
UsageGroupBy = Union[Literal["none", "event_type", "workflow_id"], str]
WebhookBody = Union[Literal["array", "single"], str]


class Accepted(TypedDict):
    """`Accepted` of the API."""

    event_id: str
    message: str
    status: str
    timestamp: str


class AcceptedMany(TypedDict):
    """`AcceptedMany` of the API."""

    accepted: int
    events: List[EventResult]
    rejected: int


class AckMany(TypedDict):
    """`AckMany` of the API."""

    event_ids: List[str]


class _AckResultRequired(TypedDict):
    event_id: str
    status: AckResultStatus


class AckResult(_AckResultRequired, total=False):
    """`AckResult` of the API."""

    acknowledged_at: str


class AckResults(TypedDict):
    """`AckResults` of the API."""

    acknowledged: int
    results: List[AckResult]


class Acknowledged(TypedDict):
    """`Acknowledged` of the API."""

    acknowledged_at: str
    event_id: str
    status: str


class Attempt(TypedDict):
    """`Attempt` of the API."""

    answer_excerpt: Optional[str]
    attempt: int
    delivery_id: str
    error: Optional[str]
    event_count: int
    latency_ms: int
    status_code: Optional[int]
    timestamp: str


class Attempts(TypedDict):
    """`Attempts` of the API."""

    deliveries: List[Attempt]


class AuditActor(TypedDict):
    """`AuditActor` of the API."""

    key_id: Optional[str]
    kind: AuditActorKind


class AuditChange(TypedDict):
    """`AuditChange` of the API."""

    # The value after; null if there is none, or if it is secret.
    after: Any
    # The value before; null if there was none, or if it is secret. A long value is cut.
    before: Any
    field: str
    # Whether the values are secret, and so are not shown.
    secret: bool


_AuditEntryKeywords = TypedDict("_AuditEntryKeywords", {"from": "Optional[AuditSource]"})


class AuditEntry(_AuditEntryKeywords):
    """`AuditEntry` of the API."""

    action: ListAuditAction
    actor: AuditActor
    at: str
    audit_id: str
    changes: List[AuditChange]
    customer_id: Optional[str]
    # More about the change: an object with a filter, or with counts.
    details: Any
    # The code of the error with which the change failed.
    error: Optional[str]
    # `begun`: the change is not known to have ended; none, a part or all of it was done.
    outcome: AuditEntryOutcome
    subject: AuditSubject


class AuditPage(TypedDict):
    """`AuditPage` of the API."""

    audit: List[AuditEntry]
    cursor: Optional[str]
    has_more: bool


class AuditSource(TypedDict):
    """`AuditSource` of the API."""

    # The address at the other end of the socket: behind a proxy, the proxy's.
    address: Optional[str]
    # The beginning of `X-Forwarded-For`, which a client may make up.
    forwarded_for: Optional[str]
    request_id: str
    user_agent: Optional[str]


class AuditSubject(TypedDict):
    """`AuditSubject` of the API."""

    customer_id: Optional[str]
    dead_letter_id: Optional[str]
    event_type: Optional[str]
    key_id: Optional[str]
    replay_id: Optional[str]
    workflow_id: Optional[str]


class BatchPolicy(TypedDict, total=False):
    """`BatchPolicy` of the API."""

    max_bytes: Optional[int]
    max_events: Optional[int]
    max_wait_ms: Optional[int]


class Customer(TypedDict):
    """`Customer` of the API."""

    created_at: str
    customer_id: str
    email: Optional[str]
    fan_out: int
    name: str
    rate_limit_per_second: int
    status: CustomerStatus
    updated_at: str


class CustomerChange(TypedDict, total=False):
    """`CustomerChange` of the API."""

    email: Optional[str]
    fan_out: Optional[int]
    name: Optional[str]
    rate_limit_per_second: Optional[int]
    status: Optional[CustomerStatus]


class CustomerPage(TypedDict):
    """`CustomerPage` of the API."""

    cursor: Optional[str]
    customers: List[Customer]
    has_more: bool
    total: int


class _DeadLetterRequired(TypedDict):
    attempts: int
    created_at: str
    dead_letter_id: str
    event_count: int
    first_attempt: Optional[str]
    last_attempt: Optional[str]
    last_error: Optional[str]
    last_status: Optional[int]
    reason: DeadLetterReason
    workflow_id: str


class DeadLetter(_DeadLetterRequired, total=False):
    """`DeadLetter` of the API."""

    # Only if there are at most 1000.
    event_ids: List[str]
    event_range: DeadLetterEventRange


class DeadLetterEventRange(TypedDict):
    """`DeadLetterEventRange` of the API."""

    first: str
    last: str


class DeadLetterPage(TypedDict):
    """`DeadLetterPage` of the API."""

    cursor: Optional[str]
    dead_letters: List[DeadLetter]
    has_more: bool


class DeadLetterSummary(TypedDict):
    """`DeadLetterSummary` of the API."""

    by_reason: List[DeadLetterSummaryByReason]
    by_workflow: List[DeadLetterSummaryByWorkflow]
    complete: bool
    dead_letters: int
    events: int


class DeadLetterSummaryByReason(TypedDict):
    """`DeadLetterSummaryByReason` of the API."""

    dead_letters: int
    events: int
    reason: DeadLetterReason


class DeadLetterSummaryByWorkflow(TypedDict):
    """`DeadLetterSummaryByWorkflow` of the API."""

    dead_letters: int
    events: int
    workflow_id: str


class Deleted(TypedDict):
    """`Deleted` of the API."""

    deleted: int


class DeletedMany(TypedDict):
    """`DeletedMany` of the API."""

    deleted: int
    has_more: bool


class DryRun(TypedDict):
    """`DryRun` of the API."""

    # Whether all events of the range were looked at.
    complete: bool
    dry_run: bool
    scanned: int
    would_match: int


class _EventRequired(TypedDict):
    # Any JSON, at most 64 levels deep.
    payload: Any


class Event(_EventRequired, total=False):
    """`Event` of the API."""

    event_type: Optional[str]
    metadata: Optional[EventMetadata]
    ordering_key: Optional[str]
    source: Optional[str]
    tags: Optional[List[str]]


class EventAttempt(TypedDict):
    """`EventAttempt` of the API."""

    answer_excerpt: Optional[str]
    attempt: int
    delivery_id: str
    error: Optional[str]
    event_count: int
    latency_ms: int
    status_code: Optional[int]
    timestamp: str
    workflow_id: str


class EventAttempts(TypedDict):
    """`EventAttempts` of the API."""

    attempts: List[EventAttempt]
    event_id: str
    has_more: bool


class EventDeliveries(TypedDict):
    """`EventDeliveries` of the API."""

    event_id: str
    subscriptions: List[EventStanding]


class _EventErrorRequired(TypedDict):
    code: str
    message: str


class EventError(_EventErrorRequired, total=False):
    """`EventError` of the API."""

    details: EventMisfits
    # Seconds after which the event may be accepted.
    retry_after_s: int


class EventMetadata(TypedDict, total=False):
    """`EventMetadata` of the API."""

    correlation_id: str
    # An event with the same key and fields within 24 hours is not accepted again: the answer
    # has the first event's id. This holds for one event among many too; the others are
    # accepted.
    idempotency_key: str
    priority: EventMetadataPriority


class EventMisfits(TypedDict):
    """The places where the payload does not fit the declared type."""

    errors: List[Misfit]
    event_type: str


class _EventResultRequired(TypedDict):
    index: int


class EventResult(_EventResultRequired, total=False):
    """`EventResult` of the API."""

    error: EventError
    event_id: str
    # The event was accepted before, under its own key.
    replayed: bool


class EventStanding(TypedDict):
    """`EventStanding` of the API."""

    attempts: int
    last_attempt: Optional[str]
    state: EventStandingState
    workflow_id: str


class EventType(TypedDict):
    """`EventType` of the API."""

    created_at: str
    description: Optional[str]
    enforce: bool
    name: str
    # The schema as it was given.
    schema: Any
    updated_at: str


class EventTypePage(TypedDict):
    """`EventTypePage` of the API."""

    cursor: Optional[str]
    event_types: List[EventType]
    has_more: bool
    total: int


class EventTypeResult(TypedDict):
    """`EventTypeResult` of the API."""

    errors: List[Misfit]
    valid: bool


class _EventTypeTrialRequired(TypedDict):
    # Any JSON.
    payload: Any


class EventTypeTrial(_EventTypeTrialRequired, total=False):
    """`EventTypeTrial` of the API."""

    schema: Any


class Health(TypedDict):
    """`Health` of the API."""

    environment: str
    status: str


class _InboxPageRequired(TypedDict):
    cursor: Optional[str]
    events: List[StoredEvent]
    has_more: bool
    total: int


class InboxPage(_InboxPageRequired, total=False):
    """`InboxPage` of the API."""

    readable_until: str


class _JudgedEventRequired(TypedDict):
    before_effective_at: bool
    matches: bool
    pointer: str
    reason: str


class JudgedEvent(_JudgedEventRequired, total=False):
    """`JudgedEvent` of the API."""

    event_id: str
    event_type: str


class Judgement(TypedDict):
    """`Judgement` of the API."""

    # Whether all events were judged in time.
    complete: bool
    effective_at: Optional[str]
    events: List[JudgedEvent]
    looked_at: int
    matching: int


class Key(TypedDict):
    """`Key` of the API."""

    created_at: str
    customer_id: str
    expires_at: Optional[str]
    # The beginning of the key.
    hint: str
    key_id: str
    revoked_at: Optional[str]
    scopes: List[Scope]
    status: KeyStatus


class KeyWithText(TypedDict):
    """`KeyWithText` of the API."""

    # Shown only in this answer.
    api_key: str
    created_at: str
    customer_id: str
    expires_at: Optional[str]
    # The beginning of the key.
    hint: str
    key_id: str
    revoked_at: Optional[str]
    scopes: List[Scope]
    status: KeyStatus


class Keys(TypedDict):
    """`Keys` of the API."""

    keys: List[Key]


class Me(TypedDict):
    """`Me` of the API."""

    customer: Customer
    key: Optional[Key]
    version: str


class Misfit(TypedDict):
    """`Misfit` of the API."""

    message: str
    # JSON Pointer into the payload; "" is the payload itself.
    pointer: str


class _NewCustomerRequired(TypedDict):
    name: str


class NewCustomer(_NewCustomerRequired, total=False):
    """`NewCustomer` of the API."""

    email: Optional[str]
    fan_out: Optional[int]
    rate_limit_per_second: Optional[int]
    status: Optional[CustomerStatus]


class _NewEventTypeRequired(TypedDict):
    schema: Any


class NewEventType(_NewEventTypeRequired, total=False):
    """`NewEventType` of the API."""

    description: Optional[str]
    enforce: Optional[bool]


class NewKey(TypedDict, total=False):
    """`NewKey` of the API."""

    expires_at: Optional[str]
    mode: Optional[NewKeyMode]
    scopes: Optional[List[Scope]]


class NewReplay(TypedDict, total=False):
    """`NewReplay` of the API."""

    dry_run: Optional[bool]
    end_time: Optional[str]
    rate_per_second: Optional[int]
    start_time: Optional[str]
    workflow_id: Optional[str]


class _NewSubscriptionRequired(TypedDict):
    event_selector: Selector
    # https://…; private addresses are refused unless the server is configured to allow them.
    webhook_url: str


class NewSubscription(_NewSubscriptionRequired, total=False):
    """`NewSubscription` of the API."""

    batch: Optional[BatchPolicy]
    body: Optional[WebhookBody]
    description: Optional[str]
    headers: Any
    ordered: Optional[bool]
    rate_limit_per_second: Optional[int]
    retry: Optional[RetryPolicy]
    secret: Optional[str]
    signature: Optional[SignatureScheme]
    transform: Optional[Transform]


class ReceiptBucket(TypedDict):
    """`ReceiptBucket` of the API."""

    # `null` for the last bucket, from 12.4 days on.
    below_ms: Optional[int]
    events: int
    from_ms: int


class ReceiptMs(TypedDict):
    """`ReceiptMs` of the API."""

    # Half of the events took no longer.
    p50: float
    # 99 of a hundred events took no longer.
    p99: float


class _ReceiptsRequired(TypedDict):
    buckets: List[ReceiptBucket]
    events: int
    receipt_ms: Optional[ReceiptMs]


class Receipts(_ReceiptsRequired, total=False):
    """`Receipts` of the API."""

    workflow_id: Optional[str]


class Redrive(TypedDict, total=False):
    """`Redrive` of the API."""

    dead_letter_ids: Optional[List[str]]
    limit: Optional[int]
    reason: Optional[DeadLetterReason]
    since: Optional[str]
    until: Optional[str]
    workflow_id: Optional[str]


class Redriven(TypedDict):
    """`Redriven` of the API."""

    events: int
    has_more: bool
    redriven: int
    skipped: int


class Replay(TypedDict):
    """`Replay` of the API."""

    created_at: str
    end_time: str
    queued: int
    rate_per_second: int
    replay_id: str
    scanned: int
    start_time: str
    status: ReplayStatus
    updated_at: str
    workflow_id: str


class ReplayPage(TypedDict):
    """`ReplayPage` of the API."""

    cursor: Optional[str]
    has_more: bool
    replays: List[Replay]


class Resend(TypedDict, total=False):
    """`Resend` of the API."""

    workflow_id: Optional[str]


class Resent(TypedDict):
    """`Resent` of the API."""

    deliveries: List[ResentDelivery]
    event_id: str


class ResentDelivery(TypedDict):
    """`ResentDelivery` of the API."""

    delivery_id: str
    workflow_id: str


class RetryPolicy(TypedDict, total=False):
    """`RetryPolicy` of the API."""

    client_errors: Optional[RetryPolicyClientErrors]
    max_delay_s: Optional[int]
    max_retries: Optional[int]


class Rotation(TypedDict, total=False):
    """`Rotation` of the API."""

    keep_s: Optional[int]
    signature: Optional[SignatureScheme]


class SelectorAll(TypedDict):
    """`SelectorAll` of the API."""

    type: Literal["all"]
    of: List[Selector]


class SelectorAny(TypedDict):
    """`SelectorAny` of the API."""

    type: Literal["any"]
    of: List[Selector]


class SelectorCustom(TypedDict):
    """`SelectorCustom` of the API."""

    type: Literal["custom"]
    function: SelectorFunction


class SelectorEventType(TypedDict):
    """`SelectorEventType` of the API."""

    type: Literal["event_type"]
    # A type; `*` stands for one segment, and at the end for all further segments.
    value: str


class _SelectorFunctionRequired(TypedDict):
    # A dotted path, or a JSON Pointer, into the event.
    field: str
    operator: SelectorFunctionOperator


class SelectorFunction(_SelectorFunctionRequired, total=False):
    """`SelectorFunction` of the API."""

    value: Any


class SelectorJsonpath(TypedDict):
    """`SelectorJsonpath` of the API."""

    type: Literal["jsonpath"]
    # An RFC 9535 query over the payload, or a bare logical expression.
    expression: str


class SelectorNot(TypedDict):
    """`SelectorNot` of the API."""

    type: Literal["not"]
    of: Selector


class _SelectorTrialRequired(TypedDict):
    event_selector: Selector


class SelectorTrial(_SelectorTrialRequired, total=False):
    """`SelectorTrial` of the API."""

    last: Optional[int]
    event: SelectorTrialEvent


class _SelectorTrialEventRequired(TypedDict):
    # Any JSON.
    payload: Any


class SelectorTrialEvent(_SelectorTrialEventRequired, total=False):
    """`SelectorTrialEvent` of the API."""

    event_type: Optional[str]


class SentTrial(TypedDict):
    """`SentTrial` of the API."""

    answer_excerpt: Optional[str]
    delivered: bool
    delivery_id: str
    error: Optional[str]
    event_id: str
    latency_ms: int
    status_code: Optional[int]


class State(TypedDict):
    """`State` of the API."""

    status: str


class _StoredEventRequired(TypedDict):
    acknowledged_at: Optional[str]
    customer_id: str
    delivery_attempts: int
    event_id: str
    last_delivery_timestamp: Optional[str]
    # The payload as it was sent.
    payload: Any
    status: EventStatus
    timestamp: str


class StoredEvent(_StoredEventRequired, total=False):
    """`StoredEvent` of the API."""

    event_type: str
    metadata: Any
    source: str
    tags: List[str]


class _SubscriptionRequired(TypedDict):
    batch: BatchPolicy
    body: WebhookBody
    created_at: str
    customer_id: str
    description: Optional[str]
    effective_at: str
    # The selector as it was given.
    event_selector: Any
    headers: Any
    ordered: bool
    rate_limit_per_second: Optional[int]
    retry: RetryPolicy
    signature: SignatureScheme
    status: SubscriptionStatus
    transform: Optional[Transform]
    updated_at: str
    version: int
    webhook_url: str
    workflow_id: str


class Subscription(_SubscriptionRequired, total=False):
    """`Subscription` of the API."""

    # The key that verifies its signatures, with `v1a`.
    public_key: str
    # Why it is disabled: gone, backlog_full, by_customer.
    status_reason: str


class SubscriptionChange(TypedDict, total=False):
    """`SubscriptionChange` of the API."""

    batch: Optional[BatchPolicy]
    body: Optional[WebhookBody]
    description: Optional[str]
    event_selector: Optional[Selector]
    headers: Any
    ordered: Optional[bool]
    rate_limit_per_second: Optional[int]
    retry: Optional[RetryPolicy]
    status: Optional[SubscriptionStatus]
    transform: Optional[Transform]
    webhook_url: Optional[str]


class SubscriptionHealth(TypedDict):
    """`SubscriptionHealth` of the API."""

    backlog_deliveries: int
    backlog_events: int
    # `closed`, `open` or `half_open`
    breaker: Optional[str]
    breaker_until: Optional[str]
    workflow_id: str


class SubscriptionPage(TypedDict):
    """`SubscriptionPage` of the API."""

    cursor: Optional[str]
    has_more: bool
    subscriptions: List[Subscription]
    total: int


class _SubscriptionWithSecretRequired(TypedDict):
    batch: BatchPolicy
    body: WebhookBody
    created_at: str
    customer_id: str
    description: Optional[str]
    effective_at: str
    # The selector as it was given.
    event_selector: Any
    headers: Any
    ordered: bool
    rate_limit_per_second: Optional[int]
    retry: RetryPolicy
    signature: SignatureScheme
    status: SubscriptionStatus
    transform: Optional[Transform]
    updated_at: str
    version: int
    webhook_url: str
    workflow_id: str


class SubscriptionWithSecret(_SubscriptionWithSecretRequired, total=False):
    """`SubscriptionWithSecret` of the API."""

    # The key that verifies its signatures, with `v1a`.
    public_key: str
    # Shown only in this answer; not with `v1a`.
    secret: str
    # Why it is disabled: gone, backlog_full, by_customer.
    status_reason: str


class System(TypedDict):
    """`System` of the API."""

    customers: int
    dead_letters: int
    dependencies: List[SystemDependencie]
    engine: SystemEngine
    environment: str
    lanes: int
    queue: SystemQueue
    ready: bool
    roles: List[SystemRole]
    shards: List[SystemShard]
    started_at: str
    streams_open: int
    version: str


class SystemDependencie(TypedDict):
    """`SystemDependencie` of the API."""

    name: str
    reason: str
    state: SystemDependencieState


class SystemQueue(TypedDict):
    """`SystemQueue` of the API."""

    deliveries: int
    events: int


class SystemShard(TypedDict):
    """`SystemShard` of the API."""

    lag_ms: int
    progress_age_ms: int
    restarts: int
    running: bool
    shard: str
    unsettled_events: int


class Transform(TypedDict):
    """`Transform` of the API."""

    # Any JSON of at most 16384 bytes. Its strings are minijinja templates over the event. A
    # string that is nothing but `{{ expression }}` becomes the expression's value and keeps
    # that value's type.
    template: Any


class TransformProblem(TypedDict):
    """`TransformProblem` of the API."""

    line: Optional[int]
    message: str
    pointer: str


class _TransformResultRequired(TypedDict):
    ok: bool


class TransformResult(_TransformResultRequired, total=False):
    """`TransformResult` of the API."""

    # The webhook's body.
    body: Any
    bytes: int
    error: TransformProblem


class TransformTrial(TypedDict, total=False):
    """`TransformTrial` of the API."""

    body: Optional[WebhookBody]
    event_id: str
    # A template to try.
    template: Any
    event_type: Optional[str]
    # Any JSON of at most 16 KiB.
    payload: Any


class Trial(TypedDict, total=False):
    """`Trial` of the API."""

    last: int
    # Any JSON of at most 16 KiB.
    payload: Any


class Usage(TypedDict):
    """`Usage` of the API."""

    granularity: UsageGranularity
    group_by: UsageGroupBy
    receipts: List[Receipts]
    since: str
    until: str
    usage: List[UsagePeriod]


class _UsagePeriodRequired(TypedDict):
    start: str


class UsagePeriod(_UsagePeriodRequired, total=False):
    """`UsagePeriod` of the API."""

    accepted: int
    bytes: int
    delivered: int
    # `null` for events without a type; `other` for events of types beyond the limit.
    event_type: Optional[str]
    failed: int
    receipt_ms: Optional[ReceiptMs]
    unmatched: int
    workflow_id: Optional[str]


CreateReplayAnswer = Union["DryRun", "Replay"]

Selector = Union["SelectorEventType", "SelectorJsonpath", "SelectorCustom", "SelectorAll", "SelectorAny", "SelectorNot"]

TrialResult = Union["SentTrial", "Judgement"]
