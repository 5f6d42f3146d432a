//! The schemas of answers.

use super::{Named, boolean, count, list, one_of, open, or_null, other, text, whole};
use crate::describe::parts::schema_ref;
use crate::routes::limits as routes;
use serde_json::{Value, json};
use sluice_model::{AuditAction, AuditActor, Scope};

pub(super) fn all() -> Vec<Named> {
    let mut all = errors();
    all.extend(produced());
    all.extend(read());
    all.extend(subscriptions());
    all.extend(event_types());
    all.extend(given_up_and_replayed());
    all.extend(operators());
    all.extend(account());
    all.extend(audit());
    all.push(("System", system()));
    all
}

fn nullable(name: &str) -> Value {
    or_null(schema_ref(name))
}

fn page(list_name: &'static str, item: &str, more: &[Named]) -> Value {
    let mut fields = vec![
        (list_name, list(item)),
        ("cursor", json!({ "type": ["string", "null"] })),
        ("has_more", boolean()),
    ];
    fields.extend_from_slice(more);
    whole(&fields)
}

fn inbox_page() -> Value {
    let mut page = page("events", "StoredEvent", &[("total", count())]);
    // Only where events come into the store after their 202.
    page["properties"]["readable_until"] = schema_ref("Time");
    page
}

fn errors() -> Vec<Named> {
    let error = open(
        &[
            (
                "code",
                json!({ "type": "string", "pattern": "^[A-Z_]+$", "description": "Stable: programs may rely on it." }),
            ),
            ("message", json!({ "type": "string", "description": "For people." })),
            (
                "details",
                json!({ "description": "Details for programs: `field`, `pointer`, a limit, `outcome`, `errors` of a payload." }),
            ),
            (
                "request_id",
                json!({ "type": "string", "description": "The request's id, as in `X-Request-ID`." }),
            ),
        ],
        &["code", "message", "request_id"],
    );
    let retry = json!({ "type": "integer", "description": "Seconds after which the event may be accepted." });
    let mut misfits = whole(&[("event_type", text()), ("errors", list("Misfit"))]);
    misfits["description"] = json!("The places where the payload does not fit the declared type.");
    let event_error = open(
        &[
            ("code", text()),
            ("message", text()),
            ("retry_after_s", retry),
            ("details", schema_ref("EventMisfits")),
        ],
        &["code", "message"],
    );
    let pointer = json!({ "type": "string", "description": "JSON Pointer into the payload; \"\" is the payload itself." });
    vec![
        ("Error", whole(&[("error", error)])),
        ("EventError", event_error),
        ("EventMisfits", misfits),
        ("Misfit", whole(&[("pointer", pointer), ("message", text())])),
        ("State", whole(&[("status", text())])),
        ("Health", whole(&[("status", json!({ "const": "healthy" })), ("environment", text())])),
    ]
}

fn produced() -> Vec<Named> {
    let one = whole(&[
        ("event_id", schema_ref("EventId")),
        ("status", json!({ "const": "accepted" })),
        ("message", text()),
        ("timestamp", schema_ref("Time")),
    ]);
    let result = open(
        &[
            ("index", count()),
            ("event_id", schema_ref("EventId")),
            (
                "replayed",
                json!({ "const": true, "description": "The event was accepted before, under its own key." }),
            ),
            ("error", schema_ref("EventError")),
        ],
        &["index"],
    );
    let many = whole(&[("accepted", count()), ("rejected", count()), ("events", list("EventResult"))]);
    vec![
        ("Accepted", one),
        ("EventResult", result),
        ("AcceptedMany", many),
        ("AcceptedBody", json!({ "anyOf": [schema_ref("Accepted"), schema_ref("AcceptedMany")] })),
    ]
}

