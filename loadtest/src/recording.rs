//! Recorded traffic: one JSON object a line, in the order of arrival.
//!
//! | member | content |
//! |---|---|
//! | `at` | when it came: Unix time in seconds, with fractions, or in ms, µs or ns, recognised by its size; without it, at the time of the line before |
//! | `customer` | any name; the requests of one customer keep their order |
//! | `method`, `path` | `POST` and `/v1/events` unless given |
//! | `headers` | an object of names and values; credentials are left out by `record` |
//! | `body` | the request's body as text ... |
//! | `body_base64` | ... or base64, if it is not UTF-8 |
//! | `event` | instead of a body: one event as a producer POSTs it |
//!
//! Other members are ignored. A file may be compressed with gzip or zstd; it is read as it is played.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

mod writer;

pub(crate) use writer::LineWriter;

/// Longest line, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// A request as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Unix time in seconds; the file may have another unit.
    pub at: Option<f64>,
    /// The customer's name.
    pub customer: String,
    /// The method, usually `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, without those of the connection.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent, with its content coding.
    pub body: Vec<u8>,
}

/// Why a recording cannot be played.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The file cannot be opened or read.
    #[error("reading {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A line is not a recorded request.
    #[error("{} line {line}: {reason}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// The line's number, from 1.
        line: u64,
        /// Why the line is not a request.
        reason: String,
    },
    /// The last line has no end and is no request, or the compressed file has
    /// no end: a recorder that was killed leaves such a file.
    #[error("{} is cut short in line {line}", path.display())]
    CutShort {
        /// Which file.
        path: PathBuf,
        /// The line's number, from 1.
        line: u64,
    },
}

/// A line as it is written.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct RecordingLine {
    pub(crate) at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Box<RawValue>>,
}

impl RecordingLine {
    fn read(self) -> Result<Recorded, String> {
        let mut headers: Vec<_> = self.headers.into_iter().collect();
        let body = match (self.body, self.body_base64, self.event) {
            (Some(body), None, None) => body.into_bytes(),
            (None, Some(coded), None) => {
                STANDARD.decode(coded).map_err(|error| format!("body_base64 is not base64: {error}"))?
            }
            (None, None, Some(event)) => {
                if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                    headers.push(("Content-Type".into(), "application/json".into()));
                }
                String::from(Box::<str>::from(event)).into_bytes()
            }
            (None, None, None) => Vec::new(),
            _ => return Err("only one of body, body_base64 and event may be given".into()),
        };
        let (method, path) = (self.method.unwrap_or("POST".into()), self.path.unwrap_or("/v1/events".into()));
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let visible = |byte: u8| (0x21..0x7f).contains(&byte);
        if method.is_empty()
            || !method.bytes().all(token)
            || !path.starts_with('/')
            || !path.bytes().all(visible)
        {
            return Err(format!("{method:?} {path:?} is no method and path"));
        }
        let text = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
        let sendable = |(name, value): &(String, String)| {
            !name.is_empty() && name.bytes().all(token) && value.bytes().all(text)
        };
        if let Some((name, _)) = headers.iter().find(|header| !sendable(header)) {
            return Err(format!("the header {name:?} cannot be sent"));
        }
        let at = self.at.map(unix_seconds).transpose()?;
        Ok(Recorded { at, customer: self.customer.unwrap_or_default(), method, path, headers, body })
    }
}

