//! Standard Webhooks signatures (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! The signed text is `{webhook-id}.{webhook-timestamp}.{body}`. The header's value has the scheme
//! (`v1`: HMAC-SHA256, `v1a`: ed25519), a comma and the base64 of the signature for each secret,
//! separated by spaces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::hmac;
use sluice_catalogue::secrets::{SigningKey, SigningKeyError};
use sluice_model::subscription::SigningSecret;

/// Why no secret of the subscription can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A secret is malformed.
    #[error(transparent)]
    Malformed(#[from] SigningKeyError),
    /// There is no secret, or all have expired.
    #[error("no signing secret is valid")]
    NoSecret,
}

/// The secrets of a subscription, ready to sign.
#[derive(Debug)]
pub struct Signer {
    keys: Vec<(SigningKey, Option<u64>)>,
}

impl Signer {
    /// Prepares secrets, the newest first.
    ///
    /// # Errors
    /// If one of them is malformed, or there is none.
    pub fn new(secrets: &[SigningSecret]) -> Result<Self, SignError> {
        let keys = secrets
            .iter()
            .map(|secret| Ok((SigningKey::parse(&secret.text)?, secret.expires_at_ms)))
            .collect::<Result<Vec<_>, SignError>>()?;
        if keys.is_empty() { Err(SignError::NoSecret) } else { Ok(Self { keys }) }
    }

    /// The value of `webhook-signature` for a body in chunks, by every secret that is valid at `now_ms`.
    ///
    /// # Errors
    /// If no secret is valid any more.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[Bytes], now_ms: u64) -> Result<String, SignError> {
        let prefix = format!("{id}.{timestamp_s}.");
        let mut value = String::new();
        for (key, expires_at_ms) in &self.keys {
            if expires_at_ms.is_some_and(|expiry_ms| expiry_ms <= now_ms) {
                continue;
            }
            if !value.is_empty() {
                value.push(' ');
            }
            match key {
                SigningKey::V1(key) => {
                    let mut context = hmac::Context::with_key(key);
                    context.update(prefix.as_bytes());
                    for chunk in body {
                        context.update(chunk);
                    }
                    value.push_str("v1,");
                    STANDARD.encode_string(context.sign(), &mut value);
                }
                SigningKey::V1a(pair) => {
                    // ed25519 reads its message twice, so it needs the message in one piece.
                    let mut message = prefix.clone().into_bytes();
                    body.iter().for_each(|chunk| message.extend_from_slice(chunk));
                    value.push_str("v1a,");
                    STANDARD.encode_string(pair.sign(&message), &mut value);
                }
            }
        }
        if value.is_empty() { Err(SignError::NoSecret) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::signature::{ED25519, UnparsedPublicKey};
    use sluice_catalogue::secrets::new_signing_secret;
    use sluice_model::SignatureScheme;

    /// The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &str = r#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret(text: &str, expires_at_ms: Option<u64>) -> SigningSecret {
        SigningSecret { text: text.into(), expires_at_ms }
    }

    #[test]
    fn the_signature_is_the_reference_libraries_one() {
        let signer = Signer::new(&[secret(SECRET, None)]).unwrap();
        assert_eq!(signer.sign(ID, 1_614_265_330, &[Bytes::from(BODY)], 0).unwrap(), SIGNATURE);
    }

    #[test]
    fn while_a_secret_rotates_both_sign() {
        let new = secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", None);
        let signer = Signer::new(&[new, secret(SECRET, Some(5000))]).unwrap();
        let both = signer.sign(ID, 1_614_265_330, &[Bytes::from(BODY)], 4999).unwrap();
        let (newer, older) = both.split_once(' ').unwrap();
        assert!(newer.starts_with("v1,") && newer != SIGNATURE);
        assert_eq!(older, SIGNATURE);
        assert_eq!(signer.sign(ID, 1_614_265_330, &[Bytes::from(BODY)], 5000).unwrap(), newer);
    }

    #[test]
    fn an_ed25519_signature_verifies_with_the_public_key_beside_an_hmac() {
        let private = new_signing_secret(SignatureScheme::V1a);
        let public = SigningKey::parse(&private).unwrap().public_key().unwrap();
        let public = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let signer = Signer::new(&[secret(&private, None), secret(SECRET, Some(5000))]).unwrap();
        let chunks = [Bytes::from(&BODY.as_bytes()[..7]), Bytes::from(&BODY.as_bytes()[7..])];
        let both = signer.sign(ID, 1_614_265_330, &chunks, 4999).unwrap();
        let (v1a, v1) = both.split_once(' ').unwrap();
        assert_eq!(v1, SIGNATURE);
        let signature = STANDARD.decode(v1a.strip_prefix("v1a,").unwrap()).unwrap();
        let message = format!("{ID}.1614265330.{BODY}");
        let key = UnparsedPublicKey::new(&ED25519, public);
        key.verify(message.as_bytes(), &signature).unwrap();
        key.verify(format!("{message} ").as_bytes(), &signature).unwrap_err();
    }

    #[test]
    fn a_subscription_without_a_valid_secret_cannot_sign() {
        assert_eq!(Signer::new(&[]).unwrap_err(), SignError::NoSecret);
        for text in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_!!", "whsk_AAAA"] {
            let error = Signer::new(&[secret(text, None)]).unwrap_err();
            assert!(matches!(error, SignError::Malformed(_)), "{text}");
        }
        let expired = Signer::new(&[secret(SECRET, Some(1))]).unwrap();
        assert_eq!(expired.sign(ID, 0, &[], 1).unwrap_err(), SignError::NoSecret);
    }

    proptest! {
        #[test]
        fn chunks_sign_as_the_whole(body in prop::collection::vec(any::<u8>(), 0..400), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
            let signer = Signer::new(&[secret(SECRET, None)]).unwrap();
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).chain([0, body.len()]).collect();
            ends.sort_unstable();
            let chunks: Vec<_> = ends.windows(2).map(|ends| Bytes::copy_from_slice(&body[ends[0]..ends[1]])).collect();
            let whole = signer.sign("id", 7, &[Bytes::from(body)], 0).unwrap();
            prop_assert_eq!(signer.sign("id", 7, &chunks, 0).unwrap(), whole);
        }
    }
}
