//! The schemas of requests, with the limits that are checked.

use super::{Named, boolean, closed, one_of, open, or_null, other, within};
use crate::config::IngestConfig;
use crate::decode::limits::{NAME_BYTES_MAX, TAGS_MAX, TEXT_BYTES_MAX};
use crate::describe::parts::schema_ref;
use crate::routes::limits as routes;
use serde_json::{Value, json};
use sluice_model::BatchPolicy;
use sluice_model::DeadLetterReason;
use sluice_model::customer::FAN_OUT_MAX;
use sluice_selector::SelectorLimits;

/// No control characters (Unicode's category Cc).
const NO_CONTROLS: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";

pub(super) fn all(config: &IngestConfig) -> Vec<Named> {
    let mut all = basics();
    all.extend(events(config));
    all.extend(selectors());
    all.extend(subscriptions(config));
    all.extend(event_types(config));
    all.extend(operators());
    all
}

fn basics() -> Vec<Named> {
    let id = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
    let event_id = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$";
    let time =
        |description: &str| json!({ "type": "string", "format": "date-time", "description": description });
    let ms =
        json!({ "type": "string", "pattern": "^[0-9]{1,15}$", "description": "Milliseconds since 1970." });
    vec![
        ("Id", json!({ "type": "string", "pattern": id, "description": "A UUID." })),
        (
            "EventId",
            json!({ "type": "string", "pattern": event_id, "description": "A UUIDv7 that also says where the event is stored." }),
        ),
        ("Time", time("RFC 3339, from 1970 on.")),
        ("QueryTime", json!({ "anyOf": [time("RFC 3339, from 1970 on."), ms] })),
        ("Text", bounded_text(TEXT_BYTES_MAX)),
        ("Name", bounded_text(NAME_BYTES_MAX)),
        ("FilterText", json!({ "type": "string", "minLength": 1 })),
        ("EventStatus", one_of(&["pending", "delivered", "failed", "unmatched", "acknowledged"])),
        ("DeadLetterReason", one_of(&DeadLetterReason::ALL.map(DeadLetterReason::as_str))),
        ("StatusFilter", one_of(&["pending", "delivered", "failed", "unmatched", "acknowledged", "any"])),
    ]
}

fn bounded_text(bytes_max: usize) -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": bytes_max, "pattern": NO_CONTROLS,
        "description": format!("1 to {bytes_max} bytes of UTF-8 without control characters."),
    })
}

