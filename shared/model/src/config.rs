//! Checks of a configuration's values, and secrets that are kept in files.

mod secret_file;
mod secret_value;

pub use secret_file::{SecretFileError, read_secret};
pub use secret_value::SecretValue;

/// A configured value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field's path, such as `http.backlog`.
    pub field: &'static str,
    /// The value, and the values that are allowed.
    pub problem: String,
}

/// A field's path, its value, and the least and the greatest value allowed.
pub type FieldRange = (&'static str, i128, i128, i128);

/// Checks that values are within their ranges.
///
/// # Errors
/// The first value that is not.
pub fn within(ranges: impl IntoIterator<Item = FieldRange>) -> Result<(), ConfigError> {
    match ranges.into_iter().find(|(_, value, min, max)| !(min..=max).contains(&value)) {
        Some((field, value, min, max)) => {
            Err(ConfigError { field, problem: format!("{value} is not between {min} and {max}") })
        }
        None => Ok(()),
    }
}
