//! Media types in `Content-Type`.

use crate::error::ApiError;
use http::StatusCode;

/// Whether a `Content-Type` is this media type; its parameters do not matter.
pub(crate) fn is_media_type(value: &[u8], media_type: &str) -> bool {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    value[..end].trim_ascii().eq_ignore_ascii_case(media_type.as_bytes())
}

/// The charsets that a `Content-Type` names: of two a proxy may read one and this process the other.
fn charsets(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b';').skip(1).filter_map(|parameter| {
        let name_end = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (parameter[..name_end].trim_ascii(), parameter[name_end + 1..].trim_ascii());
        let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        name.eq_ignore_ascii_case(b"charset").then_some(unquoted)
    })
}

/// Whether every charset that a `Content-Type` names has text that is also UTF-8.
pub(crate) fn is_utf8(value: &[u8]) -> bool {
    let known: [&[u8]; 3] = [b"utf-8", b"utf8", b"us-ascii"];
    charsets(value).all(|charset| known.iter().any(|known| charset.eq_ignore_ascii_case(known)))
}

/// Refuses a body whose charset is not UTF-8.
pub(crate) fn check_charset(value: &[u8]) -> Result<(), ApiError> {
    if is_utf8(value) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_CHARSET",
        "the charset of Content-Type must be utf-8",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf_8_is_a_charset_of_a_body() {
        for good in
            ["application/json", "application/json; charset=utf-8", "a/b;x=1; Charset=\"UTF-8\"", "a/b;"]
        {
            assert!(is_utf8(good.as_bytes()), "{good}");
        }
        for bad in [
            "application/json; charset=utf-16",
            "a/b;charset=iso-8859-1",
            "a/b; charset=\"latin1\"",
            "a/b;charset=",
            "a/b; charset=utf-8; charset=latin1",
        ] {
            assert!(!is_utf8(bad.as_bytes()), "{bad}");
        }
        assert!(is_media_type(b"Application/JSON ; x=1", "application/json"));
    }
}