fn events(config: &IngestConfig) -> Vec<Named> {
    let any_text = json!({ "type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX });
    let mut own_key = any_text.clone();
    own_key["description"] = json!(
        "An event with the same key and fields within 24 hours is not accepted again: the answer has the first \
         event's id. This holds for one event among many too; the others are accepted."
    );
    let metadata = open(
        &[
            ("correlation_id", any_text.clone()),
            ("priority", one_of(&["low", "normal", "high"])),
            ("idempotency_key", own_key),
        ],
        &[],
    );
    let event = closed(
        &[
            ("event_type", schema_ref("Name")),
            ("payload", json!({ "description": "Any JSON, at most 64 levels deep." })),
            ("source", schema_ref("Name")),
            ("tags", json!({ "type": "array", "items": any_text, "maxItems": TAGS_MAX })),
            ("ordering_key", schema_ref("Text")),
            ("metadata", metadata),
        ],
        &["payload"],
    );
    let events = json!({
        "type": "array", "items": schema_ref("Event"), "minItems": 1, "maxItems": config.limits.request_events_max,
    });
    let attribute = json!({ "type": "string", "minLength": 1 });
    let cloud = json!({
        "type": "object",
        "description": "CloudEvents 1.0, JSON format. `type` and `source` become the event's; `data` or \
                        `data_base64` (one of the two) its payload; `partitionkey` its ordering key. All other \
                        attributes go to `metadata.cloudevents`.",
        "required": ["specversion", "id", "type", "source"],
        "properties": {
            "specversion": { "const": "1.0" }, "id": attribute, "type": schema_ref("Name"), "source": schema_ref("Name"),
            "subject": attribute, "time": schema_ref("Time"), "datacontenttype": attribute, "dataschema": attribute,
            "data": {}, "data_base64": { "type": "string", "contentEncoding": "base64" },
        },
    });
    let ids = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": routes::ACK_IDS_MAX });
    vec![
        ("Event", event),
        (
            "EventsBody",
            json!({ "anyOf": [
            schema_ref("Event"), events, closed(&[("events", events)], &["events"]),
        ] }),
        ),
        ("CloudEvent", cloud),
        (
            "Resend",
            closed(
                &[("workflow_id", schema_ref("Id")), ("subscription_id", other("workflow_id", "Id"))],
                &[],
            ),
        ),
        ("AckMany", closed(&[("event_ids", ids)], &["event_ids"])),
    ]
}

fn selectors() -> Vec<Named> {
    let limits = SelectorLimits::default();
    let kind = |name: &str| json!({ "const": name });
    let by_type = closed(
        &[
            ("type", kind("event_type")),
            (
                "value",
                json!({
                    "type": "string", "format": "sluice-event-type", "minLength": 1,
                    "description": "A type; `*` stands for one segment, and at the end for all further segments.",
                }),
            ),
        ],
        &["type", "value"],
    );
    let by_path = closed(
        &[
            ("type", kind("jsonpath")),
            (
                "expression",
                json!({
                    "type": "string", "format": "sluice-jsonpath", "minLength": 1,
                    "maxLength": limits.expression_bytes_max,
                    "description": "An RFC 9535 query over the payload, or a bare logical expression.",
                }),
            ),
        ],
        &["type", "expression"],
    );
    let custom = closed(
        &[("type", kind("custom")), ("function", schema_ref("SelectorFunction"))],
        &["type", "function"],
    );
    let nested = json!({
        "type": "array", "items": schema_ref("Selector"), "minItems": 1, "maxItems": limits.of_max,
    });
    let several = |name| closed(&[("type", kind(name)), ("of", nested.clone())], &["type", "of"]);
    let not = closed(&[("type", kind("not")), ("of", schema_ref("Selector"))], &["type", "of"]);
    vec![
        (
            "Selector",
            json!({
                "description": format!(
                    "At most {} bytes of JSON, {} selectors in all and {} levels of `all`, `any` and `not`.",
                    limits.json_bytes_max, limits.selectors_max, limits.nesting_max
                ),
                "oneOf": [by_type, by_path, custom, several("all"), several("any"), not],
            }),
        ),
        ("SelectorFunction", function(&limits)),
    ]
}

fn function(limits: &SelectorLimits) -> Value {
    let field = json!({
        "type": "string", "format": "sluice-field", "minLength": 1, "maxLength": limits.field_bytes_max,
        "description": "A dotted path, or a JSON Pointer, into the event.",
    });
    let with = |operators: &[&str], value: Value| {
        closed(
            &[("field", field.clone()), ("operator", one_of(operators)), ("value", value)],
            &["field", "operator", "value"],
        )
    };
    let bare = closed(
        &[("field", field.clone()), ("operator", one_of(&["exists", "not_exists"]))],
        &["field", "operator"],
    );
    let any = json!({ "description": "Any JSON." });
    json!({ "oneOf": [
        with(&["equals", "not_equals"], any.clone()),
        with(
            &["greater_than", "greater_or_equal", "less_than", "less_or_equal"],
            json!({ "type": ["number", "string"] }),
        ),
        with(&["contains"], any.clone()),
        with(&["starts_with", "ends_with"], json!({ "type": "string" })),
        with(&["in", "not_in"], json!({ "type": "array", "items": any, "minItems": 1, "maxItems": limits.in_max })),
        with(&["matches"], json!({ "type": "string", "format": "sluice-regex" })),
        bare,
    ] })
}

fn subscriptions(config: &IngestConfig) -> Vec<Named> {
    let url = json!({
        "type": "string", "format": "uri", "maxLength": 2048,
        "description": "https://…; private addresses are refused unless the server is configured to allow them.",
    });
    let batch = closed(
        &[
            ("max_events", within(1, 10_000)),
            ("max_bytes", within(1024, 8 << 20)),
            ("max_wait_ms", within(0, BatchPolicy::MAX_WAIT_MS_MAX.into())),
        ],
        &[],
    );
    let retry = closed(
        &[
            ("max_retries", within(0, 100)),
            ("max_delay_s", within(1, 86_400)),
            ("client_errors", one_of(&["dead_letter", "retry"])),
        ],
        &[],
    );
    let description = or_null(json!({ "type": "string", "maxLength": routes::DESCRIPTION_BYTES_MAX }));
    let fields = |more: &[Named]| {
        let mut all = vec![
            ("event_selector", schema_ref("Selector")),
            ("webhook_url", url.clone()),
            ("batch", schema_ref("BatchPolicy")),
            ("retry", schema_ref("RetryPolicy")),
            ("ordered", boolean()),
            ("description", description.clone()),
            ("headers", or_null(schema_ref("WebhookHeaders"))),
            ("rate_limit_per_second", or_null(within(1, routes::SUBSCRIPTION_RATE_MAX.into()))),
            ("body", schema_ref("WebhookBody")),
            ("transform", or_null(schema_ref("Transform"))),
        ];
        all.extend_from_slice(more);
        all
    };
    let own_secret = json!({
        "type": "string", "format": "sluice-signing-secret",
        "description": "A secret of your own: `whsec_` and base64 of 24 to 64 bytes; with `v1a`, `whsk_` and base64 of \
                        an ed25519 seed and its public key.",
    });
    let signing = [("secret", own_secret), ("signature", schema_ref("SignatureScheme"))];
    let trial = json!({ "oneOf": [
        closed(&[("last", within(1, 100))], &["last"]),
        closed(&[("payload", json!({ "description": "Any JSON of at most 16 KiB." }))], &[]),
    ] });
    let draft = closed(
        &[("event_type", json!({ "type": "string" })), ("payload", json!({ "description": "Any JSON." }))],
        &["payload"],
    );
    let selector = ("event_selector", schema_ref("Selector"));
    let last = ("last", json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }));
    let selector_trial = json!({ "oneOf": [
        closed(&[selector.clone(), last], &["event_selector"]),
        closed(&[selector, ("event", draft)], &["event_selector", "event"]),
    ] });
    let rate = json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1000 });
    let replay = closed(
        &[
            ("workflow_id", schema_ref("Id")),
            ("subscription_id", other("workflow_id", "Id")),
            ("start_time", schema_ref("Time")),
            ("since", other("start_time", "Time")),
            ("end_time", schema_ref("Time")),
            ("until", other("end_time", "Time")),
            ("dry_run", boolean()),
            ("rate_per_second", rate),
        ],
        &[],
    );
    let mut replay = replay;
    replay["anyOf"] = json!([{ "required": ["workflow_id"] }, { "required": ["subscription_id"] }]);
    let ids = json!({
        "type": "array", "items": schema_ref("Id"), "minItems": 1, "maxItems": routes::DEAD_LETTER_IDS_MAX,
    });
    let redrive = closed(
        &[
            ("workflow_id", schema_ref("Id")),
            ("subscription_id", other("workflow_id", "Id")),
            ("since", schema_ref("Time")),
            ("start_time", other("since", "Time")),
            ("until", schema_ref("Time")),
            ("end_time", other("until", "Time")),
            ("reason", schema_ref("DeadLetterReason")),
            ("dead_letter_ids", ids),
            ("limit", within(1, 10_000)),
        ],
        &[],
    );
    let mut all = shapes(config);
    all.extend([
        ("BatchPolicy", batch),
        ("RetryPolicy", retry),
        ("NewSubscription", closed(&fields(&signing), &["event_selector", "webhook_url"])),
        ("SubscriptionChange", closed(&fields(&[("status", one_of(&["active", "disabled"]))]), &[])),
        (
            "Rotation",
            closed(
                &[
                    ("keep_s", within(0, config.subscription.rotation_keep_s_max)),
                    ("signature", schema_ref("SignatureScheme")),
                ],
                &[],
            ),
        ),
        ("SelectorTrial", selector_trial),
        ("Trial", trial),
        ("NewReplay", replay),
        ("Redrive", redrive),
        (
            "TestSubscription",
            closed(
                &[
                    ("customer_id", schema_ref("Id")),
                    ("webhook_url", url.clone()),
                    ("event_selector", schema_ref("Selector")),
                ],
                &["customer_id", "webhook_url"],
            ),
        ),
    ]);
    all
}

