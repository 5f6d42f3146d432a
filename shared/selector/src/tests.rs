//! Selectors as users see them: JSON in, a verdict or an error out.

mod budgets;
mod hostile;
mod indexing;
mod refusal;
mod semantics;

use super::{EvaluationLimits, MatchScratch, Selector, Verdict};

/// A `custom` selector on the payload's `field`; no value if `value` is "".
fn function(field: &str, operator: &str, value: &str) -> String {
    let field = serde_json::Value::from(field);
    let value = if value.is_empty() { String::new() } else { format!(r#","value":{value}"#) };
    format!(r#"{{"type":"custom","function":{{"field":{field},"operator":"{operator}"{value}}}}}"#)
}

fn jsonpath(expression: &str) -> String {
    format!(r#"{{"type":"jsonpath","expression":{}}}"#, serde_json::Value::from(expression))
}

fn event_type(value: &str) -> String {
    format!(r#"{{"type":"event_type","value":"{value}"}}"#)
}

fn envelope(event_type: &str, payload: &str) -> String {
    format!(
        r#"{{"event_id":"0190","customer_id":"c","event_type":"{event_type}","source":"shop","tags":["a","b"],"metadata":{{"priority":"high"}},"payload":{payload},"timestamp":"2026-01-02T03:04:05Z"}}"#
    )
}

/// The verdict for an event of type `order.created` with this payload.
#[track_caller]
fn judge(selector: &str, payload: &str) -> Verdict {
    let selector = Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
    let mut scratch = MatchScratch::new(EvaluationLimits::default());
    let envelope = envelope("order.created", payload);
    selector.compiled().evaluate(&mut scratch.view("order.created", envelope.as_bytes()))
}

#[track_caller]
fn assert_matches(selector: &str, payload: &str, wanted: bool) {
    assert_eq!(judge(selector, payload), Verdict::from(wanted), "{selector} on {payload}");
}
