//! Parameters, headers and references that operations share.

use serde_json::{Map, Value, json};

/// A reference to the schema of this name.
pub(crate) fn schema_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A reference to the one schema of refusals.
pub(crate) fn error_ref() -> Value {
    schema_ref("Error")
}

/// The parameters of a path.
pub(crate) fn path_parameters(path: &str, names_event: bool) -> Vec<Value> {
    let named = |name: &str, schema: &str, text: &str| {
        path.contains(&format!("{{{name}}}")).then(|| {
            json!({
                "name": name, "in": "path", "required": true,
                "description": text, "schema": schema_ref(schema),
            })
        })
    };
    let id = if names_event { "EventId" } else { "Id" };
    let name = named("name", "EventTypeName", "The event type's name.");
    [named("customer_id", "Id", "The customer's id."), named("id", id, "The id."), name]
        .into_iter()
        .flatten()
        .collect()
}

/// A parameter of the query.
pub(crate) fn query(name: &str, schema: Value, text: &str) -> Value {
    // An empty parameter counts as absent.
    let mut parameter = json!({
        "name": name, "in": "query", "required": false, "allowEmptyValue": true, "description": text,
    });
    parameter["schema"] = schema;
    parameter
}

/// A header of the request.
pub(crate) fn header(name: &str, schema: Value, text: &str) -> Value {
    let mut parameter = json!({ "name": name, "in": "header", "required": false, "description": text });
    parameter["schema"] = schema;
    parameter
}

/// The parameter `limit`.
pub(crate) fn limit() -> Value {
    let schema = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    query("limit", schema, "The most entries of a page.")
}

/// The parameters of a list whose cursors are opaque.
pub(crate) fn page() -> [Value; 2] {
    let schema = json!({ "type": "string", "format": "sluice-cursor" });
    [limit(), query("cursor", schema, "The cursor of the page before, from the same query.")]
}

/// The parameters of a list whose cursors are ids.
pub(crate) fn page_by_id() -> [Value; 2] {
    [limit(), query("cursor", schema_ref("Id"), "The cursor of the page before.")]
}

/// A parameter of the query that is refused without a value.
pub(crate) fn with_value(mut parameter: Value) -> Value {
    parameter.as_object_mut().expect("a parameter").remove("allowEmptyValue");
    parameter
}

/// The parameters of a range of time; `end` says whether its end belongs to it.
pub(crate) fn times(end: &str) -> [Value; 4] {
    let time = |name, text| query(name, schema_ref("QueryTime"), text);
    [
        time("start_time", "At this time or later."),
        time("since", "Another name of `start_time`."),
        time("end_time", end),
        time("until", "Another name of `end_time`."),
    ]
}

/// Headers of answers, as components.
pub(crate) fn headers() -> Map<String, Value> {
    let text = |text: &str| json!({ "description": text, "schema": { "type": "string" } });
    let all = json!({
        "X-Request-ID": {
            "description": "The caller's id if it is 1 to 128 visible ASCII characters, else a new one. It is in the logs.",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
        },
        "Retry-After": {
            "description": "Seconds to wait before the next try.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "RateLimit": text("The rest of the limit: `\"events\";r=<events>;t=<seconds until it is full>`."),
        "RateLimit-Policy": text("The limit: `\"events\";q=<events>;w=1;burst=<events>`."),
        "Idempotent-Replayed": text("`true` if this is the first answer again."),
    });
    all.as_object().cloned().unwrap_or_default()
}

/// The headers of an answer of this status.
pub(crate) fn answer_headers(status: u16) -> Value {
    let mut out = json!({});
    let mut add = |name: &str| out[name] = json!({ "$ref": format!("#/components/headers/{name}") });
    add("X-Request-ID");
    match status {
        202 => add("Idempotent-Replayed"),
        409 | 503 => add("Retry-After"),
        429 => ["Retry-After", "RateLimit", "RateLimit-Policy"].into_iter().for_each(add),
        _ => {}
    }
    out
}