fn event_types(config: &IngestConfig) -> Vec<Named> {
    let limits = &config.event_types;
    let name_max = routes::TYPE_NAME_BYTES_MAX;
    let name = json!({
        "type": "string", "minLength": 1, "maxLength": name_max, "pattern": "^[^*\\u0000-\\u001f\\u007f-\\u009f]+$",
        "format": "sluice-declared-type",
        "description": format!(
            "The `event_type` that events carry: 1 to {name_max} bytes without `*`, not beginning with `sluice.`.",
        ),
    });
    let schema = json!({
        "type": ["object", "boolean"],
        "description": format!(
            "A JSON Schema (2020-12) for the payload, of at most {} bytes and {} subschemas. `$ref` begins \
             with `#`.",
            limits.schema.bytes_max, limits.schema.subschemas_max,
        ),
    });
    let description = or_null(json!({ "type": "string", "maxLength": routes::TYPE_DESCRIPTION_BYTES_MAX }));
    let enforce = json!({
        "type": "boolean", "default": false,
        "description": "Whether events that do not fit are refused; else they are accepted and counted.",
    });
    let payload = json!({ "description": "Any JSON." });
    vec![
        ("EventTypeName", name),
        ("EventSchema", schema),
        (
            "NewEventType",
            closed(
                &[("description", description), ("schema", schema_ref("EventSchema")), ("enforce", enforce)],
                &["schema"],
            ),
        ),
        (
            "EventTypeTrial",
            closed(&[("payload", payload), ("schema", schema_ref("EventSchema"))], &["payload"]),
        ),
    ]
}

