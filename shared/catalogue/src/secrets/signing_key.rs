//! The keys that sign webhooks, in the forms of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! ```text
//! v1   whsec_  base64 of 24 to 64 random bytes, which both sides have
//! v1a  whsk_   base64 of the 32 bytes of an ed25519 seed and the 32 of its public key
//!      whpk_   base64 of the public key, which the receiver has
//! ```

use super::random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sluice_model::SignatureScheme;
use sluice_model::subscription::PRIVATE_KEY_PREFIX;
use std::ops::RangeInclusive;

const SECRET_PREFIX: &str = "whsec_";
const PUBLIC_KEY_PREFIX: &str = "whpk_";
const SEED_BYTES: usize = 32;

/// The lengths of a shared secret that a customer may bring.
const SECRET_LENGTHS: RangeInclusive<usize> = 24..=64;

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It is not a shared secret.
    #[error("a signing secret is not `whsec_` followed by base64")]
    NoSecret,
    /// It is not a private key.
    #[error("an ed25519 key is not `whsk_` followed by base64 of 64 bytes: a seed and its public key")]
    NoPrivateKey,
    /// A shared secret that is too short or too long.
    #[error("the secret has {0} bytes; 24 to 64 are needed")]
    Length(usize),
}

/// A key, ready to sign.
#[derive(Debug)]
pub enum SigningKey {
    /// HMAC-SHA256.
    V1(Box<hmac::Key>),
    /// ed25519.
    V1a(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// Reads a key of either form.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn parse(text: &str) -> Result<Self, SigningKeyError> {
        match text.strip_prefix(PRIVATE_KEY_PREFIX) {
            Some(encoded) => private_key(encoded).ok_or(SigningKeyError::NoPrivateKey),
            None => Ok(Self::V1(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &shared_secret(text)?)))),
        }
    }

    /// Checks a text that a customer brings as the key of a scheme.
    ///
    /// # Errors
    /// If it is not a key of that scheme.
    pub fn check(text: &str, scheme: SignatureScheme) -> Result<(), SigningKeyError> {
        match scheme {
            SignatureScheme::V1 => match shared_secret(text)?.len() {
                length if SECRET_LENGTHS.contains(&length) => Ok(()),
                length => Err(SigningKeyError::Length(length)),
            },
            SignatureScheme::V1a => {
                let encoded = text.strip_prefix(PRIVATE_KEY_PREFIX);
                encoded.and_then(private_key).map(drop).ok_or(SigningKeyError::NoPrivateKey)
            }
        }
    }

    /// The public key's text, if the scheme has one.
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        match self {
            Self::V1(_) => None,
            Self::V1a(pair) => Some(format!("{PUBLIC_KEY_PREFIX}{}", STANDARD.encode(pair.public_key()))),
        }
    }
}

/// Makes a key from the operating system's randomness.
#[must_use]
pub fn new_signing_secret(scheme: SignatureScheme) -> String {
    match scheme {
        SignatureScheme::V1 => format!("{SECRET_PREFIX}{}", STANDARD.encode(random())),
        SignatureScheme::V1a => {
            let seed = random();
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed has 32 bytes");
            let key = [&seed[..], pair.public_key().as_ref()].concat();
            format!("{PRIVATE_KEY_PREFIX}{}", STANDARD.encode(key))
        }
    }
}

fn shared_secret(text: &str) -> Result<Vec<u8>, SigningKeyError> {
    let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SigningKeyError::NoSecret)?;
    let bytes = STANDARD.decode(encoded).map_err(|_other| SigningKeyError::NoSecret)?;
    if bytes.is_empty() { Err(SigningKeyError::NoSecret) } else { Ok(bytes) }
}

fn private_key(encoded: &str) -> Option<SigningKey> {
    let bytes = STANDARD.decode(encoded).ok()?;
    let (seed, public) = bytes.split_at_checked(SEED_BYTES)?;
    let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
    Some(SigningKey::V1a(Box::new(pair)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn private(seed: &str, public: &str) -> String {
        format!("whsk_{}", STANDARD.encode([bytes(seed), bytes(public)].concat()))
    }

    #[test]
    fn a_new_secret_is_one_of_its_scheme() {
        for (scheme, other) in
            [(SignatureScheme::V1, SignatureScheme::V1a), (SignatureScheme::V1a, SignatureScheme::V1)]
        {
            let text = new_signing_secret(scheme);
            assert_ne!(text, new_signing_secret(scheme));
            SigningKey::check(&text, scheme).unwrap();
            SigningKey::check(&text, other).unwrap_err();
            assert_eq!(
                SigningKey::parse(&text).unwrap().public_key().is_some(),
                scheme == SignatureScheme::V1a
            );
        }
    }

    #[test]
    fn a_private_key_tells_its_public_key() {
        let key = SigningKey::parse(&private(SEED, PUBLIC)).unwrap();
        assert_eq!(key.public_key().unwrap(), format!("whpk_{}", STANDARD.encode(bytes(PUBLIC))));
        let wrong_half = private(SEED, SEED);
        let short = format!("whsk_{}", STANDARD.encode(bytes(SEED)));
        for bad in [wrong_half.as_str(), short.as_str(), "whsk_", "whsk_!"] {
            assert_eq!(SigningKey::parse(bad).unwrap_err(), SigningKeyError::NoPrivateKey, "{bad}");
        }
    }

    #[test]
    fn a_customers_secret_has_24_to_64_bytes() {
        let secret = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for (length, good) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(SigningKey::check(&secret(length), SignatureScheme::V1).is_ok(), good, "{length}");
        }
        for bad in ["", "whsec_", "whsec_!", "c2VjcmV0"] {
            assert_eq!(SigningKey::check(bad, SignatureScheme::V1), Err(SigningKeyError::NoSecret), "{bad}");
        }
    }
}
