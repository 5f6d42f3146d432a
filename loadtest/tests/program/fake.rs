//! Servers that misbehave in ways that `receive` does not: plain threads and sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A server on a free port of this machine; it ends with the test process.
pub(crate) struct FakeServer {
    pub(crate) url: String,
}

impl FakeServer {
    /// Runs `serve` for each connection, on a thread of its own; the number
    /// counts connections from 0.
    pub(crate) fn start(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for (nth, stream) in listener.incoming().enumerate() {
                let (serve, stream) = (Arc::clone(&serve), stream.expect("a connection"));
                std::thread::spawn(move || serve(nth, stream));
            }
        });
        Self { url }
    }
}

/// Reads a request with its body; `None` once the client has closed.
pub(crate) fn read_request(stream: &mut impl Read) -> Option<String> {
    let (mut request, mut bytes) = (Vec::new(), [0; 65_536]);
    loop {
        if let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&request).into_owned();
            let length = text[..head].lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
            if request.len() >= head + 4 + length {
                return Some(text);
            }
        }
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return None,
            Ok(count) => request.extend_from_slice(&bytes[..count]),
        }
    }
}

pub(crate) const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";

/// Answers every request with `answer` until the client closes.
pub(crate) fn answer_all(stream: &mut TcpStream, answer: &[u8]) {
    while read_request(stream).is_some() {
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// Serves a connection that is closed once it was idle for `idle`.
pub(crate) fn answer_until_idle(mut stream: TcpStream, idle: Duration) {
    stream.set_read_timeout(Some(idle)).expect("a limit");
    answer_all(&mut stream, ACCEPTED);
}
