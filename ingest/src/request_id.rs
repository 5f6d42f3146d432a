//! `X-Request-ID`: the caller's id if it is valid, else a new id made of a random
//! prefix of this process and a count.

use http::{HeaderMap, HeaderName, HeaderValue};
use sluice_model::ids::random_u128;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The header's name.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LEN_MAX: usize = 128;

/// Twelve random hexadecimal characters and a hyphen.
static PREFIX: LazyLock<[u8; 13]> = LazyLock::new(|| {
    let mut prefix = [b'-'; 13];
    write_hex(random_u128() as u64, &mut prefix[..12]);
    prefix
});

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The id of the request with these headers.
pub(crate) fn from_headers(headers: &HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(value) if is_sane(value) => value.clone(),
        _ => generate(),
    }
}

fn is_sane(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=LEN_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// A new id.
pub(crate) fn generate() -> HeaderValue {
    let mut text = [0; 25];
    text[..13].copy_from_slice(&*PREFIX);
    write_hex(COUNT.fetch_add(1, Ordering::Relaxed), &mut text[13..]);
    HeaderValue::from_bytes(&text).expect("hexadecimal digits and a hyphen")
}

/// The id as text. Every id that this module returns is visible ASCII.
pub(crate) fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
}

/// Fills `out` with the lowest bits of `value` in hexadecimal.
fn write_hex(mut value: u64, out: &mut [u8]) {
    for place in out.iter_mut().rev() {
        *place = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let id = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            from_headers(&headers)
        };
        assert_eq!(id(b"abc-1"), "abc-1");
        let long = [b'a'; LEN_MAX + 1];
        for other in [&b""[..], b"a b", b"\xffx", b"a\tb", &long] {
            assert!(is_sane(&id(other)) && id(other).as_bytes() != other);
        }
        assert_ne!(from_headers(&HeaderMap::new()), from_headers(&HeaderMap::new()));
    }
}
