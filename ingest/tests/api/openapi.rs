//! Compares the API's description with the requests that are accepted and the answers that are given.

use crate::harness::{RunningIngest, config, start};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many answers came, by operation and status.
type SeenAnswers = BTreeMap<(String, u16), usize>;

struct Described<'e> {
    ingest: &'e RunningIngest,
    public: Value,
    admin: Value,
    seen: SeenAnswers,
}

/// The listener that is asked.
#[derive(Clone, Copy, PartialEq)]
enum ApiListener {
    Public,
    Admin,
}

impl<'e> Described<'e> {
    async fn new(ingest: &'e RunningIngest) -> Self {
        let public = ingest.client().await.get("/openapi.json").await;
        assert_eq!((public.status, &*public.headers["content-type"]), (200, "application/json"));
        let admin = ingest.admin().await.get("/openapi.json").await;
        Self { ingest, public: public.json(), admin: admin.json(), seen: SeenAnswers::new() }
    }

    fn document(&self, at: ApiListener) -> &Value {
        if at == ApiListener::Public { &self.public } else { &self.admin }
    }

    /// Sends a request, and holds the answer against the description.
    async fn ask(&mut self, at: ApiListener, method: &str, path: &str, body: &str) -> Value {
        let answer = match at {
            ApiListener::Public => self.ingest.client().await.request(method, path, body).await,
            ApiListener::Admin => self.ingest.admin().await.admin(method, path, body).await,
        };
        let (name, operation) = self.operation(at, method, path);
        let described = &operation["responses"][answer.status.to_string()];
        assert!(described.is_object(), "{name} does not say that it answers {}: {answer:?}", answer.status);
        let schema = described["content"]["application/json"]["schema"].clone();
        let value = if answer.body.is_empty() { Value::Null } else { answer.json() };
        match schema {
            Value::Null => assert!(answer.body.is_empty(), "{name}: a body that is not described"),
            schema => {
                if let Err(why) = conforms(self.document(at), &schema, &value) {
                    panic!("{name} {}: {why}\nin {value}", answer.status);
                }
            }
        }
        *self.seen.entry((name, answer.status)).or_default() += 1;
        value
    }

    fn operation(&self, at: ApiListener, method: &str, path: &str) -> (String, Value) {
        let path = path.split('?').next().unwrap();
        let paths = self.document(at)["paths"].as_object().unwrap();
        // The router prefers literal segments to parameters.
        let candidates = paths.iter().filter(|(template, _)| matches_template(template, path));
        let (template, item) = candidates.min_by_key(|(template, _)| template.matches('{').count()).unwrap();
        let operation = &item[method.to_ascii_lowercase()];
        (format!("{method} {template}"), operation.clone())
    }
}

fn matches_template(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len() && template.iter().zip(&path).all(|(t, p)| t.starts_with('{') || t == p)
}

/// Whether a value conforms to a schema and has no field that the schema lacks.
fn conforms(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(&reference[1..]).ok_or(format!("{reference} leads nowhere"))?;
        return conforms(document, target, value).map_err(|why| format!("{reference}: {why}"));
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(all) = schema[several].as_array() {
            let whys: Vec<_> = all.iter().filter_map(|one| conforms(document, one, value).err()).collect();
            return if whys.len() < all.len() { Ok(()) } else { Err(whys.join("; ")) };
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = match &schema["type"] {
        Value::Null => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        one => vec![one.as_str().unwrap()],
    };
    // An integer is also a number.
    let is_number = kind == "integer" && kinds.contains(&"number");
    if !is_number && !kinds.contains(&kind) {
        return Err(format!("{value} is not {kinds:?}"));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Err(format!("{value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return Err(format!("{value} is not one of {}", schema["enum"]));
    }
    let has_too_few = |items: &Vec<Value>| (items.len() as u64) < schema["minItems"].as_u64().unwrap_or(0);
    match value {
        Value::Array(items) if has_too_few(items) => Err(format!("{value} has too few items")),
        Value::Array(items) => items.iter().try_for_each(|item| conforms(document, &schema["items"], item)),
        Value::Object(fields) => object(document, schema, fields),
        _ => Ok(()),
    }
}

fn object(document: &Value, schema: &Value, fields: &serde_json::Map<String, Value>) -> Result<(), String> {
    let Some(properties) = schema["properties"].as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("`{name}` is missing"));
        }
    }
    fields.iter().try_for_each(|(name, value)| {
        let property = properties.get(name).ok_or(format!("`{name}` is not described"))?;
        conforms(document, property, value).map_err(|why| format!("`{name}`: {why}"))
    })
}

