//! A secret of a service, from the configuration or from a file that may change.

use sluice_model::config::{SecretFileError, read_secret};
use std::path::{Path, PathBuf};

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum SecretSource {
    /// In the configuration.
    Given(String),
    /// In this file, which is read each time.
    File(PathBuf),
}

impl SecretSource {
    /// The secret of a field, or of the file beside it. An empty field counts as missing.
    pub(super) fn of(given: &str, file: Option<&Path>) -> Option<Self> {
        match (file, given) {
            (Some(path), _) => Some(Self::File(path.to_owned())),
            (None, "") => None,
            (None, given) => Some(Self::Given(given.to_owned())),
        }
    }

    /// The secret as it is now.
    pub(super) fn read(&self) -> Result<String, SecretFileError> {
        match self {
            Self::Given(text) => Ok(text.clone()),
            Self::File(path) => read_secret(path),
        }
    }

    /// Whether it may change.
    pub(super) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(********)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