/// The signing, the headers and the body of a subscription's webhooks.
fn shapes(config: &IngestConfig) -> Vec<Named> {
    let limits = &config.subscription;
    let headers = json!({
        "type": "object", "maxProperties": limits.headers_max,
        "propertyNames": { "type": "string", "format": "sluice-header-name" },
        "additionalProperties": { "type": "string", "format": "sluice-header-value" },
        "description": format!(
            "Headers sent with each webhook: at most {} bytes of names and values, and none that HTTP or Sluice \
             sets. Answers show `{}` in place of each value; a change that sends it keeps the stored value.",
            limits.header_bytes_max, routes::HEADER_MASK,
        ),
    });
    let template = json!({ "description": format!(
        "Any JSON of at most {} bytes. Its strings are minijinja templates over the event. A string that is \
         nothing but `{{{{ expression }}}}` becomes the expression's value and keeps that value's type.",
        config.transform.template_bytes_max,
    ) });
    let made_up = [
        ("event_type", json!({ "type": "string", "minLength": 1, "maxLength": 256 })),
        ("payload", json!({ "description": "Any JSON of at most 16 KiB." })),
    ];
    let tried =
        [("template", json!({ "description": "A template to try." })), ("body", schema_ref("WebhookBody"))];
    let of_stored = [&[("event_id", schema_ref("EventId"))][..], &tried].concat();
    let of_made_up = [&made_up[..], &tried].concat();
    vec![
        ("WebhookHeaders", headers),
        (
            "SignatureScheme",
            json!({
                "type": "string", "enum": ["v1", "v1a"],
                "description": "The schemes of Standard Webhooks: `v1` is HMAC-SHA256, `v1a` is ed25519.",
            }),
        ),
        (
            "WebhookBody",
            json!({
                "type": "string", "enum": ["array", "single"],
                "description": "`array`: an array of events. `single`: one event per webhook, without an array around it.",
            }),
        ),
        ("Transform", closed(&[("template", template)], &["template"])),
        ("TransformTrial", json!({ "oneOf": [closed(&of_stored, &["event_id"]), closed(&of_made_up, &[])] })),
    ]
}

fn operators() -> Vec<Named> {
    let name =
        json!({ "type": "string", "minLength": 1, "maxLength": routes::NAME_BYTES_MAX, "pattern": "\\S" });
    let email = or_null(json!({ "type": "string", "format": "email", "maxLength": routes::EMAIL_BYTES_MAX }));
    let fields = [
        ("name", name),
        ("email", email),
        ("status", one_of(&["active", "suspended"])),
        ("rate_limit_per_second", within(1, routes::RATE_MAX.into())),
        ("fan_out", within(1, FAN_OUT_MAX.into())),
    ];
    let scopes = json!({
        "type": "array", "minItems": 1, "items": schema_ref("Scope"),
        "description": "The key's scopes; every scope if absent. A key's scopes never change.",
    });
    let key = [("mode", one_of(&["live", "test"])), ("expires_at", schema_ref("Time")), ("scopes", scopes)];
    vec![
        ("NewCustomer", closed(&fields, &["name"])),
        ("CustomerChange", closed(&fields, &[])),
        ("NewKey", closed(&key, &[])),
    ]
}
