//! Verifies webhooks (Standard Webhooks 1.0: `v1` is HMAC-SHA256, `v1a` is ed25519).

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use ring::{hmac, signature};
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// The most signatures of a header that are checked.
const SIGNATURES_MAX: usize = 16;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a webhook must not be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// A secret is neither `whsec_` nor `whpk_` and base64, or there is none.
    #[error("a secret is neither whsec_ and base64 nor whpk_ and base64 of 32 bytes, or there is none")]
    Secret,
    /// A header is absent or malformed.
    #[error("the header {0} is absent or malformed")]
    Header(&'static str),
    /// The timestamp is too old or too new.
    #[error("webhook-timestamp is too far from now")]
    Timestamp,
    /// No signature is by one of the secrets.
    #[error("no signature of the webhook is by one of the secrets")]
    Signature,
    /// The signature is right, but the body is not the JSON that was asked for.
    #[error("the webhook is genuine, but its body cannot be read: {0}")]
    Body(String),
}

enum WebhookKey {
    Shared(Box<hmac::Key>),
    Public(signature::UnparsedPublicKey<Vec<u8>>),
}

/// Verifies webhooks with the secrets of a subscription.
pub struct Verifier {
    keys: Vec<WebhookKey>,
    tolerance: Duration,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier with {} secrets", self.keys.len())
    }
}

impl Verifier {
    /// A timestamp further from now is refused, unless another tolerance is given.
    pub const TOLERANCE: Duration = Duration::from_secs(300);

    /// A verifier with `whsec_…` (shared) or `whpk_…` (the public key of a subscription with
    /// `"signature": "v1a"`); give the old and the new one while they rotate.
    ///
    /// # Errors
    /// If a secret is malformed, or there is none.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, WebhookError> {
        let keys =
            secrets.into_iter().map(|secret| key_of(secret.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            Err(WebhookError::Secret)
        } else {
            Ok(Self { keys, tolerance: Self::TOLERANCE })
        }
    }

    /// Uses another tolerance.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The value of a webhook's body, as it came, if one of the secrets signed it.
    ///
    /// # Errors
    /// If the webhook must not be trusted, or its body is not a `T`.
    pub fn verify<T: DeserializeOwned>(&self, body: &[u8], headers: &HeaderMap) -> Result<T, WebhookError> {
        self.verify_at(body, headers, SystemTime::now())
    }

    /// [`Self::verify`] at another time than now.
    ///
    /// # Errors
    /// As `verify`.
    pub fn verify_at<T: DeserializeOwned>(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<T, WebhookError> {
        let [id, timestamp, signatures] =
            ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| header(headers, name));
        let (id, timestamp, signatures) = (id?, timestamp?, signatures?);
        let all_digits =
            (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: u64 =
            timestamp.parse().ok().filter(|_| all_digits).ok_or(WebhookError::Header("webhook-timestamp"))?;
        let signed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let distance = now.duration_since(signed_at).unwrap_or_else(|ahead| ahead.duration());
        if distance > self.tolerance {
            return Err(WebhookError::Timestamp);
        }
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        if !signatures.split(' ').take(SIGNATURES_MAX).any(|entry| self.is_signed(entry, &signed)) {
            return Err(WebhookError::Signature);
        }
        serde_json::from_slice(body).map_err(|error| WebhookError::Body(error.to_string()))
    }

    fn is_signed(&self, entry: &str, signed: &[u8]) -> bool {
        let Some((version, text)) = entry.split_once(',') else { return false };
        let Ok(signature) = BASE64.decode(text) else { return false };
        self.keys.iter().any(|key| match (version, key) {
            ("v1", WebhookKey::Shared(key)) => hmac::verify(key, signed, &signature).is_ok(),
            ("v1a", WebhookKey::Public(key)) => key.verify(signed, &signature).is_ok(),
            _ => false,
        })
    }
}

fn key_of(secret: &str) -> Result<WebhookKey, WebhookError> {
    let decode =
        |text: &str| BASE64.decode(text).ok().filter(|bytes| !bytes.is_empty()).ok_or(WebhookError::Secret);
    if let Some(text) = secret.strip_prefix("whsec_") {
        return Ok(WebhookKey::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &decode(text)?))));
    }
    let bytes = decode(secret.strip_prefix("whpk_").ok_or(WebhookError::Secret)?)?;
    if bytes.len() != 32 {
        return Err(WebhookError::Secret);
    }
    Ok(WebhookKey::Public(signature::UnparsedPublicKey::new(&signature::ED25519, bytes)))
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, WebhookError> {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    value.ok_or(WebhookError::Header(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use serde_json::Value;

    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/signatures.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn verdict(case: &Value) -> Result<Value, WebhookError> {
        let headers: HeaderMap = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::try_from(name.as_str()).unwrap();
                (name, HeaderValue::try_from(value.as_str().unwrap()).unwrap())
            })
            .collect();
        let secrets: Vec<String> = serde_json::from_value(case["secrets"].clone()).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(case["now_s"].as_u64().unwrap());
        Verifier::new(secrets)?.verify_at(
            &BASE64.decode(case["body"].as_str().unwrap()).unwrap(),
            &headers,
            now,
        )
    }

    #[test]
    fn each_webhook_is_judged_as_the_vector_says() {
        for case in vectors()["cases"].as_array().unwrap() {
            let reason = match verdict(case) {
                Ok(value) => {
                    assert_eq!(value, case["value"], "{}", case["name"]);
                    None
                }
                Err(WebhookError::Secret) => Some("secret"),
                Err(WebhookError::Header(_)) => Some("header"),
                Err(WebhookError::Timestamp) => Some("timestamp"),
                Err(WebhookError::Signature) => Some("signature"),
                Err(WebhookError::Body(_)) => Some("body"),
            };
            assert_eq!(reason, case["error"].as_str(), "{}", case["name"]);
        }
    }

    #[test]
    fn ed25519_is_rfc_8032() {
        for case in vectors()["ed25519"].as_array().unwrap() {
            let [key, message, signature] = ["public_key", "message", "signature"].map(|name| {
                let hex = case[name].as_str().unwrap();
                (0..hex.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                    .collect::<Vec<u8>>()
            });
            let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
            assert!(key.verify(&message, &signature).is_ok());
            assert!(key.verify(&[&message[..], b"x"].concat(), &signature).is_err());
        }
    }
}
