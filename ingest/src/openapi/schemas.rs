//! The schemas of bodies.

mod answers;
mod requests;

use crate::config::IngestConfig;
use crate::describe::parts::schema_ref;
use serde_json::{Map, Value, json};

/// All schemas, by name.
pub(super) fn all(config: &IngestConfig) -> Map<String, Value> {
    let all = requests::all(config).into_iter().chain(answers::all());
    all.map(|(name, schema)| (name.to_owned(), schema)).collect()
}

type Named = (&'static str, Value);

/// An object of a request: it may have no other fields, and a field that may be
/// absent may be `null`.
fn closed(properties: &[Named], required: &[&str]) -> Value {
    let nullable = properties.iter().map(|(name, schema)| {
        let absent = required.contains(name) || takes_null(schema);
        (*name, if absent { schema.clone() } else { or_null(schema.clone()) })
    });
    let mut schema = open(&nullable.collect::<Vec<_>>(), required);
    schema["additionalProperties"] = false.into();
    schema
}

fn takes_null(schema: &Value) -> bool {
    let said = ["type", "enum", "const", "allOf", "anyOf", "oneOf", "$ref"];
    let anything = said.iter().all(|word| schema.get(word).is_none());
    let listed = schema["anyOf"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "null"));
    anything || listed
}

/// An object of an answer: later versions may add fields to it.
fn open(properties: &[Named], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// An object of an answer that always has all of its fields.
fn whole(properties: &[Named]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    open(properties, &names)
}

fn list(name: &str) -> Value {
    json!({ "type": "array", "items": schema_ref(name) })
}

fn one_of(values: &[&str]) -> Value {
    json!({ "type": "string", "enum": values })
}

fn or_null(schema: Value) -> Value {
    json!({ "anyOf": vec![schema, json!({ "type": "null" })] })
}

/// A field that is another name of a field.
fn other(name: &str, schema: &str) -> Value {
    json!({ "allOf": [schema_ref(schema)], "description": format!("Another name of `{name}`.") })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn within(min: u64, max: u64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}
