//! The parameters of a query.

use super::range::{TimeRange, either, parse_id};
use crate::error::ApiError;
use sluice_model::SubscriptionId;
use sluice_model::clock;
use std::borrow::Cow;
use std::str::FromStr;

/// The most entries of a page.
const LIMIT_MAX: usize = 1000;

/// A number below this is a count of seconds, not of milliseconds: as
/// milliseconds it would lie before March 1973.
const MS_MIN: u64 = 100_000_000_000;

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

    /// Refuses parameters without a value where a filter that is left out would do more than
    /// was meant.
    pub(crate) fn refuse_empty(&self) -> Result<(), ApiError> {
        match self.0.iter().find(|(_, value)| value.is_empty()) {
            Some((name, _)) => Err(ApiError::invalid(name, "has no value; leave it out, or say one")),
            None => Ok(()),
        }
    }

    /// A range of time.
    pub(crate) fn range(&self) -> Result<TimeRange, ApiError> {
        TimeRange::read(|name| self.text(name))
    }

    /// The subscription that `workflow_id` or `subscription_id` names.
    pub(crate) fn subscription(&self) -> Result<Option<SubscriptionId>, ApiError> {
        let [first, second] = ["workflow_id", "subscription_id"].map(|name| (name, self.text(name)));
        either(first, second)?.map(|(name, text)| parse_id(text, name)).transpose()
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
    if let Ok(ms) = text.parse::<u64>() {
        if (1..MS_MIN).contains(&ms) {
            let text = "looks like seconds; numbers are milliseconds since 1970, so add three zeros, or write \
                        the time as 2026-01-31T12:00:00Z";
            return Err(ApiError::invalid(field, text));
        }
        return Ok(ms);
    }
    clock::parse_rfc3339(&with_plus(text)).ok_or_else(|| {
        let text = "must be a time of RFC 3339 such as 2026-01-31T12:00:00Z, or milliseconds since 1970";
        ApiError::invalid(field, text)
    })
}

/// The text with the `+` of its offset, which arrives as a space if it was not escaped.
fn with_plus(text: &str) -> Cow<'_, str> {
    match text.len().checked_sub("+00:00".len()).and_then(|time_len| text.split_at_checked(time_len)) {
        Some((time, offset)) if offset.starts_with(' ') => Cow::Owned(format!("{time}+{}", &offset[1..])),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_milliseconds_and_never_seconds() {
        for (text, ms) in [
            ("2026-11-21T10:00:00Z", 1_795_255_200_000),
            ("2026-11-21T11:00:00 01:00", 1_795_255_200_000),
            ("1937-01-01T12:00:27.87+00:20", 0),
            ("2026-11-21T10:00:00.0123456789Z", 1_795_255_200_012),
            ("1795255200000", 1_795_255_200_000),
            ("0", 0),
        ] {
            assert_eq!(parse_time(text, "since").ok(), Some(ms), "{text}");
        }
        for text in ["1700000000", "1", "99999999999"] {
            let error = parse_time(text, "since").unwrap_err();
            assert!(format!("{error:?}").contains("milliseconds"), "{text}: {error:?}");
        }
        for text in [
            "2026-11-21T10Z",
            "20261121T100000Z",
            "2026-11-21T10:00:00Z[UTC]",
            "2026-11-21 10:00:00Z",
            "2026-11-21 10:00:00 01:00",
            "-1",
            "1e12",
            "",
        ] {
            assert!(parse_time(text, "since").is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_s_bounds_have_two_names_of_which_one_may_be_used() {
        let known = ["start_time", "since", "end_time", "until"];
        let range = |text: String| QueryParams::parse(&text, &known).unwrap().range();
        let (start, end) = ("2026-11-21T10:00:00Z", "2026-11-21T11:00:00Z");
        let long = range(format!("start_time={start}&end_time={end}")).unwrap();
        assert_eq!(long, range(format!("since={start}&until={end}")).unwrap());
        assert_eq!(long.start_ms, Some(1_795_255_200_000));
        assert!(range(format!("since={start}&start_time={start}")).is_err());
        assert!(range(format!("until={end}&end_time={end}")).is_err());
    }
}
