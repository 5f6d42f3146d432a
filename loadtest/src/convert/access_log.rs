//! Lines of the common and the combined log format:
//! `host ident user [time] "request" status bytes ["referer" "agent"]`.

use jiff::fmt::strtime;
use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::recording::Line;

/// An event as a producer POSTs it.
#[derive(Serialize)]
struct Event<'a> {
    event_type: &'static str,
    payload: Access<'a>,
}

#[derive(Serialize)]
struct Access<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

/// A line's event: its customer is the user who was logged in, or else the host.
pub(super) fn line(text: &str) -> Option<Line> {
    let (host, rest) = text.trim().split_once(' ')?;
    let (_ident, rest) = rest.split_once(' ')?;
    let (user, rest) = rest.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = quoted(rest)?;
    let mut numbers = rest.trim_start().splitn(3, ' ');
    let (status, bytes) = (numbers.next()?.parse().ok()?, numbers.next()?);
    let mut strings = numbers.next().unwrap_or_default();
    let mut string = || {
        let (text, rest) = quoted(strings.trim_start().strip_prefix('"')?)?;
        strings = rest;
        (text != "-").then_some(text)
    };
    let (referer, user_agent) = (string(), string());
    let mut words = request.split(' ');
    let payload = Access {
        method: words.next()?,
        path: words.next()?,
        protocol: words.next().unwrap_or("HTTP/0.9"),
        status,
        bytes: bytes.parse().ok(),
        referer,
        user_agent,
    };
    let event = to_raw_value(&Event { event_type: "http.request", payload }).ok()?;
    let customer = if user == "-" { host } else { user };
    Some(Line {
        at: Some(seconds(time)?),
        customer: Some(customer.into()),
        event: Some(event),
        ..Line::default()
    })
}

/// Up to the closing quote, and what is behind it. What is escaped within stays so.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.find(|character| {
        let end = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        end
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// `10/Oct/2000:13:55:36 -0700` as Unix time.
fn seconds(time: &str) -> Option<f64> {
    let parsed = strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).ok()?;
    Some(parsed.to_timestamp().ok()?.as_second() as f64)
}
