//! Webhook secrets, and the values of webhooks' headers, at rest: sealed with AES-256-GCM if
//! a key is configured.
//!
//! A sealed secret is a text in the place of the plain one:
//!
//! ```text
//! sealed:v1:<id of the key>:<base64 of 12 bytes nonce, ciphertext, 16 bytes tag>
//! ```
//!
//! It is bound to its customer and subscription, so it does not open in another row. A
//! header's value is also bound to the header's name. The nonce is random, which is sound
//! for up to 2³² secrets of a key (NIST SP 800-38D, 8.3), more than it would ever seal.

mod catalogue;
#[cfg(test)]
mod tests;

pub use catalogue::{OpenError, SealedCatalogue};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use sluice_model::Subscription;
use sluice_model::config::ConfigError;
use std::path::PathBuf;

const PREFIX: &str = "sealed:v1:";
const KEY_BYTES: usize = 32;
const KEY_ID_MAX: usize = 32;

/// The keys that webhook secrets are sealed with. Without keys, secrets are stored
/// in plain text.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SealingConfig {
    /// Keys as `id:base64 of 32 bytes`, each with an id of its own. The first key
    /// seals, all keys open. To replace a key, put the new one before it and
    /// start: secrets that the old key sealed are sealed anew, and then the old
    /// key can be removed.
    pub keys: Vec<String>,
    /// A file with more keys, one a line; they come after those of `keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<PathBuf>,
}

impl std::fmt::Debug for SealingConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keys, keys_file } = self;
        f.debug_struct("SealingConfig").field("keys", &keys.len()).field("keys_file", keys_file).finish()
    }
}

impl SealingConfig {
    /// Checks the keys of `keys`; the file is read by [`Sealer::load`].
    ///
    /// # Errors
    /// The first key that is not well formed; the message does not show it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let keys = Sealer::from_lines(self.keys.iter().map(String::as_str));
        keys.map(drop).map_err(|error| ConfigError { field: "keys", problem: error.to_string() })
    }
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A key is not well formed; it is not shown.
    #[error("key {number} is not `id:base64 of 32 bytes`, with an id of 1 to 32 letters, digits, - and _")]
    BadKey {
        /// The key's number, from 1.
        number: usize,
    },
    /// Two keys have the same id.
    #[error("two keys have the id `{0}`")]
    SameId(String),
    /// The file cannot be read.
    #[error("secrets.keys_file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The secret is sealed with a key that is not configured.
    #[error(
        "the secret is sealed with the key `{0}`, which is neither in secrets.keys nor in secrets.keys_file"
    )]
    NoKey(String),
    /// The secret does not open: it is damaged, was moved from another row, or was sealed with
    /// another key of the same id.
    #[error("it does not open with the key `{0}`: another key of that id, or a damaged secret")]
    NotOpened(String),
    /// The text begins like a sealed secret and is none.
    #[error("the sealed text is malformed")]
    Malformed,
    /// The library failed to seal.
    #[error("sealing failed")]
    Failed,
}

struct SealingKey {
    id: String,
    key: LessSafeKey,
}

impl SealingKey {
    /// Seals a text, bound to `aad`.
    fn seal(&self, plain: &str, aad: Vec<u8>) -> Result<String, SealError> {
        let failed = |_unspecified| SealError::Failed;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(failed)?;
        let mut bytes = plain.as_bytes().to_vec();
        let once = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(once, Aad::from(aad), &mut bytes).map_err(failed)?;
        Ok(format!("{PREFIX}{}:{}", self.id, STANDARD.encode([&nonce[..], &bytes].concat())))
    }
}

/// Seals with the first key, opens with any.
#[derive(Default)]
pub struct Sealer {
    keys: Vec<SealingKey>,
}

