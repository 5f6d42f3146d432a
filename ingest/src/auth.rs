//! Who is asking.

use crate::connection::Connection;
use crate::error::ApiError;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use sluice_catalogue::directory::{Directory, KeyEntry};
use sluice_catalogue::secrets::{hash_api_key, sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The header with credentials, and the credentials in it.
fn credentials(headers: &HeaderMap) -> Option<(&HeaderValue, &[u8])> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| Some((value, bearer(value.as_bytes())?)));
    bearer.or_else(|| headers.get(API_KEY).map(|value| (value, value.as_bytes().trim_ascii())))
}

/// The token of `Bearer <token>` (RFC 6750; the scheme's case does not matter, RFC 9110).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The key that a request brings.
///
/// A connection remembers the last header that opened the door, so a client
/// that keeps its connection is hashed once; whether the key is still good is
/// asked of the key's one entry each time.
pub(crate) fn customer(
    directory: &Directory,
    connection: &Connection,
    headers: &HeaderMap,
) -> Result<Arc<KeyEntry>, ApiError> {
    let Some((header, key)) = credentials(headers) else {
        return Err(unauthorized(
            "UNAUTHORIZED",
            "send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`",
        ));
    };
    let mut last = connection.last_key.lock();
    let known = match &*last {
        // A connection of a proxy carries several clients, so no early exit at the first difference.
        Some((of, entry)) if of.as_ref().ct_eq(header.as_bytes()).into() => Some(Arc::clone(entry)),
        _ => None,
    };
    let entry = match known {
        Some(entry) => entry,
        None => {
            let entry = directory
                .key(&hash_api_key(key))
                .ok_or_else(|| unauthorized("INVALID_API_KEY", "the API key is not known"))?;
            *last = Some((header.as_bytes().into(), Arc::clone(&entry)));
            entry
        }
    };
    drop(last);
    if !entry.is_valid() {
        return Err(unauthorized("INVALID_API_KEY", "the API key is revoked or has expired"));
    }
    if !entry.customer().is_active() {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "CUSTOMER_SUSPENDED", "the customer is suspended"));
    }
    Ok(entry)
}

/// The operators' token, kept as its hash.
pub(crate) struct AdminToken([u8; 32]);

impl AdminToken {
    pub(crate) fn new(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }

    /// Whether a request brings the token. Hashes are compared, so the time
    /// taken says nothing of the token, its length included.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some((_, token)) = credentials(headers) else {
            return Err(unauthorized(
                "UNAUTHORIZED",
                "send the admin token as `Authorization: Bearer <token>`",
            ));
        };
        if self.0.ct_eq(&sha256(token)).into() {
            Ok(())
        } else {
            Err(unauthorized("INVALID_ADMIN_TOKEN", "the admin token is wrong"))
        }
    }
}

fn unauthorized(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_as_bearer_or_as_a_header_of_their_own() {
        let of = |pairs: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            credentials(&headers).map(|(_, key)| key.to_owned())
        };
        assert_eq!(of(&[(AUTHORIZATION, "Bearer abc")]).unwrap(), b"abc");
        assert_eq!(of(&[(AUTHORIZATION, "bEARER  abc ")]).unwrap(), b"abc");
        assert_eq!(of(&[(API_KEY, "abc")]).unwrap(), b"abc");
        assert_eq!(of(&[(AUTHORIZATION, "Basic abc"), (API_KEY, "k")]).unwrap(), b"k");
        assert_eq!(of(&[(AUTHORIZATION, "Basic abc")]), None);
        assert_eq!(of(&[(AUTHORIZATION, "Bearer")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn only_the_token_opens_the_admin_door() {
        let token = AdminToken::new("secret");
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            token.check(&headers)
        };
        assert!(check("Bearer secret").is_ok());
        for wrong in ["Bearer secre", "Bearer secrett", "Bearer ", "secret"] {
            assert_eq!(check(wrong).unwrap_err().status(), StatusCode::UNAUTHORIZED);
        }
    }
}
