//! Fields that have two names, and ranges of time.

use super::query::parse_time;
use crate::error::ApiError;
use std::str::FromStr;

/// The value of a field that has two names, with the name that was used.
///
/// # Errors
/// If both names were used.
pub(crate) fn either<T>(
    first: (&'static str, Option<T>),
    second: (&'static str, Option<T>),
) -> Result<Option<(&'static str, T)>, ApiError> {
    match (first, second) {
        ((name, Some(_)), (other, Some(_))) => {
            Err(ApiError::invalid(other, format!("is another name of {name}: send one of them")))
        }
        ((name, Some(value)), (_, None)) | ((_, None), (name, Some(value))) => Ok(Some((name, value))),
        ((_, None), (_, None)) => Ok(None),
    }
}

/// A range of time. Its bounds are named `start_time` or `since`, and `end_time` or `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub start_ms: Option<u64>,
    pub end_ms: Option<u64>,
}

impl TimeRange {
    /// Reads the bounds; `text` returns a field's text by its name.
    pub(crate) fn read<'t>(text: impl Fn(&'static str) -> Option<&'t str>) -> Result<Self, ApiError> {
        let bound = |first, second| {
            let found = either((first, text(first)), (second, text(second)))?;
            found.map(|(name, text)| parse_time(text, name)).transpose()
        };
        let (start_ms, end_ms) = (bound("start_time", "since")?, bound("end_time", "until")?);
        if let (Some(start), Some(end)) = (start_ms, end_ms)
            && end < start
        {
            let name = if text("end_time").is_some() { "end_time" } else { "until" };
            return Err(ApiError::invalid(name, "is before the start of the range"));
        }
        Ok(Self { start_ms, end_ms })
    }
}

/// An id of any kind.
pub(crate) fn parse_id<T: FromStr>(text: &str, field: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::invalid(field, "is not an id: expected a UUID of 36 characters"))
}
