//! HTTP archives (HAR 1.2, <http://www.softwareishard.com/blog/har-12-spec/>),
//! as programs really write them: with a byte order mark, in UTF-16, with null
//! members, and with damaged entries among good ones.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::record::{Redaction, line};
use crate::recording::RecordingLine;

/// A request and when it began.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HarEntry {
    started_date_time: jiff::Timestamp,
    request: HarRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HarRequest {
    method: String,
    url: String,
    #[serde(default, deserialize_with = "or_default")]
    headers: Vec<HarHeader>,
    post_data: Option<HarPostData>,
}

#[derive(Deserialize)]
struct HarHeader {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HarPostData {
    #[serde(default, deserialize_with = "or_default")]
    mime_type: String,
    #[serde(default, deserialize_with = "or_default")]
    text: String,
    /// `base64`, written by some tools for bodies that are not text.
    #[serde(default, deserialize_with = "or_default")]
    encoding: String,
}

/// Takes null as if the member were missing.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The requests in the order in which they began, then the entries that cannot
/// be read, with the reason.
pub(super) fn read(mut source: impl Read) -> Result<Vec<Result<HarEntry, String>>, String> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let archive: Value = serde_json::from_str(&decode(&bytes)?).map_err(|error| error.to_string())?;
    let entries = archive.pointer("/log/entries").and_then(Value::as_array);
    let entries = entries.ok_or("it has no log.entries")?;
    let parse = |entry: &Value| HarEntry::deserialize(entry).map_err(|error| error.to_string());
    let mut parsed: Vec<_> = entries.iter().map(parse).collect();
    parsed.sort_by_key(|entry| match entry {
        Ok(entry) => entry.started_date_time,
        Err(_) => jiff::Timestamp::MAX,
    });
    Ok(parsed)
}

/// Decodes the text; a byte order mark names its Unicode encoding.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.as_chunks().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_why| "it is no UTF-16".to_owned())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [b'{', 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, b'{', ..] => wide(bytes, u16::from_be_bytes),
        _ => {
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            String::from_utf8(text.to_vec()).map_err(|_why| "it is no UTF-8".to_owned())
        }
    }
}

/// The URL as a request line can have it. An unresolved variable in front, as
/// in `{{baseUrl}}/v1/events`, stands for the server.
fn target_of(url: &str) -> &str {
    match url.rsplit_once("}}") {
        Some((variables, path)) if variables.starts_with("{{") && path.starts_with('/') => path,
        _ => url,
    }
}

impl HarEntry {
    /// The request as it is recorded, or why it is not.
    pub(super) fn line(&self, redaction: &Redaction) -> Result<RecordingLine, String> {
        let request = &self.request;
        let body = request.post_data.as_ref().filter(|data| !data.text.is_empty());
        let body = body.ok_or("it has no body")?;
        let wrong = |error: &dyn std::fmt::Display| format!("{} {}: {error}", request.method, request.url);
        let mut head = http::Request::builder().method(request.method.as_str()).uri(target_of(&request.url));
        // Archives of HTTP/2 list `:method` and the like among the headers.
        let real = |header: &&HarHeader| !header.name.is_empty() && !header.name.starts_with(':');
        for header in request.headers.iter().filter(real) {
            head = head.header(&header.name, &header.value);
        }
        if !body.mime_type.is_empty()
            && !head.headers_ref().is_some_and(|all| all.contains_key("content-type"))
        {
            head = head.header("content-type", &body.mime_type);
        }
        let (mut head, ()) = head.body(()).map_err(|error| wrong(&error))?.into_parts();
        // Archives hold the decoded text of a body.
        head.headers.remove("content-encoding");
        let body = match body.encoding.as_str() {
            "base64" => STANDARD.decode(&body.text).map_err(|error| wrong(&error))?,
            _ => body.text.clone().into_bytes(),
        };
        let began_s = self.started_date_time.as_nanosecond() as f64 / 1e9;
        let recorded = line(redaction, began_s, &head, &Bytes::from(body));
        recorded.ok_or_else(|| "members must be left out of its body, which is not understood".to_owned())
    }
}
