//! Media types in `Content-Type`.

/// Whether a `Content-Type` is this media type, whatever its parameters.
pub(crate) fn is_media_type(value: &[u8], media_type: &str) -> bool {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value[..end].trim_ascii().eq_ignore_ascii_case(media_type.as_bytes())
}
