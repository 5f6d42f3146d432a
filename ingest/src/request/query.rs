//! The parameters of a query, and the values that queries, paths and bodies share.

use crate::error::ApiError;
use sluice_model::clock;
use std::borrow::Cow;
use std::str::FromStr;

/// The most entries of a page.
const LIMIT_MAX: usize = 1000;

/// The parameters of a query.
pub(crate) struct QueryParams<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> QueryParams<'a> {
    pub(super) fn parse(text: &'a str, known: &[&str]) -> Result<Self, ApiError> {
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let text = format!("no such parameter; there are {}", known.join(", "));
                return Err(ApiError::invalid(&name, text));
            }
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(ApiError::invalid(&name, "the parameter comes twice"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// A parameter's text. An empty parameter counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.as_ref()).filter(|text| !text.is_empty())
    }

    /// A time, as [`parse_time`] accepts it.
    pub(crate) fn time(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.text(name).map(|text| parse_time(text, name)).transpose()
    }

    /// The parameter `limit`.
    pub(crate) fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text("limit") else { return Ok(default) };
        match text.parse() {
            Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
            _ => Err(ApiError::invalid("limit", format!("must be between 1 and {LIMIT_MAX}"))),
        }
    }

    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.text(name).map(|text| parse_id(text, name)).transpose()
    }
}

/// A time in RFC 3339 or in milliseconds since the Unix epoch.
pub(crate) fn parse_time(text: &str, field: &str) -> Result<u64, ApiError> {
    // A `+` of an offset that was not escaped arrives as a space.
    let parsed = text.parse().ok().or_else(|| clock::parse_rfc3339(&text.replace(' ', "+")));
    parsed.ok_or_else(|| {
        let text = "must be a time such as 2026-01-31T12:00:00Z, or milliseconds since 1970";
        ApiError::invalid(field, text)
    })
}

/// An id of any kind.
pub(crate) fn parse_id<T: FromStr>(text: &str, field: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::invalid(field, "is not an id: expected a UUID of 36 characters"))
}
