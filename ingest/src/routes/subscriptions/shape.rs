//! The shape of webhooks as requests give it and answers show it.

use crate::error::ApiError;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sluice_model::BatchPolicy;
use sluice_model::subscription::{WebhookBody, WebhookShape};
use sluice_shape::{JsonTemplate, ShapeLimits, TransformError};

/// The template that transforms each event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Box<RawValue>")]
pub(super) struct TransformField {
    pub template: Box<RawValue>,
}

impl TryFrom<Box<RawValue>> for TransformField {
    type Error = String;

    /// Derived code alone would also take an array of the fields.
    fn try_from(json: Box<RawValue>) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct TransformObject {
            template: Box<RawValue>,
        }
        if !json.get().starts_with('{') {
            return Err("`transform` must be an object".into());
        }
        let object: TransformObject = serde_json::from_str(json.get()).map_err(|error| error.to_string())?;
        Ok(Self { template: object.template })
    }
}

impl TransformField {
    /// The field of a stored shape. The template was checked when it was stored.
    pub(super) fn of(shape: &WebhookShape) -> Option<Self> {
        let template = shape.template.clone().and_then(|text| RawValue::from_string(text).ok())?;
        Some(Self { template })
    }

    /// The template's text, if it compiles.
    pub(super) fn checked(&self, limits: ShapeLimits) -> Result<String, ApiError> {
        match JsonTemplate::compile(self.template.get(), limits) {
            Ok(_) => Ok(self.template.get().to_owned()),
            Err(error) => Err(invalid(&error)),
        }
    }
}

fn invalid(error: &TransformError) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "INVALID_TRANSFORM", error.to_string()).details(json!({
        "field": "transform.template", "pointer": error.pointer, "line": error.line,
    }))
}

/// The batch policy of a subscription after a change: with `single` bodies it is one
/// event a webhook, whatever the stored policy says. `given` is the number of events
/// that the request asks for.
pub(super) fn batch_of_body(
    policy: BatchPolicy,
    given: Option<u32>,
    before: WebhookBody,
    after: WebhookBody,
) -> Result<BatchPolicy, ApiError> {
    match (before, after, given) {
        (_, WebhookBody::Single, Some(given)) if given != 1 => {
            Err(ApiError::invalid("batch.max_events", format!("{given} events are no `single` body: 1 is")))
        }
        (_, WebhookBody::Single, _) => Ok(BatchPolicy { max_events: 1, ..policy }),
        (WebhookBody::Single, WebhookBody::Array, None) => {
            Ok(BatchPolicy { max_events: BatchPolicy::default().max_events, ..policy })
        }
        (_, WebhookBody::Array, _) => Ok(policy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_body_has_one_event_and_an_array_gets_its_number_back() {
        use WebhookBody::{Array, Single};
        let policy = BatchPolicy { max_events: 7, ..BatchPolicy::default() };
        let events =
            |given, before, after| batch_of_body(policy, given, before, after).map(|it| it.max_events);
        assert_eq!(events(None, Array, Single).unwrap(), 1);
        assert_eq!(events(Some(1), Array, Single).unwrap(), 1);
        assert!(events(Some(2), Single, Single).unwrap_err().code() == "INVALID_REQUEST");
        assert_eq!(events(None, Single, Array).unwrap(), 100);
        assert_eq!(events(Some(7), Single, Array).unwrap(), 7);
        assert_eq!(events(None, Array, Array).unwrap(), 7);
    }
}