fn read() -> Vec<Named> {
    let event = open(
        &[
            ("event_id", schema_ref("EventId")),
            ("customer_id", schema_ref("Id")),
            ("event_type", text()),
            ("source", text()),
            ("tags", json!({ "type": "array", "items": text() })),
            ("metadata", json!({ "type": "object" })),
            ("payload", json!({ "description": "The payload as it was sent." })),
            ("timestamp", schema_ref("Time")),
            ("status", schema_ref("EventStatus")),
            ("delivery_attempts", count()),
            ("last_delivery_timestamp", nullable("Time")),
            ("acknowledged_at", nullable("Time")),
        ],
        &[
            "event_id",
            "customer_id",
            "payload",
            "timestamp",
            "status",
            "delivery_attempts",
            "last_delivery_timestamp",
            "acknowledged_at",
        ],
    );
    let acknowledged = whole(&[
        ("event_id", schema_ref("EventId")),
        ("status", json!({ "const": "acknowledged" })),
        ("acknowledged_at", schema_ref("Time")),
    ]);
    let statuses = ["acknowledged", "already_acknowledged", "not_found", "invalid_id"];
    let result = open(
        &[("event_id", text()), ("status", one_of(&statuses)), ("acknowledged_at", schema_ref("Time"))],
        &["event_id", "status"],
    );
    let standing = whole(&[
        ("workflow_id", schema_ref("Id")),
        ("state", one_of(&["delivered", "failed", "pending"])),
        ("attempts", count()),
        ("last_attempt", nullable("Time")),
    ]);
    let resent = whole(&[("workflow_id", schema_ref("Id")), ("delivery_id", schema_ref("Id"))]);
    vec![
        ("EventStanding", standing),
        (
            "EventDeliveries",
            whole(&[("event_id", schema_ref("EventId")), ("subscriptions", list("EventStanding"))]),
        ),
        ("ResentDelivery", resent),
        ("Resent", whole(&[("event_id", schema_ref("EventId")), ("deliveries", list("ResentDelivery"))])),
        ("StoredEvent", event),
        ("InboxPage", inbox_page()),
        ("Acknowledged", acknowledged),
        ("AckResult", result),
        ("AckResults", whole(&[("acknowledged", count()), ("results", list("AckResult"))])),
    ]
}

fn subscription_fields() -> Vec<Named> {
    vec![
        ("workflow_id", schema_ref("Id")),
        ("customer_id", schema_ref("Id")),
        ("status", one_of(&["active", "disabled"])),
        (
            "event_selector",
            json!({ "type": ["object", "null"], "description": "The selector as it was given." }),
        ),
        ("webhook_url", text()),
        ("batch", schema_ref("BatchPolicy")),
        ("retry", schema_ref("RetryPolicy")),
        ("ordered", boolean()),
        ("description", json!({ "type": ["string", "null"] })),
        ("headers", json!({ "type": "object", "additionalProperties": { "const": routes::HEADER_MASK } })),
        ("signature", schema_ref("SignatureScheme")),
        ("rate_limit_per_second", json!({ "type": ["integer", "null"] })),
        ("body", schema_ref("WebhookBody")),
        ("transform", or_null(schema_ref("Transform"))),
        ("version", count()),
        ("effective_at", schema_ref("Time")),
        ("created_at", schema_ref("Time")),
        ("updated_at", schema_ref("Time")),
    ]
}

