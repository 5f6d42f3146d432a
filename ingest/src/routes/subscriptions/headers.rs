//! The headers that a customer adds to each webhook: which may be set, and how answers
//! show them.

use crate::config::SubscriptionLimits;
use crate::error::ApiError;
use http::{HeaderName, HeaderValue};
use sluice_model::subscription::WebhookHeader;
use std::collections::BTreeMap;

/// How answers show a header's value. A request that gives this value keeps the stored one.
pub(crate) const MASK: &str = "********";

/// The beginning of a value that is stored sealed.
const SEALED: &str = "sealed:";

/// Headers that Sluice sets, or that HTTP gives a meaning to for the connection or the body.
const RESERVED: [&str; 20] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "range",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

const RESERVED_PREFIXES: [&str; 3] = ["webhook-", "sluice-", "proxy-"];

/// Headers as a request gives them.
pub(super) type GivenHeaders = BTreeMap<String, String>;

/// The headers to store, if each may be set and all are within the limits.
pub(super) fn checked(
    given: &GivenHeaders,
    stored: &[WebhookHeader],
    limits: &SubscriptionLimits,
) -> Result<Vec<WebhookHeader>, ApiError> {
    if given.len() > limits.headers_max {
        return Err(refused(format!("there are {}; {} is the most", given.len(), limits.headers_max)));
    }
    let mut headers =
        given.iter().map(|(name, value)| checked_one(name, value, stored)).collect::<Result<Vec<_>, _>>()?;
    headers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some([twice, _]) = headers.array_windows().find(|[a, b]| a.name == b.name) {
        return Err(refused(format!("`{}` is given twice", twice.name)));
    }
    let bytes: usize = headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    if bytes > limits.header_bytes_max {
        return Err(refused(format!("they have {bytes} bytes; {} is the most", limits.header_bytes_max)));
    }
    Ok(headers)
}

fn checked_one(name: &str, value: &str, stored: &[WebhookHeader]) -> Result<WebhookHeader, ApiError> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(refused(format!("{name:.60?} is no name of a header")));
    };
    let name = parsed.as_str().to_owned();
    if RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(refused(format!("`{name:.60}` cannot be set: it belongs to HTTP or to Sluice")));
    }
    if value == MASK {
        let known = stored.iter().find(|header| header.name == name);
        return known.cloned().ok_or_else(|| refused(format!("`{name:.60}` has no stored value to keep")));
    }
    // The value is a secret: no error shows it.
    let is_padded = value.trim_matches([' ', '\t']) != value;
    let can_be_sent = value.is_ascii() && HeaderValue::from_str(value).is_ok();
    if value.starts_with(SEALED) || is_padded || !can_be_sent {
        let problem = "has a value that cannot be sent: visible ASCII without spaces around it is needed";
        return Err(refused(format!("`{name:.60}` {problem}")));
    }
    Ok(WebhookHeader { name, value: value.to_owned() })
}

fn refused(problem: String) -> ApiError {
    ApiError::invalid("headers", problem)
}

/// The headers as answers show them: with names only.
pub(super) fn masked(headers: &[WebhookHeader]) -> BTreeMap<&str, &'static str> {
    headers.iter().map(|header| (header.name.as_str(), MASK)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &str)], stored: &[WebhookHeader]) -> Result<Vec<WebhookHeader>, String> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let limits =
            SubscriptionLimits { headers_max: 3, header_bytes_max: 40, ..SubscriptionLimits::default() };
        checked(&given, stored, &limits).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn good_headers_are_stored_in_lower_case_and_in_order() {
        let headers =
            check(&[("X-Key", "k"), ("Authorization", "Bearer t"), ("Cookie", "a=b; c")], &[]).unwrap();
        let names: Vec<_> = headers.iter().map(|header| header.name.as_str()).collect();
        assert_eq!(names, ["authorization", "cookie", "x-key"]);
        assert_eq!(masked(&headers)["x-key"], MASK);
    }

    #[test]
    fn what_belongs_to_http_or_sluice_is_refused_in_any_spelling() {
        for name in
            ["Host", "content-LENGTH", "Webhook-Id", "sluice-x", "Proxy-Authorization", "TE", "traceparent"]
        {
            assert!(check(&[(name, "x")], &[]).unwrap_err().contains("cannot be set"), "{name}");
        }
    }

    #[test]
    fn bad_names_and_values_are_refused_without_showing_the_value() {
        for name in ["", "a b", "a:b", "ü", "a\r\nb"] {
            assert!(check(&[(name, "x")], &[]).unwrap_err().contains("no name of a header"), "{name}");
        }
        for value in ["a\r\nb: c", "a\0", " secret", "secret ", "gehe\u{ec}m", "sealed:v1:one:secret"] {
            let error = check(&[("x-a", value)], &[]).unwrap_err();
            assert!(error.contains("cannot be sent") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn number_size_and_repeats_are_limited() {
        let four = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")];
        assert!(check(&four, &[]).unwrap_err().contains("3 is the most"));
        assert!(check(&[("a", &"x".repeat(40))], &[]).unwrap_err().contains("41 bytes; 40 is the most"));
        assert!(check(&[("X-a", "1"), ("x-A", "2")], &[]).unwrap_err().contains("twice"));
    }

    #[test]
    fn a_masked_value_keeps_the_stored_one() {
        let stored = [WebhookHeader { name: "x-key".into(), value: "k".into() }];
        assert_eq!(check(&[("X-Key", MASK)], &stored).unwrap(), stored);
        assert!(check(&[("X-Other", MASK)], &stored).unwrap_err().contains("no stored value"));
    }
}
