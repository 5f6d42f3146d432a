//! Where a value of the configuration came from.

use super::flags::FLAG;
use figment::{Figment, Source};
use serde::Serialize;
use std::fmt;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", content = "name", rename_all = "snake_case")]
pub(super) enum ValueOrigin {
    /// The default.
    Default,
    /// The configuration file.
    File(String),
    /// A variable of the environment.
    Environment(String),
    /// A flag, or the command itself.
    Flag(String),
    /// A file that holds only this secret.
    SecretFile(String),
}

impl ValueOrigin {
    /// The origin of a field, named by its path.
    pub(super) fn of(figment: &Figment, field: &str) -> Self {
        let Some(metadata) = figment.find_metadata(field) else { return Self::Default };
        match &metadata.source {
            Some(Source::File(file)) => Self::File(file.display().to_string()),
            Some(_) => Self::Default,
            None => match metadata.name.strip_prefix(FLAG) {
                Some(flag) => Self::Flag(flag.to_owned()),
                None => Self::Environment(format!("SLUICE_{}", field.to_uppercase().replace('.', "__"))),
            },
        }
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(name) | Self::Environment(name) | Self::Flag(name) | Self::SecretFile(name) => {
                f.write_str(name)
            }
        }
    }
}
