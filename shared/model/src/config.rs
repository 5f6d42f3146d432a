//! Checking a configuration.

/// A value that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field, `http.backlog` say.
    pub field: &'static str,
    /// Its value and what it may be.
    pub problem: String,
}

/// A field, its value, and the least and the most that it may be.
pub type Range = (&'static str, i128, i128, i128);

/// Checks that values are within their ranges.
///
/// # Errors
/// The first that is not.
pub fn within(ranges: impl IntoIterator<Item = Range>) -> Result<(), ConfigError> {
    match ranges.into_iter().find(|(_, value, min, max)| !(min..=max).contains(&value)) {
        Some((field, value, min, max)) => {
            Err(ConfigError { field, problem: format!("{value} is not between {min} and {max}") })
        }
        None => Ok(()),
    }
}