impl Sealer {
    /// A sealer with the configured keys.
    ///
    /// # Errors
    /// If the file cannot be read or a key is not well formed.
    pub fn load(config: &SealingConfig) -> Result<Self, SealError> {
        let text = match &config.keys_file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| SealError::File { path: path.clone(), source })?,
        };
        let file_keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self::from_lines(config.keys.iter().map(String::as_str).chain(file_keys))
    }

    fn from_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, SealError> {
        let mut keys: Vec<SealingKey> = Vec::new();
        for (index, line) in lines.into_iter().enumerate() {
            let key = parse(line).ok_or(SealError::BadKey { number: index + 1 })?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(SealError::SameId(key.id));
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// True if there is a key to seal with.
    #[must_use]
    pub const fn seals(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The subscription with its secrets sealed.
    fn sealed(&self, plain: &Subscription) -> Result<Subscription, SealError> {
        let mut sealed = plain.clone();
        let Some(first) = self.keys.first() else { return Ok(sealed) };
        for secret in &mut sealed.secrets {
            secret.text = first.seal(&secret.text, secret_aad(plain))?;
        }
        for header in &mut sealed.headers {
            header.value = first.seal(&header.value, header_aad(plain, &header.name))?;
        }
        Ok(sealed)
    }

    /// The subscription with its secrets opened.
    fn opened(&self, mut stored: Subscription) -> Result<Subscription, SealError> {
        let aad = secret_aad(&stored);
        for secret in &mut stored.secrets {
            if let Some(sealed) = secret.text.strip_prefix(PREFIX) {
                secret.text = self.open(sealed, &aad)?;
            }
        }
        for mut header in std::mem::take(&mut stored.headers) {
            if let Some(sealed) = header.value.strip_prefix(PREFIX) {
                header.value = self.open(sealed, &header_aad(&stored, &header.name))?;
            }
            stored.headers.push(header);
        }
        Ok(stored)
    }

    fn open(&self, sealed: &str, aad: &[u8]) -> Result<String, SealError> {
        let (id, text) = sealed.split_once(':').ok_or(SealError::Malformed)?;
        let key = self.keys.iter().find(|key| key.id == id);
        let key = &key.ok_or_else(|| SealError::NoKey(id.to_owned()))?.key;
        let mut bytes = STANDARD.decode(text).map_err(|_other| SealError::Malformed)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(SealError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_length| SealError::Malformed)?;
        let opened = key.open_in_place(nonce, Aad::from(aad), sealed);
        let opened = opened.map_err(|_unspecified| SealError::NotOpened(id.to_owned()))?;
        String::from_utf8(opened.to_vec()).map_err(|_other| SealError::Malformed)
    }

    /// True if the stored subscription has a secret that the first key did not seal.
    fn is_stale(&self, stored: &Subscription) -> bool {
        let Some(first) = self.keys.first() else { return false };
        let prefix = format!("{PREFIX}{}:", first.id);
        let secrets = stored.secrets.iter().map(|secret| &secret.text);
        secrets
            .chain(stored.headers.iter().map(|header| &header.value))
            .any(|text| !text.starts_with(&prefix))
    }
}

/// For the fuzz targets: opens a text with a fixed key.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn open_anything(text: &str) {
    let sealer = Sealer::from_lines(["one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]);
    let opened = sealer.and_then(|sealer| sealer.open(text, b""));
    assert!(opened.is_err(), "a text was opened that nobody sealed");
}

fn parse(line: &str) -> Option<SealingKey> {
    let (id, text) = line.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > KEY_ID_MAX || !id.bytes().all(plain) {
        return None;
    }
    let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?);
    Some(SealingKey { id: id.to_owned(), key })
}

/// The customer and subscription that a sealed secret is bound to.
fn secret_aad(subscription: &Subscription) -> Vec<u8> {
    aad(b"sluice webhook secret v1", subscription)
}

/// The customer, subscription and header that a sealed value is bound to.
fn header_aad(subscription: &Subscription, name: &str) -> Vec<u8> {
    [&aad(b"sluice webhook header v1", subscription), name.as_bytes()].concat()
}

fn aad(kind: &[u8], subscription: &Subscription) -> Vec<u8> {
    let (customer, id) = (subscription.customer.to_bytes(), subscription.id.to_bytes());
    [kind, &customer, &id].concat()
}