fn subscriptions() -> Vec<Named> {
    let with = |more: &[Named]| {
        let mut schema = whole(&[&subscription_fields()[..], more].concat());
        schema["properties"]["public_key"] = json!({
            "type": "string", "pattern": "^whpk_",
            "description": "The key that verifies its signatures, with `v1a`.",
        });
        schema["properties"]["status_reason"] = json!({ "type": "string", "description": "Why it is disabled: gone, backlog_full, by_customer." });
        schema
    };
    let mut with_secret = with(&[]);
    with_secret["properties"]["secret"] = json!({ "type": "string", "pattern": "^whsec_", "description": "Shown only in this answer; not with `v1a`." });
    let problem =
        whole(&[("message", text()), ("pointer", text()), ("line", json!({ "type": ["integer", "null"] }))]);
    let made = whole(&[
        ("ok", boolean()),
        ("body", json!({ "description": "The webhook's body." })),
        ("bytes", count()),
    ]);
    let failed = whole(&[("ok", boolean()), ("error", schema_ref("TransformProblem"))]);
    let sent = whole(&[
        ("delivered", boolean()),
        ("event_id", schema_ref("EventId")),
        ("delivery_id", schema_ref("Id")),
        ("status_code", json!({ "type": ["integer", "null"] })),
        ("latency_ms", count()),
        ("error", json!({ "type": ["string", "null"] })),
        ("answer_excerpt", json!({ "type": ["string", "null"] })),
    ]);
    let judged = open(
        &[
            ("event_id", schema_ref("EventId")),
            ("event_type", text()),
            ("matches", boolean()),
            ("before_effective_at", boolean()),
            ("reason", text()),
            ("pointer", text()),
        ],
        &["matches", "before_effective_at", "reason", "pointer"],
    );
    let judgement = whole(&[
        ("looked_at", count()),
        ("complete", json!({ "type": "boolean", "description": "Whether all events were judged in time." })),
        ("matching", count()),
        ("effective_at", nullable("Time")),
        ("events", list("JudgedEvent")),
    ]);
    let attempt = [
        ("delivery_id", schema_ref("Id")),
        ("timestamp", schema_ref("Time")),
        ("attempt", count()),
        ("event_count", count()),
        ("status_code", json!({ "type": ["integer", "null"] })),
        ("latency_ms", count()),
        ("error", json!({ "type": ["string", "null"] })),
        ("answer_excerpt", json!({ "type": ["string", "null"] })),
    ];
    vec![
        ("Subscription", with(&[])),
        ("SubscriptionWithSecret", with_secret),
        ("TransformProblem", problem),
        ("TransformResult", json!({ "oneOf": [made, failed] })),
        ("SubscriptionPage", page("subscriptions", "Subscription", &[("total", count())])),
        ("SentTrial", sent),
        ("JudgedEvent", judged),
        ("Judgement", judgement),
        (
            "SubscriptionHealth",
            whole(&[
                ("workflow_id", schema_ref("Id")),
                ("backlog_deliveries", count()),
                ("backlog_events", count()),
                (
                    "breaker",
                    json!({ "type": ["string", "null"], "description": "`closed`, `open` or `half_open`" }),
                ),
                ("breaker_until", json!({ "type": ["string", "null"] })),
            ]),
        ),
        ("TrialResult", json!({ "oneOf": [schema_ref("SentTrial"), schema_ref("Judgement")] })),
        ("Attempt", whole(&attempt)),
        (
            "EventAttempts",
            whole(&[
                ("event_id", schema_ref("EventId")),
                ("attempts", list("EventAttempt")),
                ("has_more", boolean()),
            ]),
        ),
        ("EventAttempt", whole(&[&[("workflow_id", schema_ref("Id"))], &attempt[..]].concat())),
        ("Attempts", whole(&[("deliveries", list("Attempt"))])),
    ]
}

fn event_types() -> Vec<Named> {
    let event_type = whole(&[
        ("name", text()),
        ("description", json!({ "type": ["string", "null"] })),
        ("schema", json!({ "type": ["object", "boolean"], "description": "The schema as it was given." })),
        ("enforce", boolean()),
        ("created_at", schema_ref("Time")),
        ("updated_at", schema_ref("Time")),
    ]);
    vec![
        ("EventType", event_type),
        ("EventTypePage", page("event_types", "EventType", &[("total", count())])),
        ("EventTypeResult", whole(&[("valid", boolean()), ("errors", list("Misfit"))])),
    ]
}

