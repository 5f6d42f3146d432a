//! A small HTTP/1.1 client: blocking, bounded, and able to misbehave.

use serde_json::Value;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The time limit of connecting, and of each read and write.
const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, secret: &str) -> Self {
        self.header("authorization", format!("Bearer {secret}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: sluice.test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// Sends it on a connection of its own.
    pub(crate) fn send(&self, to: SocketAddr) -> io::Result<HttpAnswer> {
        Connection::open(to)?.call(self)
    }

    /// Sends it and expects this status.
    #[track_caller]
    pub(crate) fn expect(&self, to: SocketAddr, status: u16) -> HttpAnswer {
        match self.send(to) {
            Ok(answer) => answer.expect(status),
            Err(error) => panic!("{} {}: {error}", self.method, self.path),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl HttpAnswer {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(json) => json,
            Err(error) => panic!("{error}: {} {}", self.status, self.text()),
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Checks the shape that all refusals have, and returns the code.
    #[track_caller]
    pub(crate) fn error_code(&self) -> String {
        let json = self.json();
        let error = &json["error"];
        let text = |name: &str| error[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (code, message, id) = (text("code"), text("message"), text("request_id"));
        assert!(code.is_some() && message.is_some() && id.is_some(), "not the shape of an error: {json}");
        assert_eq!(id.as_deref(), self.header("x-request-id"), "the request's id differs: {json}");
        code.unwrap_or_default()
    }
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Read and not used yet.
    rest: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, rest: Vec::new() })
    }

    /// Sends a request and reads its answer.
    pub(crate) fn call(&mut self, request: &Request) -> io::Result<HttpAnswer> {
        // A server may answer and close before it has read all of a body that it refuses:
        // its answer counts.
        let written = self.write(&request.bytes());
        let answer = self.read_answer();
        if answer.is_err() {
            written?;
        }
        answer
    }

    /// Writes any bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one answer; `UnexpectedEof` if the server closed before it.
    pub(crate) fn read_answer(&mut self) -> io::Result<HttpAnswer> {
        loop {
            let (status, headers) = self.read_head()?;
            // 100 Continue is not the answer.
            if status >= 200 {
                let answer = HttpAnswer { status, headers, body: Vec::new() };
                let body = self.read_body(&answer)?;
                return Ok(HttpAnswer { body, ..answer });
            }
        }
    }

    fn read_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let end = loop {
            if let Some(at) = find(&self.rest, b"\r\n\r\n") {
                break at;
            }
            self.read_more()?;
        };
        let head = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| malformed(&head))?;
        let pair =
            |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
        Ok((status, lines.filter_map(pair).collect()))
    }

    fn read_body(&mut self, head: &HttpAnswer) -> io::Result<Vec<u8>> {
        if head.status == 204 || head.status == 304 {
            return Ok(Vec::new());
        }
        if head.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            return self.read_chunks();
        }
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        self.take(length.ok_or_else(|| malformed("neither a length nor chunks"))?)
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = find(&self.rest, b"\r\n") {
                    break at;
                }
                self.read_more()?;
            };
            let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
            self.rest.drain(..end + 2);
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_other| malformed(&line))?;
            body.extend(self.take(size)?);
            self.take(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn take(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < bytes {
            self.read_more()?;
        }
        Ok(self.rest.drain(..bytes).collect())
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 << 10];
        let read = loop {
            match self.stream.read(&mut buffer) {
                // With a timeout a read does not go on by itself after a signal.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.rest.extend_from_slice(&buffer[..read]);
        if self.rest.len() > ANSWER_BYTES_MAX {
            return Err(malformed("an answer without end"));
        }
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("not an answer: {what}"))
}
