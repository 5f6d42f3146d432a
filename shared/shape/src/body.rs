//! The body of a webhook in a shape, made event by event so that its maker can let others
//! have a turn.

use crate::limits::ShapeLimits;
use crate::template::{JsonTemplate, TransformError};
use serde_json::value::RawValue;
use sluice_model::subscription::{WebhookBody, WebhookShape};
use std::ops::ControlFlow;

/// A shape, ready to make bodies.
#[derive(Debug)]
pub struct ShapedBody {
    body: WebhookBody,
    template: Option<JsonTemplate>,
    body_bytes_max: usize,
}

/// A body that is being made.
#[derive(Debug)]
pub struct BodyDraft {
    /// The plain body: an array of envelopes.
    envelopes: Vec<u8>,
    /// The ranges of the envelopes in it.
    places: Vec<std::ops::Range<usize>>,
    next: usize,
    out: Vec<u8>,
}

impl ShapedBody {
    /// Compiles a shape.
    ///
    /// # Errors
    /// If its template is wrong.
    pub fn compile(shape: &WebhookShape, limits: ShapeLimits) -> Result<Self, TransformError> {
        let template =
            shape.template.as_deref().map(|json| JsonTemplate::compile(json, limits)).transpose()?;
        Ok(Self { body: shape.body, template, body_bytes_max: limits.body_bytes_max })
    }

    /// Whether making a body is enough work for a thread of its own.
    #[must_use]
    pub const fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// Begins a body of events; `envelopes` is an array of their envelopes.
    ///
    /// # Errors
    /// If a body for single events has several, or the events cannot be read.
    pub fn begin(&self, envelopes: Vec<u8>) -> Result<BodyDraft, TransformError> {
        let failed = |message: String| TransformError { pointer: String::new(), line: None, message };
        let raw: Vec<&RawValue> = serde_json::from_slice(&envelopes)
            .map_err(|error| failed(format!("the events cannot be read: {error}")))?;
        if self.body == WebhookBody::Single && raw.len() != 1 {
            return Err(failed(format!("a body of a single event cannot hold {}", raw.len())));
        }
        let start = envelopes.as_ptr() as usize;
        let place = |raw: &&RawValue| {
            let from = raw.get().as_ptr() as usize - start;
            from..from + raw.get().len()
        };
        let places = raw.iter().map(place).collect();
        Ok(BodyDraft { envelopes, places, next: 0, out: Vec::new() })
    }

    /// Makes the next event's part of the body. Returns the body after the last.
    ///
    /// # Errors
    /// If the template fails on the event, or the body grows too large.
    pub fn step(&self, draft: &mut BodyDraft) -> Result<ControlFlow<Vec<u8>>, TransformError> {
        let is_array = self.body == WebhookBody::Array;
        if let Some(place) = draft.places.get(draft.next).cloned() {
            if is_array {
                draft.out.push(if draft.next == 0 { b'[' } else { b',' });
            }
            let envelope = &draft.envelopes[place];
            match &self.template {
                Some(template) => template.render(envelope, &mut draft.out)?,
                None => draft.out.extend_from_slice(envelope),
            }
            draft.next += 1;
            let max = self.body_bytes_max;
            if self.has_template() && draft.out.len() + usize::from(is_array) > max {
                let message = format!("the webhook has more than {max} bytes; send fewer events in one");
                return Err(TransformError { pointer: String::new(), line: None, message });
            }
        }
        if draft.next < draft.places.len() {
            return Ok(ControlFlow::Continue(()));
        }
        if is_array {
            draft.out.extend_from_slice(if draft.places.is_empty() { b"[]" } else { b"]" });
        }
        Ok(ControlFlow::Break(std::mem::take(&mut draft.out)))
    }

    /// Makes the whole body of events; `envelopes` is an array of their envelopes.
    ///
    /// # Errors
    /// As [`Self::begin`] and [`Self::step`].
    pub fn make(&self, envelopes: Vec<u8>) -> Result<Vec<u8>, TransformError> {
        let mut draft = self.begin(envelopes)?;
        loop {
            if let ControlFlow::Break(body) = self.step(&mut draft)? {
                return Ok(body);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(body: WebhookBody, template: Option<&str>) -> ShapedBody {
        let shape = WebhookShape { body, template: template.map(str::to_owned) };
        let limits = ShapeLimits { body_bytes_max: 1024, ..ShapeLimits::default() };
        ShapedBody::compile(&shape, limits).unwrap()
    }

    fn made(shaped: &ShapedBody, envelopes: &str) -> Result<String, TransformError> {
        shaped.make(envelopes.into()).map(|body| String::from_utf8(body).unwrap())
    }

    const TWO: &str = r#"[{"payload":{"n":1}}, {"payload":{"n":[2]}}]"#;

    #[test]
    fn an_array_holds_what_the_template_makes_of_each_event() {
        let shaped = shaped(WebhookBody::Array, Some(r#"{"n":"{{ payload.n }}"}"#));
        assert_eq!(made(&shaped, TWO).unwrap(), r#"[{"n":1},{"n":[2]}]"#);
    }

    #[test]
    fn a_single_body_is_one_event_alone() {
        let plain = shaped(WebhookBody::Single, None);
        assert_eq!(made(&plain, r#"[{"payload": {"n": 1}}]"#).unwrap(), r#"{"payload": {"n": 1}}"#);
        let shaped = shaped(WebhookBody::Single, Some(r#""n is {{ payload.n }}""#));
        assert_eq!(made(&shaped, r#"[{"payload":{"n":1}}]"#).unwrap(), r#""n is 1""#);
        assert!(made(&shaped, TWO).unwrap_err().message.contains("cannot hold 2"));
    }

    #[test]
    fn a_body_that_grows_too_long_fails() {
        let shaped = shaped(WebhookBody::Array, Some(r#""{{ payload }}""#));
        let event = format!(r#"{{"payload":"{}"}}"#, "x".repeat(600));
        assert!(made(&shaped, &format!("[{event}]")).is_ok());
        assert!(
            made(&shaped, &format!("[{event},{event}]"))
                .unwrap_err()
                .message
                .contains("more than 1024 bytes")
        );
    }
}
