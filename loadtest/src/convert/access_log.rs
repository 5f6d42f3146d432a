//! Lines of the common and the combined log format,
//! `host ident user [time] "request" status bytes ["referer" "agent"]`, with
//! the virtual host `name:port` in front or not.

use jiff::fmt::strtime;
use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::recording::RecordingLine;

/// An event as a producer POSTs it.
#[derive(Serialize)]
struct AccessLogEvent<'a> {
    event_type: &'static str,
    payload: AccessLogPayload<'a>,
}

#[derive(Serialize)]
struct AccessLogPayload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_host: Option<&'a str>,
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
pub(super) fn line(text: &str) -> Option<RecordingLine> {
    let (front, rest) = text.trim().split_once(" [")?;
    let (virtual_host, host, user) = parties(front)?;
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
    let payload = AccessLogPayload {
        virtual_host,
        method: words.next()?,
        path: words.next()?,
        protocol: words.next().unwrap_or("HTTP/0.9"),
        status,
        bytes: bytes.parse().ok(),
        referer,
        user_agent,
    };
    let event = to_raw_value(&AccessLogEvent { event_type: "http.request", payload }).ok()?;
    let customer = if user == "-" { host } else { user };
    Some(RecordingLine {
        at: Some(seconds(time)?),
        customer: Some(customer.into()),
        event: Some(event),
        ..RecordingLine::default()
    })
}

/// The virtual host, the client's host and the user. Only a log with virtual hosts has
/// a name with a port before an address.
fn parties(front: &str) -> Option<(Option<&str>, &str, &str)> {
    let (first, rest) = front.split_once(' ')?;
    let port = first.rsplit_once(':').is_some_and(|(name, port)| {
        !name.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_virtual = port && first.parse::<std::net::IpAddr>().is_err() && rest.split(' ').count() > 2;
    let (virtual_host, (host, rest)) = match is_virtual {
        true => (Some(first), rest.split_once(' ')?),
        false => (None, (first, rest)),
    };
    let (_ident, user) = rest.split_once(' ')?;
    Some((virtual_host, host, user))
}

/// The text up to the closing quote, escapes included, and the text behind it.
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
