//! The document that `POST /demo/trigger` takes, and its checks.

use crate::answer::DemoRefusal;
use crate::mail::MailAddress;
use crate::rule::{DocumentPriority, TriggerReason};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// The code of every refusal of a document.
const INVALID: &str = "INVALID_DOCUMENT";
const FIELDS: [&str; 5] = ["document_type", "priority", "description", "customer_email", "customer_name"];
const TYPE_CHARS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 10_000;
const NAME_CHARS_MAX: usize = 100;

/// A document whose fields have been checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    document_type: String,
    pub(crate) priority: DocumentPriority,
    pub(crate) description: String,
    customer_email: MailAddress,
    customer_name: Option<String>,
}

impl Document {
    /// Reads a request's body.
    ///
    /// # Errors
    /// The fault and its field.
    pub(crate) fn read(body: &[u8]) -> Result<Self, DemoRefusal> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            DemoRefusal::new(
                StatusCode::BAD_REQUEST,
                "INVALID_JSON",
                format!("the body is not JSON: {error}"),
            )
        })?;
        let Value::Object(fields) = value else {
            let message = format!("the body must be an object with {}", FIELDS.join(", "));
            return Err(DemoRefusal::new(StatusCode::BAD_REQUEST, INVALID, message));
        };
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            let shown: String = unknown.chars().take(60).collect();
            return Err(refuse(&shown, format!("there is no such field; there are {}", FIELDS.join(", "))));
        }
        Ok(Self {
            document_type: document_type(text(&fields, "document_type")?)?,
            priority: priority(&fields)?,
            description: description(text(&fields, "description")?)?,
            customer_email: MailAddress::parse(text(&fields, "customer_email")?.unwrap_or_default().trim())
                .map_err(|fault| refuse("customer_email", fault.to_string()))?,
            customer_name: customer_name(text(&fields, "customer_name")?)?,
        })
    }

    /// The event that is sent for the document.
    pub(crate) fn event(&self, reasons: &[TriggerReason]) -> Value {
        let mut payload = json!({
            "document_type": self.document_type,
            "priority": self.priority,
            "description": self.description,
            "customer_email": self.customer_email.as_str(),
            "triggered_by": reasons,
        });
        if let Some(name) = &self.customer_name {
            payload["customer_name"] = json!(name);
        }
        json!({
            "event_type": format!("document.{}", self.document_type),
            "source": "demo-backend",
            "tags": ["escalated"],
            "metadata": { "priority": self.priority },
            "payload": payload,
        })
    }
}

fn refuse(field: &str, message: impl Into<String>) -> DemoRefusal {
    DemoRefusal::field(INVALID, field, message)
}

/// A field that is text, if it is there.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, DemoRefusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refuse(name, "must be text")),
    }
}

fn document_type(given: Option<&str>) -> Result<String, DemoRefusal> {
    let given = given.unwrap_or_default().trim();
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-'))
    };
    let fault = if given.is_empty() {
        "is missing: say what kind of document it is, such as invoice"
    } else if given.len() > TYPE_CHARS_MAX {
        "is longer than 100 characters"
    } else if !given.split('.').all(part) {
        "may have letters, digits, - and _, with dots between parts"
    } else {
        return Ok(given.to_owned());
    };
    Err(refuse("document_type", fault))
}

fn priority(fields: &Map<String, Value>) -> Result<DocumentPriority, DemoRefusal> {
    let Some(given) = text(fields, "priority")? else { return Ok(DocumentPriority::default()) };
    let known = DocumentPriority::ALL.iter().find(|(name, _)| *name == given).map(|(_, priority)| *priority);
    known.ok_or_else(|| refuse("priority", "must be low, normal or high"))
}

fn description(given: Option<&str>) -> Result<String, DemoRefusal> {
    let given = given.unwrap_or_default();
    if given.trim().is_empty() {
        return Err(refuse("description", "is missing: say what the document is about"));
    }
    match given.chars().count() {
        0..=DESCRIPTION_CHARS_MAX => Ok(given.to_owned()),
        count => Err(refuse(
            "description",
            format!("has {count} characters; at most {DESCRIPTION_CHARS_MAX} are taken"),
        )),
    }
}

fn customer_name(given: Option<&str>) -> Result<Option<String>, DemoRefusal> {
    let Some(given) = given.map(str::trim).filter(|name| !name.is_empty()) else { return Ok(None) };
    if given.chars().count() > NAME_CHARS_MAX {
        return Err(refuse("customer_name", "is longer than 100 characters"));
    }
    if given.chars().any(char::is_control) {
        return Err(refuse("customer_name", "has a line break or another control character"));
    }
    Ok(Some(given.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::judge;

    fn body(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut value = json!({
            "document_type": "invoice", "priority": "high", "description": "It is overdue", "customer_email": "a@b.example",
        });
        change(&mut value);
        value.to_string().into_bytes()
    }

    #[test]
    fn a_document_becomes_an_event_with_its_reasons() {
        let document = Document::read(&body(|value| value["customer_name"] = json!(" Ann "))).unwrap();
        let event = document.event(&judge(document.priority, &document.description));
        assert_eq!(event["event_type"], "document.invoice");
        assert_eq!(event["metadata"], json!({ "priority": "high" }));
        assert_eq!(event["payload"]["customer_name"], "Ann");
        assert_eq!(event["payload"]["triggered_by"], json!([{ "rule": "priority", "value": "high" }]));
    }

    #[test]
    fn each_field_that_cannot_be_taken_is_named() {
        let long = "x".repeat(10_001);
        let cases: Vec<(&str, Value, &str)> = vec![
            ("document_type", json!(""), "is missing"),
            ("document_type", json!(7), "must be text"),
            ("document_type", json!("in voice"), "letters, digits"),
            ("document_type", json!("a..b"), "letters, digits"),
            ("document_type", json!("a\r\nBcc: x@y.example"), "letters, digits"),
            ("document_type", json!("x".repeat(101)), "longer than 100"),
            ("priority", json!("urgent"), "low, normal or high"),
            ("priority", json!(1), "must be text"),
            ("description", json!("  "), "is missing"),
            ("description", json!(long), "10001 characters"),
            ("description", Value::Null, "is missing"),
            ("customer_email", Value::Null, "is missing"),
            ("customer_email", json!("nobody"), "is not an e-mail address"),
            ("customer_email", json!("a@b.example\r\nBcc: c@d.example"), "is not an e-mail address"),
            ("customer_email", json!("a@b.example, c@d.example"), "is not an e-mail address"),
            ("customer_name", json!("Ann\nBcc: c@d.example"), "control character"),
            ("customer_name", json!("x".repeat(101)), "longer than 100"),
            ("customer_nmae", json!("x"), "there is no such field"),
        ];
        for (field, value, message) in cases {
            let refusal = Document::read(&body(|body| body[field] = value.clone())).unwrap_err();
            assert_eq!((refusal.details["field"].as_str(), refusal.code), (Some(field), INVALID), "{value}");
            assert!(refusal.message.contains(message), "{field} {value}: {}", refusal.message);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(Document::read(b"{").unwrap_err().code, "INVALID_JSON");
        assert_eq!(Document::read(b"[]").unwrap_err().code, INVALID);
        assert_eq!(Document::read("\u{feff}{}".as_bytes()).unwrap_err().code, "INVALID_JSON");
    }

    #[test]
    fn the_priority_is_normal_where_none_is_given() {
        let document = Document::read(&body(|value| value["priority"] = Value::Null)).unwrap();
        assert_eq!(document.priority, DocumentPriority::Normal);
    }
}
