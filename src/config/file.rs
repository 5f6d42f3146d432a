//! The configuration file as a source of values, named by its path.

use anyhow::Context;
use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider, Source};
use std::path::Path;

/// The values of one TOML file.
pub(super) struct TomlFile {
    source: Source,
    values: Dict,
}

impl TomlFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML: the message names the file,
    /// and the line and column of what is wrong.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        Self::parse(&text, path).with_context(|| format!("the configuration file {}", path.display()))
    }

    /// Reads the text of a file that lies at `path`. The error does not show the
    /// line, which may hold a secret.
    pub(super) fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            let (line, column) = (
                1 + before.matches('\n').count(),
                1 + before.rsplit('\n').next().unwrap_or_default().chars().count(),
            );
            anyhow::anyhow!("not TOML at line {line}, column {column}: {}", error.message())
        })?;
        let values = match Value::serialize(table)? {
            Value::Dict(_, values) => values,
            _ => Dict::new(),
        };
        Ok(Self { source: Source::File(path.to_owned()), values })
    }
}

impl Provider for TomlFile {
    fn metadata(&self) -> Metadata {
        Metadata::from("TOML file", self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
