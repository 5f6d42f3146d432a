//! Making API keys and webhook secrets, and hashing keys for their lookup.

mod signing_key;

pub use signing_key::{SigningKey, SigningKeyError, new_signing_secret};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Random bytes of a key or a secret.
const SECRET_BYTES: usize = 32;

/// The characters of a key that are kept so that people can tell keys apart: the prefix
/// and 24 of 256 bits.
const HINT_LEN: usize = 12;

/// The use of a key, told by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyMode {
    /// `sk_live_`.
    Live,
    /// `sk_test_`.
    Test,
}

/// A new key. Its text is shown once and not kept.
pub struct NewApiKey {
    /// The key.
    pub text: String,
    /// The hash that is stored.
    pub hash: [u8; 32],
    /// Its first characters, which are stored.
    pub hint: String,
}

/// Makes an API key of 256 random bits.
#[must_use]
pub fn new_api_key(mode: KeyMode) -> NewApiKey {
    let prefix = match mode {
        KeyMode::Live => "sk_live_",
        KeyMode::Test => "sk_test_",
    };
    let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random()));
    let (hash, hint) = (hash_api_key(text.as_bytes()), text[..HINT_LEN].to_owned());
    NewApiKey { text, hash, hint }
}

/// Makes a token for the admin API.
#[must_use]
pub fn new_admin_token() -> String {
    format!("adm_{}", URL_SAFE_NO_PAD.encode(random()))
}

/// The hash by which a key is looked up: SHA-256 of its text. Keys are random, so a slow
/// hash would add nothing.
#[must_use]
pub fn hash_api_key(text: &[u8]) -> [u8; 32] {
    sha256(text)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn random() -> [u8; SECRET_BYTES] {
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_hash_to_what_is_stored() {
        let (a, b) = (new_api_key(KeyMode::Live), new_api_key(KeyMode::Test));
        assert_ne!(a.hash, b.hash);
        assert!(a.text.starts_with("sk_live_") && b.text.starts_with("sk_test_"));
        assert_eq!((a.text.len(), a.hint.len()), (8 + 43, HINT_LEN));
        assert_eq!(hash_api_key(a.text.as_bytes()), a.hash);
    }
}
