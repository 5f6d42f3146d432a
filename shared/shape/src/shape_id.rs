//! The identity of a shape, and the text in which a shape is kept for the deliveries that are
//! pinned to it.

use ring::digest::{SHA256, digest};
use sluice_model::subscription::{DeliveryShape, ShapeId, WebhookShape};

/// The shape of a new delivery: the first 16 bytes of the SHA-256 of its kept text.
#[must_use]
pub fn shape_of(shape: &WebhookShape) -> DeliveryShape {
    if shape.is_plain() {
        return DeliveryShape::Plain;
    }
    let hash = digest(&SHA256, kept_text(shape).as_bytes());
    let bytes = hash.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
    DeliveryShape::Pinned(ShapeId::from_bytes(*bytes))
}

/// The text in which a shape is kept: its JSON.
#[must_use]
pub fn kept_text(shape: &WebhookShape) -> String {
    serde_json::to_string(shape).expect("a shape has string keys only")
}

/// Reads a kept shape.
///
/// # Errors
/// A description, if the text is not a shape.
pub fn read_kept(text: &[u8]) -> Result<WebhookShape, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::subscription::WebhookBody;

    #[test]
    fn a_shape_has_the_identity_that_it_always_had() {
        assert_eq!(shape_of(&WebhookShape::default()), DeliveryShape::Plain);
        let template = Some(r#"{"text":"{{ event_type }}"}"#.to_owned());
        let shape = WebhookShape { body: WebhookBody::Single, template };
        let text = r#"{"body":"single","template":"{\"text\":\"{{ event_type }}\"}"}"#;
        assert_eq!(kept_text(&shape), text);
        assert_eq!(read_kept(text.as_bytes()).unwrap(), shape);
        let DeliveryShape::Pinned(id) = shape_of(&shape) else { panic!("it has a shape") };
        assert_eq!(format!("{id:?}"), "43175962a9e34a65ed5d6f4e137486f0");
        let other = WebhookShape { body: WebhookBody::Array, ..shape };
        assert_ne!(shape_of(&other), DeliveryShape::Pinned(id));
    }
}
