//! Canonical JSON: no spaces, members sorted by name, strings with only the escapes that
//! JSON requires, numbers as they were written.

use std::collections::BTreeMap;

use super::json::{Shape, Value};

/// Appends a value. Recurses once for each level of nesting, which the parser has bounded.
pub(super) fn write_value(value: Value<'_>, json: &mut String) {
    match value.shape() {
        Shape::Null => json.push_str("null"),
        Shape::Boolean(true) => json.push_str("true"),
        Shape::Boolean(false) => json.push_str("false"),
        Shape::Number(text) => json.push_str(text),
        Shape::String(text) => write_string(text, json),
        Shape::Array(_) => {
            json.push('[');
            for (index, element) in value.children().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_value(element, json);
            }
            json.push(']');
        }
        Shape::Object(_) => {
            let members: BTreeMap<_, _> = value.members().collect();
            json.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_string(name, json);
                json.push(':');
                write_value(value, json);
            }
            json.push('}');
        }
    }
}

/// Appends `,"value":…` if there is one.
pub(super) fn write_value_text(text: Option<&str>, json: &mut String) {
    if let Some(text) = text {
        json.push_str(r#","value":"#);
        json.push_str(text);
    }
}

/// Appends a string, quoted.
pub(super) fn write_string(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}
