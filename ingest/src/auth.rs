//! Credentials: a customer's API key, or an operators' token.

use crate::connection::ClientConnection;
use crate::error::ApiError;
use arc_swap::ArcSwap;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use sluice_catalogue::directory::{Directory, KeyEntry};
use sluice_catalogue::secrets::{hash_api_key, sha256};
use sluice_model::Scopes;
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The header that holds credentials, and the credentials. Two headers that hold
/// different ones are refused, not guessed at.
fn credentials(headers: &HeaderMap) -> Result<Option<(&HeaderValue, &[u8])>, ApiError> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| Some((value, bearer(value.as_bytes())?)));
    let key = headers.get(API_KEY).map(|value| (value, value.as_bytes().trim_ascii()));
    match (bearer, key) {
        (Some((_, bearer)), Some((_, key))) if bearer != key => {
            Err(ApiError::invalid("X-API-Key", "differs from the key of Authorization: send one of them"))
        }
        (bearer, key) => Ok(bearer.or(key)),
    }
}

/// The token of `Bearer <token>` (RFC 6750; the scheme's case does not matter, RFC 9110).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The valid key that a request carries.
///
/// A connection remembers the last header that held a known key, so the key of a
/// client that keeps its connection is hashed once. Whether the key is still
/// valid is checked on every request.
pub(crate) fn customer_key(
    directory: &Directory,
    connection: &ClientConnection,
    headers: &HeaderMap,
) -> Result<Arc<KeyEntry>, ApiError> {
    let Some((header, key)) = credentials(headers)? else {
        return Err(unauthorized(
            "UNAUTHORIZED",
            "send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`",
        ));
    };
    let mut last = connection.last_key.lock();
    let known = match &*last {
        // A proxy's connection carries several clients, so the comparison takes constant time.
        Some((known, entry)) if known.as_ref().ct_eq(header.as_bytes()).into() => Some(Arc::clone(entry)),
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
        return Err(ApiError::suspended());
    }
    Ok(entry)
}

/// Checks that a key has the scopes that a route needs.
pub(crate) fn check_scopes(scopes: Scopes, needed: Scopes) -> Result<(), ApiError> {
    if scopes.include(needed) { Ok(()) } else { Err(ApiError::missing_scopes(needed.without(scopes))) }
}

/// The operators' tokens that open the admin API: the current one, and the previous
/// one while operators change over. Only their hashes are kept.
#[derive(Debug)]
pub struct AdminTokens(ArcSwap<Vec<[u8; 32]>>);

impl AdminTokens {
    /// Makes the set of accepted tokens.
    #[must_use]
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        Self(ArcSwap::from_pointee(hashes(tokens)))
    }

    /// Replaces the accepted tokens.
    pub fn replace<'a>(&self, tokens: impl IntoIterator<Item = &'a str>) {
        self.0.store(Arc::new(hashes(tokens)));
    }

    /// Checks that a request carries a token. Hashes are compared in constant
    /// time, all of them, so the time taken tells nothing about a token or its length.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some((_, token)) = credentials(headers)? else {
            return Err(unauthorized(
                "UNAUTHORIZED",
                "send the admin token as `Authorization: Bearer <token>`",
            ));
        };
        let given = sha256(token);
        let known = self.0.load();
        let opens = known.iter().fold(Choice::from(0), |opens, known| opens | known.ct_eq(&given));
        if opens.into() {
            Ok(())
        } else {
            Err(unauthorized("INVALID_ADMIN_TOKEN", "the admin token is wrong"))
        }
    }
}

fn hashes<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Vec<[u8; 32]> {
    tokens.into_iter().map(|token| sha256(token.as_bytes())).collect()
}

fn unauthorized(code: &'static str, message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_as_bearer_or_as_a_header_of_their_own() {
        let found = |pairs: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            credentials(&headers).unwrap().map(|(_, key)| key.to_owned())
        };
        assert_eq!(found(&[(AUTHORIZATION, "Bearer abc")]).unwrap(), b"abc");
        assert_eq!(found(&[(AUTHORIZATION, "bEARER  abc ")]).unwrap(), b"abc");
        assert_eq!(found(&[(API_KEY, "abc")]).unwrap(), b"abc");
        assert_eq!(found(&[(AUTHORIZATION, "Basic abc"), (API_KEY, "k")]).unwrap(), b"k");
        assert_eq!(found(&[(AUTHORIZATION, "Basic abc")]), None);
        assert_eq!(found(&[(AUTHORIZATION, "Bearer")]), None);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[(AUTHORIZATION, "Bearer a"), (API_KEY, "a")]).unwrap(), b"a");
    }

    #[test]
    fn two_keys_that_differ_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.insert(API_KEY, HeaderValue::from_static("b"));
        assert_eq!(credentials(&headers).unwrap_err().status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn only_the_token_opens_the_admin_door() {
        let tokens = AdminTokens::new(["secret"]);
        assert!(opens(&tokens, "Bearer secret"));
        for wrong in ["Bearer secre", "Bearer secrett", "Bearer ", "secret"] {
            assert!(!opens(&tokens, wrong), "{wrong}");
        }
    }

    fn opens(tokens: &AdminTokens, value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        match tokens.check(&headers) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.status(), StatusCode::UNAUTHORIZED);
                false
            }
        }
    }

    #[test]
    fn while_tokens_change_over_the_one_before_opens_too() {
        let tokens = AdminTokens::new(["new", "old"]);
        assert!(opens(&tokens, "Bearer new") && opens(&tokens, "Bearer old"));
        tokens.replace(["new"]);
        assert!(opens(&tokens, "Bearer new") && !opens(&tokens, "Bearer old"));
        tokens.replace([]);
        assert!(!opens(&tokens, "Bearer new") && !opens(&tokens, "Bearer "), "no token opens nothing");
    }
}
