//! Detects the protocol of a connection without TLS.

use crate::connection::HttpProtocol;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How HTTP/2 begins (RFC 9113, 3.4). No HTTP/1 method begins so.
const HTTP2: &[u8; 4] = b"PRI ";

/// How long to wait for the rest of [`HTTP2`]: a peek returns its beginning at once.
const PEEK_PAUSE: Duration = Duration::from_millis(5);

/// Returns the protocol by the first bytes, which stay in the socket; `None` if the
/// connection ends before, or leaves `PRI ` incomplete for longer than `patience`.
pub(super) async fn first_bytes(stream: &TcpStream, patience: Duration) -> Option<HttpProtocol> {
    let mut begun_at: Option<Instant> = None;
    loop {
        let mut bytes = [0; 4];
        let len = stream.peek(&mut bytes).await.ok()?;
        match bytes.get(..len)? {
            [] => return None,
            first if first == HTTP2 => return Some(HttpProtocol::Http2),
            first if !HTTP2.starts_with(first) => return Some(HttpProtocol::Http1),
            _ if begun_at.get_or_insert_with(Instant::now).elapsed() > patience => return None,
            _ => tokio::time::sleep(PEEK_PAUSE).await,
        }
    }
}
