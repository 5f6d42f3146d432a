//! Checks webhook signatures as Standard Webhooks defines them: HMAC-SHA256 of
//! `id.timestamp.body`, as `v1,<base64>`, several separated by spaces.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// How far a timestamp may be from now, as the specification recommends.
const TOLERANCE_S: u64 = 300;

/// A secret that is not `whsec_` and base64.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("a webhook secret is whsec_ and base64")]
pub struct SecretError;

/// Why a delivery cannot be trusted.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum SignatureError {
    /// A header of the signature is missing.
    #[error("webhook-id, webhook-timestamp or webhook-signature is missing")]
    Missing,
    /// The time is too far from now, or is not a time.
    #[error("webhook-timestamp is not a time within {TOLERANCE_S} s of now")]
    Timestamp,
    /// None of the secrets has signed it.
    #[error("no signature matches")]
    Mismatch,
}

/// The signed headers.
#[derive(Clone, Copy, Debug)]
pub struct SignedHeaders<'a> {
    /// `webhook-id`.
    pub id: Option<&'a [u8]>,
    /// `webhook-timestamp`.
    pub timestamp: Option<&'a [u8]>,
    /// `webhook-signature`.
    pub signature: Option<&'a [u8]>,
}

/// Checks that one of several secrets has signed a delivery.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<hmac::Key>,
}

impl Verifier {
    /// A verifier with these secrets (`whsec_…`).
    ///
    /// # Errors
    /// If one is malformed.
    pub fn new(secrets: &[String]) -> Result<Self, SecretError> {
        let keys = secrets.iter().map(|secret| key(secret)).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// Whether it has no secret, and so accepts any delivery.
    pub(super) fn is_blind(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks a delivery at a Unix time in seconds; any is good if no secret is known.
    ///
    /// # Errors
    /// Why it cannot be trusted.
    pub fn verify(
        &self,
        headers: &SignedHeaders<'_>,
        body: &[u8],
        unix_s: u64,
    ) -> Result<(), SignatureError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let SignedHeaders { id: Some(id), timestamp: Some(timestamp), signature: Some(signature) } = *headers
        else {
            return Err(SignatureError::Missing);
        };
        let sent_s: Option<u64> = std::str::from_utf8(timestamp).ok().and_then(|text| text.parse().ok());
        if sent_s.is_none_or(|sent_s| sent_s.abs_diff(unix_s) > TOLERANCE_S) {
            return Err(SignatureError::Timestamp);
        }
        let given: Vec<Vec<u8>> = signature
            .split(|&byte| byte == b' ')
            .filter_map(|one| one.strip_prefix(b"v1,"))
            .filter_map(|one| STANDARD.decode(one).ok())
            .collect();
        let matches = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            [id, b".", timestamp, b".", body].iter().for_each(|part| context.update(part));
            let tag = context.sign();
            given.iter().any(|one| bool::from(one.ct_eq(tag.as_ref())))
        };
        if self.keys.iter().any(matches) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

fn key(secret: &str) -> Result<hmac::Key, SecretError> {
    let encoded = secret.strip_prefix("whsec_").ok_or(SecretError)?;
    let bytes = STANDARD.decode(encoded).map_err(|_why| SecretError)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const SIGNED_AT: u64 = 1_614_265_330;
    /// The example of the Svix and Standard Webhooks documentation.
    const SIGNATURE: &[u8] = b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn headers(signature: &[u8]) -> SignedHeaders<'_> {
        SignedHeaders {
            id: Some(b"msg_p5jXN8AQM9LWM0D4loKWxJek"),
            timestamp: Some(b"1614265330"),
            signature: Some(signature),
        }
    }

    fn verify(secrets: &[&str], headers: &SignedHeaders<'_>, body: &[u8]) -> Result<(), SignatureError> {
        let secrets: Vec<_> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        Verifier::new(&secrets).expect("secrets").verify(headers, body, SIGNED_AT + 10)
    }

    #[test]
    fn the_documented_example_is_valid() {
        assert_eq!(verify(&[SECRET], &headers(SIGNATURE), BODY), Ok(()));
    }

    #[test]
    fn one_of_several_signatures_and_secrets_suffices() {
        let several = [b"v1,AAAA v2,x ".as_slice(), SIGNATURE].concat();
        assert_eq!(verify(&[OTHER, SECRET], &headers(&several), BODY), Ok(()));
        assert_eq!(verify(&[OTHER], &headers(&several), BODY), Err(SignatureError::Mismatch));
    }

    #[test]
    fn another_body_or_no_signature_is_refused() {
        assert_eq!(verify(&[SECRET], &headers(SIGNATURE), b"{}"), Err(SignatureError::Mismatch));
        let unsigned = SignedHeaders { signature: None, ..headers(SIGNATURE) };
        assert_eq!(verify(&[SECRET], &unsigned, BODY), Err(SignatureError::Missing));
        assert_eq!(verify(&[], &unsigned, BODY), Ok(()), "nothing is asked for without a secret");
    }

    #[test]
    fn an_old_delivery_is_refused() {
        let verifier = Verifier::new(&[SECRET.to_owned()]).expect("a secret");
        let verified = verifier.verify(&headers(SIGNATURE), BODY, SIGNED_AT + TOLERANCE_S + 1);
        assert_eq!(verified, Err(SignatureError::Timestamp));
    }

    #[test]
    fn secrets_of_another_form_are_refused() {
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"] {
            assert!(Verifier::new(&[secret.to_owned()]).is_err());
        }
    }
}