/// Reads a time in the unit that puts it before the year 5138.
fn unix_seconds(time: f64) -> Result<f64, String> {
    let units = [(1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (9e18, 1e9)];
    let unit = units.iter().find(|(limit, _)| (0.0..*limit).contains(&time));
    unit.map(|(_, per_second)| time / per_second).ok_or_else(|| format!("at is not a Unix time: {time:e}"))
}

impl Recorded {
    /// Reads a line.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice::<RecordingLine>(line)
            .map_err(|error| error.to_string())
            .and_then(RecordingLine::read)
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Reads a recording line by line, however large it is.
pub struct RecordingReader {
    path: PathBuf,
    lines: Box<dyn BufRead + Send>,
    line: u64,
    buffer: Vec<u8>,
}

impl RecordingReader {
    /// Opens a file; its first bytes tell how it is compressed.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::File { path: path.to_owned(), source };
        let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(failed)?);
        let start = file.fill_buf().map_err(failed)?;
        let lines: Box<dyn BufRead + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::new(MultiGzDecoder::new(file)))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(BufReader::new(zstd::Decoder::with_buffer(file).map_err(failed)?))
        } else {
            Box::new(file)
        };
        Ok(Self { path: path.to_owned(), lines, line: 0, buffer: Vec::new() })
    }

    /// The next request; `None` at the end.
    pub fn next_request(&mut self) -> Result<Option<Recorded>, RecordingError> {
        loop {
            self.buffer.clear();
            let read = (&mut self.lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer);
            self.line += 1;
            let cut_short = || RecordingError::CutShort { path: self.path.clone(), line: self.line };
            let read = read.map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => cut_short(),
                _ => RecordingError::File { path: self.path.clone(), source },
            })?;
            if read == 0 {
                return Ok(None);
            }
            let unfinished = self.buffer.last() != Some(&b'\n');
            let wrong = |reason| RecordingError::Line { path: self.path.clone(), line: self.line, reason };
            if read as u64 == LINE_BYTES_MAX && unfinished {
                return Err(wrong(format!("longer than {LINE_BYTES_MAX} bytes")));
            }
            let text = self.buffer.trim_ascii();
            if !text.is_empty() {
                let parsed = Recorded::parse(text).map(Some);
                return parsed.map_err(|reason| if unfinished { cut_short() } else { wrong(reason) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::Coding;

    const TEXT: &str = concat!(
        r#"{"at":1.5,"customer":"a","event":{"payload":{"x":1}},"status":202}"#,
        "\n\n",
        r#"{"at":2,"path":"/e","headers":{"X-A":"b"},"body_base64":"AAE="}"#,
        "\n"
    );

    #[test]
    fn recordings_are_read_compressed_or_not() {
        let directory = tempfile::tempdir().expect("a directory");
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let path = directory.path().join("recording");
            std::fs::write(&path, coding.encode(TEXT.into())).expect("written");
            let mut reader = RecordingReader::open(&path).expect("open");
            let first = reader.next_request().expect("valid").expect("a request");
            assert_eq!(
                (first.at, first.customer.as_str(), first.path.as_str()),
                (Some(1.5), "a", "/v1/events")
            );
            assert_eq!(
                (first.body.as_slice(), first.header("content-type")),
                (br#"{"payload":{"x":1}}"#.as_slice(), Some("application/json"))
            );
            let second = reader.next_request().expect("valid").expect("a request");
            assert_eq!((second.header("x-a"), second.customer.as_str()), (Some("b"), ""));
            assert_eq!(second.body, [0, 1]);
            assert!(reader.next_request().expect("valid").is_none());
        }
    }

    #[test]
    fn times_are_read_in_their_unit() {
        for text in ["1760000000.5", "1760000000500", "1760000000500000", "1760000000500000000"] {
            let line = format!("{{\"at\":{text}}}");
            assert_eq!(Recorded::parse(line.as_bytes()).expect("valid").at, Some(1_760_000_000.5), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_cut_short_is_told_from_a_bad_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("recording");
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let whole = coding.encode("{}\n{\"customer\":\"a\"}\n".repeat(20).into_bytes());
            std::fs::write(&path, &whole[..whole.len() - 5]).expect("written");
            let mut reader = RecordingReader::open(&path).expect("open");
            let error = loop {
                match reader.next_request() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the end is missing"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, RecordingError::CutShort { .. }), "{coding:?}: {error:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("recording");
        for bad in [
            "nonsense",
            r#"{"body":"a","event":{}}"#,
            r#"{"path":"no slash"}"#,
            r#"{"headers":{"a b":"c"}}"#,
            r#"{"headers":{"a":"b\r\nInjected: c"}}"#,
            r#"{"body_base64":"*"}"#,
            r#"{"at":-1}"#,
            r#"{"at":1e300}"#,
            r#"{"at":1.7e19}"#,
        ] {
            std::fs::write(&path, format!("{{}}\n{bad}\n")).expect("written");
            let mut reader = RecordingReader::open(&path).expect("open");
            assert!(reader.next_request().is_ok());
            let error = reader.next_request().expect_err(bad);
            assert!(matches!(error, RecordingError::Line { line: 2, .. }), "{error:?}");
        }
    }
}