fn given_up_and_replayed() -> Vec<Named> {
    let mut letter = whole(&[
        ("dead_letter_id", schema_ref("Id")),
        ("id", other("dead_letter_id", "Id")),
        ("workflow_id", schema_ref("Id")),
        ("subscription_id", other("workflow_id", "Id")),
        ("reason", schema_ref("DeadLetterReason")),
        ("attempts", count()),
        ("last_status", json!({ "type": ["integer", "null"] })),
        ("last_error", json!({ "type": ["string", "null"] })),
        ("event_count", count()),
        ("first_attempt", nullable("Time")),
        ("last_attempt", nullable("Time")),
        ("created_at", schema_ref("Time")),
    ]);
    letter["properties"]["event_ids"] = json!({ "type": "array", "items": schema_ref("EventId"), "description": "Only if there are at most 1000." });
    letter["properties"]["event_range"] =
        whole(&[("first", schema_ref("EventId")), ("last", schema_ref("EventId"))]);
    let counts = [("dead_letters", count()), ("events", count())];
    let counts_by =
        |field: Named| json!({ "type": "array", "items": whole(&[&[field][..], &counts].concat()) });
    let summary = whole(
        &[
            &counts[..],
            &[
                ("by_reason", counts_by(("reason", schema_ref("DeadLetterReason")))),
                ("by_workflow", counts_by(("workflow_id", schema_ref("Id")))),
                ("complete", boolean()),
            ],
        ]
        .concat(),
    );
    let replay = whole(&[
        ("replay_id", schema_ref("Id")),
        ("workflow_id", schema_ref("Id")),
        ("status", one_of(&["running", "done", "cancelled", "stopped"])),
        ("start_time", schema_ref("Time")),
        ("end_time", schema_ref("Time")),
        ("rate_per_second", count()),
        ("scanned", count()),
        ("queued", count()),
        ("created_at", schema_ref("Time")),
        ("updated_at", schema_ref("Time")),
    ]);
    let dry_run = whole(&[
        ("dry_run", json!({ "const": true })),
        ("scanned", count()),
        ("would_match", count()),
        (
            "complete",
            json!({ "type": "boolean", "description": "Whether all events of the range were looked at." }),
        ),
    ]);
    let redriven =
        [("redriven", count()), ("events", count()), ("skipped", count()), ("has_more", boolean())];
    vec![
        ("DeadLetterSummary", summary),
        ("DeadLetter", letter),
        ("DeadLetterPage", page("dead_letters", "DeadLetter", &[])),
        ("Redriven", whole(&redriven)),
        ("Deleted", whole(&[("deleted", count())])),
        ("DeletedMany", whole(&[("deleted", count()), ("has_more", boolean())])),
        ("Replay", replay),
        ("ReplayPage", page("replays", "Replay", &[])),
        ("DryRun", dry_run),
    ]
}

fn account() -> Vec<Named> {
    let period = open(
        &[
            ("start", schema_ref("Time")),
            (
                "event_type",
                json!({ "type": ["string", "null"], "description": "`null` for events without a type; `other` for events of types beyond the limit." }),
            ),
            ("workflow_id", nullable("Id")),
            ("accepted", count()),
            ("bytes", count()),
            ("unmatched", count()),
            ("delivered", count()),
            ("failed", count()),
            ("receipt_ms", nullable("ReceiptMs")),
        ],
        &["start"],
    );
    let ms = |text| json!({ "type": "number", "minimum": 0, "description": text });
    let receipt_ms = whole(&[
        ("p50", ms("Half of the events took no longer.")),
        ("p99", ms("99 of a hundred events took no longer.")),
    ]);
    let bucket = whole(&[
        ("from_ms", count()),
        (
            "below_ms",
            json!({ "type": ["integer", "null"], "description": "`null` for the last bucket, from 12.4 days on." }),
        ),
        ("events", count()),
    ]);
    let receipts = open(
        &[
            ("workflow_id", nullable("Id")),
            ("events", count()),
            ("receipt_ms", nullable("ReceiptMs")),
            ("buckets", list("ReceiptBucket")),
        ],
        &["events", "receipt_ms", "buckets"],
    );
    let usage = whole(&[
        ("granularity", one_of(&["minute", "hour", "day"])),
        ("group_by", one_of(&["none", "event_type", "workflow_id"])),
        ("since", schema_ref("Time")),
        ("until", schema_ref("Time")),
        ("usage", list("UsagePeriod")),
        ("receipts", list("Receipts")),
    ]);
    let me = whole(&[("customer", schema_ref("Customer")), ("key", nullable("Key")), ("version", text())]);
    vec![
        ("ReceiptMs", receipt_ms),
        ("ReceiptBucket", bucket),
        ("Receipts", receipts),
        ("UsagePeriod", period),
        ("Usage", usage),
        ("Me", me),
    ]
}

