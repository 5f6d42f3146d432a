//! HTTP archives (HAR 1.2, <http://www.softwareishard.com/blog/har-12-spec/>).

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use serde::Deserialize;

use crate::record::{Redaction, line};
use crate::recording::Line;

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

/// A request and when it began.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    started_date_time: jiff::Timestamp,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    text: String,
    /// `base64`, written by some tools for bodies that are not text.
    #[serde(default)]
    encoding: String,
}

/// The requests in the order in which they began.
pub(super) fn read(source: impl Read) -> Result<Vec<Entry>, String> {
    let archive: Archive = serde_json::from_reader(source).map_err(|error| error.to_string())?;
    let mut entries = archive.log.entries;
    entries.sort_by_key(|entry| entry.started_date_time);
    Ok(entries)
}

impl Entry {
    /// The request as it is recorded; none where it has no body.
    pub(super) fn line(&self) -> Result<Option<Line>, String> {
        let request = &self.request;
        let Some(body) = request.post_data.as_ref().filter(|data| !data.text.is_empty()) else {
            return Ok(None);
        };
        let wrong = |error: &dyn std::fmt::Display| format!("{} {}: {error}", request.method, request.url);
        let mut head = http::Request::builder().method(request.method.as_str()).uri(&request.url);
        // Archives of HTTP/2 list `:method` and the like among the headers.
        for header in request.headers.iter().filter(|header| !header.name.starts_with(':')) {
            head = head.header(&header.name, &header.value);
        }
        if !body.mime_type.is_empty()
            && !head.headers_ref().is_some_and(|all| all.contains_key("content-type"))
        {
            head = head.header("content-type", &body.mime_type);
        }
        let (mut head, ()) = head.body(()).map_err(|error| wrong(&error))?.into_parts();
        // The text is what the body says, not as it was coded on the way.
        head.headers.remove("content-encoding");
        let body = match body.encoding.as_str() {
            "base64" => STANDARD.decode(&body.text).map_err(|error| wrong(&error))?,
            _ => body.text.clone().into_bytes(),
        };
        let at = self.started_date_time.as_nanosecond() as f64 / 1e9;
        Ok(line(&Redaction::default(), at, &head, &Bytes::from(body)))
    }
}
