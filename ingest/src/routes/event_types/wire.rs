//! Event types as requests and answers have them.

use crate::error::ApiError;
use crate::request::ApiRequest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluice_model::EventType;
use sluice_model::clock::rfc3339_string;
use sluice_selector::PRODUCT_TYPES;
use std::borrow::Cow;

/// The most bytes of a declared type's name, as in selectors.
pub(crate) const TYPE_NAME_BYTES_MAX: usize = 256;
/// The most bytes of a type's description.
pub(crate) const TYPE_DESCRIPTION_BYTES_MAX: usize = 1024;

/// `PUT /v1/event-types/{name}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEventType {
    pub description: Option<String>,
    pub schema: Box<RawValue>,
    #[serde(default, deserialize_with = "crate::request::or_default")]
    pub enforce: bool,
}

/// A type as answers show it.
#[derive(Serialize)]
pub(super) struct EventTypeView<'a> {
    name: &'a str,
    description: Option<&'a str>,
    schema: &'a RawValue,
    enforce: bool,
    created_at: String,
    updated_at: String,
}

/// A page of types.
#[derive(Serialize)]
pub(super) struct EventTypePage<'a> {
    pub event_types: Vec<EventTypeView<'a>>,
    pub total: usize,
    pub cursor: Option<&'a str>,
    pub has_more: bool,
}

pub(super) fn view(event_type: &EventType) -> Result<EventTypeView<'_>, ApiError> {
    let schema = serde_json::from_str(&event_type.schema).map_err(|error| {
        let cause = format!("the stored schema of {:?} is no JSON: {error}", event_type.name);
        ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "DAMAGED", "stored data is damaged")
            .because(&cause)
    })?;
    Ok(EventTypeView {
        name: &event_type.name,
        description: event_type.description.as_deref(),
        schema,
        enforce: event_type.enforce,
        created_at: rfc3339_string(event_type.created_at_ms),
        updated_at: rfc3339_string(event_type.updated_at_ms),
    })
}

/// The name in the path, if it is valid for a type.
pub(super) fn checked_name<'r>(request: &'r ApiRequest<'_>) -> Result<Cow<'r, str>, ApiError> {
    let invalid = |message: String| Err(ApiError::invalid("name", message));
    let name = request.path_name()?;
    let len = name.len();
    if !(1..=TYPE_NAME_BYTES_MAX).contains(&len) {
        return invalid(format!("has {len} bytes; it must have 1 to {TYPE_NAME_BYTES_MAX}"));
    }
    if name.chars().any(char::is_control) {
        return invalid("has control characters".into());
    }
    if name.contains('*') {
        return invalid(
            "is a pattern: `*` belongs in a selector, and each type is declared by its own name".into(),
        );
    }
    if matches!(&*name, "." | "..") {
        return invalid("cannot be `.` or `..`, which no URL can name".into());
    }
    if name.starts_with(PRODUCT_TYPES) {
        return invalid(format!("cannot begin with `{PRODUCT_TYPES}`: such events are Sluice's own"));
    }
    Ok(name)
}

pub(super) fn checked_description(description: Option<String>) -> Result<Option<String>, ApiError> {
    match description {
        Some(text) if text.len() > TYPE_DESCRIPTION_BYTES_MAX => {
            let message = format!("has {} bytes; the limit is {TYPE_DESCRIPTION_BYTES_MAX}", text.len());
            Err(ApiError::invalid("description", message))
        }
        other => Ok(other),
    }
}