fn id(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_it_is_described() {
    use ApiListener::{Admin, Public};
    let ingest = start(config()).await;
    let mut described = Described::new(&ingest).await;
    let nobody = "019a0000-0000-7000-8000-000000000000";

    for path in ["/health", "/healthz", "/readyz"] {
        described.ask(Public, "GET", path, "").await;
        described.ask(Admin, "GET", path, "").await;
    }
    let made = described.ask(Admin, "POST", "/admin/customers", r#"{"name":"A","email":"a@b.c"}"#).await;
    let other = format!("/admin/customers/{}", id(&made, "customer_id"));
    described.ask(Admin, "POST", "/admin/customers", r#"{"name":""}"#).await;
    described.ask(Admin, "GET", "/admin/customers?limit=1", "").await;
    described.ask(Admin, "GET", &other, "").await;
    described.ask(Admin, "GET", &format!("/admin/customers/{nobody}"), "").await;
    described.ask(Admin, "PATCH", &other, r#"{"email":null}"#).await;
    let key = described
        .ask(Admin, "POST", &format!("{other}/keys"), r#"{"expires_at":"2999-01-01T00:00:00Z"}"#)
        .await;
    described.ask(Admin, "DELETE", &format!("{other}/keys/{}", id(&key, "key_id")), "").await;
    described.ask(Admin, "GET", &format!("{other}/keys"), "").await;
    described.ask(Admin, "POST", "/admin/test-customer", "").await;
    let of_customer =
        format!(r#"{{"customer_id":"{}","webhook_url":"https://example.com"}}"#, ingest.customer);
    described.ask(Admin, "POST", "/admin/test-subscription", &of_customer).await;
    described
        .ask(Admin, "GET", &format!("/admin/customers/{}/subscriptions?limit=1", ingest.customer), "")
        .await;

    let new =
        json!({"event_selector": {"type": "event_type", "value": "*"}, "webhook_url": "http://127.0.0.1:9/"});
    let made = described.ask(Public, "POST", "/v1/subscriptions", &new.to_string()).await;
    let path = format!("/v1/subscriptions/{}", id(&made, "workflow_id"));
    described.ask(Public, "POST", "/v1/subscriptions", "{}").await;
    described.ask(Public, "GET", "/v1/subscriptions?limit=1", "").await;
    described.ask(Public, "GET", &path, "").await;
    described.ask(Public, "GET", &format!("/v1/subscriptions/{nobody}"), "").await;
    described.ask(Public, "PATCH", &path, r#"{"status":"disabled","description":"x"}"#).await;
    described.ask(Public, "POST", &format!("{path}/enable"), "").await;
    described.ask(Public, "POST", &format!("{path}/rotate-secret"), "").await;
    described
        .ask(Public, "POST", &format!("{path}/rotate-secret"), r#"{"keep_s":60,"signature":"v1a"}"#)
        .await;
    let options = r#"{"headers":{"x-key":"k"},"rate_limit_per_second":5,"body":"single",
        "transform":{"template":{"n":"{{ payload }}"}}}"#;
    described.ask(Public, "PATCH", &path, options).await;
    described.ask(Public, "PATCH", &path, r#"{"headers":null,"body":"array","transform":null}"#).await;

    let declared = r#"{"schema":{"type":"object"},"enforce":true}"#;
    described.ask(Public, "PUT", "/v1/event-types/declared", declared).await;
    described.ask(Public, "PUT", "/v1/event-types/declared", r#"{"schema":true,"description":"x"}"#).await;
    described.ask(Public, "PUT", "/v1/event-types/declared", declared).await;
    described.ask(Public, "PUT", "/v1/event-types/declared", r#"{"schema":7}"#).await;
    described.ask(Public, "GET", "/v1/event-types/declared", "").await;
    described.ask(Public, "GET", "/v1/event-types?limit=1", "").await;
    described.ask(Public, "GET", "/v1/event-types/none", "").await;
    described.ask(Public, "POST", "/v1/event-types/declared/test", r#"{"payload":1}"#).await;
    described.ask(Public, "POST", "/v1/events", r#"{"event_type":"declared","payload":1}"#).await;
    let misfit = r#"[{"event_type":"declared","payload":1},{"payload":1}]"#;
    described.ask(Public, "POST", "/v1/events", misfit).await;
    described.ask(Public, "DELETE", "/v1/event-types/declared", "").await;
    let sent = described.ask(Public, "POST", "/v1/events", r#"{"event_type":"a","payload":{}}"#).await;
    let event = format!("/v1/events/{}", id(&sent, "event_id"));
    described
        .ask(Public, "POST", "/v1/events", r#"[{"payload":1,"tags":["t"],"metadata":{"priority":"low"}},{}]"#)
        .await;
    described.ask(Public, "POST", "/v1/events", "[{}]").await;
    described.ask(Public, "GET", &event, "").await;
    described.ask(Public, "POST", &format!("{event}/resend"), "").await;
    described.ask(Public, "GET", &format!("{event}/deliveries"), "").await;
    described.ask(Public, "GET", &format!("{event}/attempts?limit=1"), "").await;
    described.ask(Public, "GET", &format!("{event}/attempts?workflow_id=x"), "").await;
    described.ask(Public, "GET", "/v1/inbox?limit=1", "").await;
    described.ask(Public, "GET", "/v1/inbox?limit=x", "").await;
    described.ask(Public, "POST", &format!("{path}/test"), "").await;
    let selector = json!({"event_selector": {"type": "event_type", "value": "*"}}).to_string();
    described.ask(Public, "POST", "/v1/subscriptions/judge", &selector).await;
    described.ask(Public, "POST", "/v1/subscriptions/judge", "{}").await;
    described.ask(Public, "POST", &format!("{path}/test"), r#"{"last":2}"#).await;
    let tried = format!("{path}/transform/test");
    described.ask(Public, "POST", &tried, "").await;
    described.ask(Public, "POST", &tried, r#"{"template":"{{ payload.x }}","payload":{}}"#).await;
    described.ask(Public, "GET", &format!("{path}/deliveries"), "").await;
    described.ask(Public, "GET", &format!("{path}/health"), "").await;
    described.ask(Public, "POST", &format!("{event}/ack"), "").await;
    described.ask(Public, "POST", &format!("{event}/ack"), "").await;
    described.ask(Public, "DELETE", &format!("{event}/ack"), "").await;
    described.ask(Public, "GET", &event, "").await;
    described.ask(Public, "POST", "/v1/inbox/ack", &format!(r#"{{"event_ids":["x","{nobody}"]}}"#)).await;

    let subscription = id(&made, "workflow_id");
    described
        .ask(Public, "POST", "/v1/replay", &format!(r#"{{"workflow_id":"{subscription}","dry_run":true}}"#))
        .await;
    let run =
        described.ask(Public, "POST", "/v1/replay", &format!(r#"{{"workflow_id":"{subscription}"}}"#)).await;
    let replay = format!("/v1/replay/{}", id(&run, "replay_id"));
    described.ask(Public, "GET", "/v1/replay?limit=1", "").await;
    described.ask(Public, "GET", &replay, "").await;
    described.ask(Public, "DELETE", &replay, "").await;
    described.ask(Public, "GET", "/v1/dead-letters?limit=1", "").await;
    described.ask(Public, "DELETE", "/v1/dead-letters?since=2020-01-01T00:00:00Z", "").await;
    described.ask(Public, "DELETE", &format!("/v1/dead-letters/{nobody}"), "").await;
    described.ask(Public, "POST", "/v1/dead-letters/redrive", "").await;
    described.ask(Public, "GET", "/v1/dead-letters/summary?reason=refused", "").await;
    described.ask(Public, "GET", "/v1/dead-letters?reason=nope", "").await;
    described.ask(Public, "GET", "/v1/me", "").await;
    described.ask(Admin, "GET", &format!("/admin/customers/{}/me", ingest.customer), "").await;
    described.ask(Public, "GET", "/v1/usage?granularity=minute&group_by=event_type", "").await;
    described.ask(Public, "GET", "/v1/usage?granularity=week", "").await;
    described.ask(Admin, "GET", "/admin/system", "").await;
    described.ask(Public, "GET", "/v1/audit?order=asc&limit=2", "").await;
    described.ask(Public, "GET", "/v1/audit?actor=nobody", "").await;
    described.ask(Admin, "GET", "/admin/audit", "").await;
    described.ask(Public, "DELETE", &path, "").await;

    let asked: BTreeSet<_> = described.seen.keys().map(|(name, _)| name.clone()).collect();
    for (path, item) in described.public["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let name = format!("{} {path}", method.to_ascii_uppercase());
            let text = ["/metrics", "/openapi.json", "/docs", "/v1/stream"].contains(&path.as_str());
            assert!(text || asked.contains(&name), "{name} is described and not asked here");
        }
    }
}

/// The names of the fields that a body's schema allows.
fn allowed(document: &Value, schema: &Value) -> BTreeSet<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return allowed(document, document.pointer(&reference[1..]).unwrap());
    }
    let several = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    let own = schema["properties"].as_object().into_iter().flat_map(|all| all.keys().cloned());
    own.chain(several.into_iter().flatten().flat_map(|one| allowed(document, one))).collect()
}

/// The names of the fields that an error message lists.
fn expected(message: &str) -> BTreeSet<String> {
    let list = message.split("expected").nth(1).unwrap_or_else(|| panic!("no list in {message}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_may_hold_the_fields_that_are_described_and_no_others() {
    let ingest = start(config()).await;
    let described = Described::new(&ingest).await;
    let mut checked = 0;
    for at in [ApiListener::Public, ApiListener::Admin] {
        let document = described.document(at);
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                if schema.is_null() {
                    continue;
                }
                let path = path.replace("{customer_id}", &ingest.customer).replace("{id}", &ingest.customer);
                let path = path.replace("{name}", "declared");
                let method = method.to_ascii_uppercase();
                let body = r#"{"no_such_field":1}"#;
                let answer = match at {
                    ApiListener::Public => ingest.client().await.request(&method, &path, body).await,
                    ApiListener::Admin => ingest.admin().await.admin(&method, &path, body).await,
                };
                assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
                let json = answer.json();
                let mut known = expected(json["error"]["message"].as_str().unwrap());
                if path.ends_with("/events") {
                    known.insert("events".to_owned());
                }
                assert_eq!(known, allowed(document, schema), "{method} {path}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 13, "only {checked} bodies were checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_selectors_compare_with_what_is_described_and_nothing_else() {
    let ingest = start(config()).await;
    let described = Described::new(&ingest).await;
    let document = described.document(ApiListener::Public);
    let schema = json!({ "$ref": "#/components/schemas/Selector" });
    let values = [
        json!(1),
        json!(1.5),
        json!("a"),
        json!(null),
        json!(true),
        json!({}),
        json!({ "a": [1] }),
        json!([]),
        json!([1, "a", null, true]),
        json!([[2], {}]),
        json!([[]]),
    ];
    let operators = [
        "equals",
        "not_equals",
        "greater_than",
        "greater_or_equal",
        "less_than",
        "less_or_equal",
        "contains",
        "starts_with",
        "ends_with",
        "in",
        "not_in",
        "exists",
        "not_exists",
        "matches",
        "like",
    ];
    let mut client = ingest.client().await;
    let mut taken = 0;
    for operator in operators {
        for value in values.iter().map(Some).chain([None]) {
            let mut function = json!({ "field": "a", "operator": operator });
            if let Some(value) = value {
                function["value"] = value.clone();
            }
            let selector = json!({ "type": "not", "of": { "type": "custom", "function": function } });
            let body = json!({ "event_selector": selector, "webhook_url": "https://example.com/" });
            let answer = client.request("POST", "/v1/subscriptions", body.to_string()).await;
            assert!([201, 400].contains(&answer.status), "{selector}: {answer:?}");
            let described = conforms(document, &schema, &selector);
            assert_eq!(answer.status == 201, described.is_ok(), "{selector}: {described:?} {answer:?}");
            taken += usize::from(answer.status == 201);
        }
    }
    assert!(taken > 40, "{taken}");
}

#[test]
fn a_judge_that_sees_nothing_is_found_out() {
    let document = json!({"components": {"schemas": {"A": {"type": "object", "required": ["x"],
        "properties": {"x": {"type": ["integer", "null"]}}}}}});
    let schema = json!({"$ref": "#/components/schemas/A"});
    for good in [json!({"x": 1}), json!({"x": null})] {
        conforms(&document, &schema, &good).unwrap();
    }
    for bad in [json!({}), json!({"x": "1"}), json!({"x": 1, "y": 1}), json!([])] {
        conforms(&document, &schema, &bad).unwrap_err();
    }
}