fn audit() -> Vec<Named> {
    let any = |text: &str| json!({ "description": text });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let described = |mut schema: Value, text: &str| {
        schema["description"] = text.into();
        schema
    };
    let actor = whole(&[("kind", one_of(&AuditActor::KINDS)), ("key_id", nullable("Id"))]);
    let subject = whole(&[
        ("customer_id", nullable("Id")),
        ("key_id", nullable("Id")),
        ("workflow_id", nullable("Id")),
        ("replay_id", nullable("Id")),
        ("dead_letter_id", nullable("Id")),
        ("event_type", text_or_null()),
    ]);
    let field = whole(&[
        ("field", text()),
        ("before", any("The value before; null if there was none, or if it is secret. A long value is cut.")),
        ("after", any("The value after; null if there is none, or if it is secret.")),
        ("secret", described(boolean(), "Whether the values are secret, and so are not shown.")),
    ]);
    let source = whole(&[
        (
            "address",
            described(
                text_or_null(),
                "The address at the other end of the socket: behind a proxy, the proxy's.",
            ),
        ),
        (
            "forwarded_for",
            described(text_or_null(), "The beginning of `X-Forwarded-For`, which a client may make up."),
        ),
        ("request_id", text()),
        ("user_agent", text_or_null()),
    ]);
    let outcome = described(
        one_of(&["begun", "done", "failed"]),
        "`begun`: the change is not known to have ended; none, a part or all of it was done.",
    );
    let entry = whole(&[
        ("audit_id", schema_ref("Id")),
        ("at", schema_ref("Time")),
        ("action", one_of(&AuditAction::ALL.map(AuditAction::as_str))),
        ("actor", schema_ref("AuditActor")),
        ("customer_id", nullable("Id")),
        ("subject", schema_ref("AuditSubject")),
        ("changes", list("AuditChange")),
        ("details", any("More about the change: an object with a filter, or with counts.")),
        ("outcome", outcome),
        ("error", described(text_or_null(), "The code of the error with which the change failed.")),
        ("from", nullable("AuditSource")),
    ]);
    vec![
        ("AuditActor", actor),
        ("AuditSubject", subject),
        ("AuditChange", field),
        ("AuditSource", source),
        ("AuditEntry", entry),
        ("AuditPage", page("audit", "AuditEntry", &[])),
    ]
}

fn system() -> Value {
    let dependency = whole(&[("name", text()), ("state", one_of(&["lost"])), ("reason", text())]);
    let shard = whole(&[
        ("shard", text()),
        ("running", boolean()),
        ("restarts", count()),
        ("lag_ms", count()),
        ("unsettled_events", count()),
        ("progress_age_ms", count()),
    ]);
    let queue = whole(&[("deliveries", count()), ("events", count())]);
    whole(&[
        ("version", text()),
        ("environment", text()),
        ("engine", one_of(&["embedded", "distributed"])),
        ("started_at", schema_ref("Time")),
        ("ready", boolean()),
        ("roles", json!({ "type": "array", "items": one_of(&["ingest", "processor"]) })),
        ("dependencies", json!({ "type": "array", "items": dependency })),
        ("shards", json!({ "type": "array", "items": shard })),
        ("queue", queue),
        ("dead_letters", count()),
        ("streams_open", count()),
        ("lanes", count()),
        ("customers", count()),
    ])
}

fn operators() -> Vec<Named> {
    let customer = whole(&[
        ("customer_id", schema_ref("Id")),
        ("name", text()),
        ("email", json!({ "type": ["string", "null"] })),
        ("status", one_of(&["active", "suspended"])),
        ("rate_limit_per_second", count()),
        ("fan_out", count()),
        ("created_at", schema_ref("Time")),
        ("updated_at", schema_ref("Time")),
    ]);
    let key_fields = [
        ("key_id", schema_ref("Id")),
        ("customer_id", schema_ref("Id")),
        ("hint", json!({ "type": "string", "description": "The beginning of the key." })),
        ("status", one_of(&["active", "revoked", "expired"])),
        ("scopes", list("Scope")),
        ("created_at", schema_ref("Time")),
        ("expires_at", nullable("Time")),
        ("revoked_at", nullable("Time")),
    ];
    let shown = json!({ "type": "string", "pattern": "^sk_(live|test)_", "description": "Shown only in this answer." });
    let with_text = whole(&[&key_fields[..], &[("api_key", shown.clone())]].concat());
    vec![
        ("Customer", customer),
        ("CustomerPage", page("customers", "Customer", &[("total", count())])),
        ("Scope", one_of(&Scope::ALL.map(Scope::as_str))),
        ("Key", whole(&key_fields)),
        ("KeyWithText", with_text),
        ("Keys", whole(&[("keys", list("Key"))])),
        ("TestCustomer", whole(&[("customer", schema_ref("Customer")), ("api_key", shown)])),
    ]
}
