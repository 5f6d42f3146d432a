//! Answers that no HTTP library would write, byte by byte over TCP.

use super::*;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does after it wrote its bytes.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// Waits for the next request.
    KeepOpen,
    /// Closes the connection.
    Close,
    /// Writes the bytes again and again.
    Repeat(&'static str),
}

/// How much of a request the server reads before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    All,
    Head,
}

/// An answer, and what the server does after it.
#[derive(Debug, Clone)]
struct Script {
    bytes: Vec<u8>,
    then: Then,
    reads: Reads,
}

fn script(bytes: impl Into<Vec<u8>>, then: Then) -> Script {
    Script { bytes: bytes.into(), then, reads: Reads::All }
}

/// Answers its first request with the first script, and so on; the last script is repeated.
struct RawServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RawServer {
    async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let (accepted, asked) = (Arc::clone(&connections), Arc::<AtomicUsize>::default());
        let scripts: Arc<[Script]> = scripts.into();
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(stream, Arc::clone(&scripts), Arc::clone(&asked)));
            }
        });
        Self { address, connections, task }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

async fn serve(
    mut stream: TcpStream,
    scripts: Arc<[Script]>,
    asked: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    loop {
        let next = scripts[asked.load(Ordering::SeqCst).min(scripts.len() - 1)].clone();
        if !read_request(&mut stream, next.reads).await? {
            return Ok(());
        }
        asked.fetch_add(1, Ordering::SeqCst);
        stream.write_all(&next.bytes).await?;
        match next.then {
            Then::KeepOpen => {}
            Then::Close => return Ok(()),
            Then::Repeat(bytes) => loop {
                stream.write_all(bytes.as_bytes()).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            },
        }
    }
}

/// Reads a request. Returns false if none came.
async fn read_request(stream: &mut TcpStream, reads: Reads) -> std::io::Result<bool> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(false),
        }
    }
    if reads == Reads::All {
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await?;
    }
    Ok(true)
}

async fn reply_to(answer: impl Into<Vec<u8>>, then: Then) -> Reply {
    let server = RawServer::start(vec![script(answer, then)]).await;
    let config = WebhookConfig { timeout_ms: 300, ..WebhookConfig::default() };
    post(&client(config), server.url()).await
}

fn unreadable() -> PostResult {
    PostResult::Unreadable { code: 200, retry_after: None }
}

#[tokio::test]
async fn odd_headers_do_not_decide() {
    let many: String = (0..1900).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(300_000));
    for odd in [
        &many,
        &long,
        "x-folded: one\r\n two\r\n\tthree\r\n",
        "x-control: a\u{1}b\u{7f}c\u{1b}\r\n",
        "x-empty:\r\n",
        "no colon at all\r\n",
        ": no name\r\n",
        "x name with spaces: 1\r\n",
        "x-space-before-colon : 1\r\n",
        "x-\u{e9}: \u{e9}\r\n",
        "server: a\r\nserver: b\r\nserver: c\r\n",
        "x-bare-newline: 1\n",
    ] {
        for code in [200, 503] {
            let answer =
                format!("HTTP/1.1 {code} Fine\r\n{odd}Retry-After: 7\r\nContent-Length: 2\r\n\r\nok");
            let reply = reply_to(answer, Then::KeepOpen).await;
            let retry_after = Some(RetryAfter::Seconds(7));
            let expected = PostResult::Answered { code, retry_after };
            assert_eq!(reply.result, expected, "{:?}: {:?}", &odd[..odd.len().min(40)], reply.error);
            assert_eq!(reply.excerpt, "ok");
        }
    }
}

#[tokio::test]
async fn a_status_line_decides_in_any_shape() {
    for line in [
        "HTTP/1.1 200",
        "HTTP/1.1 200 ",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 200 \u{e9}t\u{e9}",
        "HTTP/1.1 200 No, really",
    ] {
        let reply = reply_to(format!("{line}\r\nContent-Length: 0\r\n\r\n"), Then::KeepOpen).await;
        assert_eq!(reply.result, status(200), "{line}: {:?}", reply.error);
    }
}

#[tokio::test]
async fn answers_of_1xx_before_the_answer_do_not_decide() {
    let many: String = (0..130).map(|n| format!("x-{n}: {n}\r\n")).collect();
    for first in [
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(50),
        format!("HTTP/1.1 102 Processing\r\n{many}\r\n"),
        "HTTP/1.1 199 Odd\r\nx-folded: a\r\n b\r\nretry-after: 9\r\n\r\n".to_owned(),
    ] {
        for code in [200, 503] {
            let answer = format!("{first}HTTP/1.1 {code} Fine\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(reply_to(answer, Then::KeepOpen).await.result, status(code), "{first}");
        }
    }
}

#[tokio::test]
async fn what_never_answers_is_left_after_the_timeout() {
    for (bytes, then) in [
        ("HTTP/1.1 100 Continue\r\n\r\n", Then::Repeat("HTTP/1.1 100 Continue\r\n\r\n")),
        ("HTTP/1.1 200 OK\r\n", Then::Repeat("x: y\r\n")),
        ("HTTP/1.1 200 OK\r\nx: ", Then::KeepOpen),
        ("", Then::KeepOpen),
    ] {
        let reply = reply_to(bytes, then).await;
        assert_eq!(reply.result, PostResult::Fault(Fault::Timeout), "{bytes}: {:?}", reply.error);
    }
}

#[tokio::test]
async fn a_head_without_bounds_is_no_answer() {
    let lines = "x: y\r\n".repeat(20_000);
    let reply = reply_to(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"), Then::KeepOpen).await;
    assert_eq!(reply.result, PostResult::Fault(Fault::Broken));
}

/// The status is known, so an endless body does not change the outcome.
#[tokio::test]
async fn an_answer_that_never_ends_has_its_status_all_the_same() {
    for code in [200, 410, 400, 503] {
        let answer = format!("HTTP/1.1 {code} Fine\r\nRetry-After: 7\r\n\r\nthinking");
        let reply = reply_to(answer, Then::Repeat(".")).await;
        let expected = PostResult::Answered { code, retry_after: Some(RetryAfter::Seconds(7)) };
        assert_eq!(reply.result, expected, "{:?}", reply.error);
        assert!(reply.excerpt.starts_with("thinking."));
    }
}

#[tokio::test]
async fn a_2xx_that_may_go_on_to_name_failed_events_takes_nothing() {
    for (body, then) in [
        ("Content-Length: 90\r\n\r\n{\"status\":\"partial\",", Then::Close),
        ("Content-Length: 90\r\n\r\n{\"status\":\"partial\",", Then::KeepOpen),
        ("Content-Length: 90\r\n\r\n", Then::Close),
        ("\r\n{\"log\":\"", Then::Repeat("x")),
        ("\r\n", Then::Repeat(" ")),
        ("\r\n{\"log\":\"", Then::Close),
        ("Transfer-Encoding: chunked\r\n\r\n9\r\n{\"failed\"\r\n", Then::Close),
        ("Transfer-Encoding: chunked\r\n\r\n9\r\n{\"failed\"\r\nzz", Then::KeepOpen),
        ("Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", Then::KeepOpen),
        ("Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Then::KeepOpen),
    ] {
        let reply = reply_to(format!("HTTP/1.1 200 OK\r\n{body}"), then).await;
        assert_eq!(reply.result, unreadable(), "{body:?} {then:?}");
        assert!(reply.error.is_some_and(|error| error.starts_with("the answer ")), "{body:?}");
    }
}

#[tokio::test]
async fn a_list_of_failed_events_is_read_however_it_is_sent() {
    let one = batch_id(1, 1).event(1);
    let list = format!(r#"{{"failed":["{one}"]}}"#);
    let (first, second) = list.split_at(9);
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x};name=value\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n",
        first.len(),
        second.len()
    );
    for (rest, then) in [
        (format!("Content-Length: {}\r\n\r\n{list}", list.len()), Then::KeepOpen),
        (format!("\r\n{list}"), Then::Close),
        (format!("{chunked}\r\n"), Then::KeepOpen),
        (format!("{chunked}x-trailer: 1\r\n\r\n"), Then::KeepOpen),
        // The bytes after the list are broken, but no part of the list is missing.
        (format!("{chunked}not a trailer\r\n\r\n"), Then::KeepOpen),
        (format!("Content-Length: {}\r\n\r\n{list}", list.len() + 9), Then::Close),
    ] {
        let reply = reply_to(format!("HTTP/1.1 200 OK\r\n{rest}"), then).await;
        assert_eq!((reply.result, reply.failed), (status(200), vec![one]), "{rest:?}: {:?}", reply.error);
    }
}

/// Bytes after an answer belong to no request: the next request must not take them for its answer.
#[tokio::test]
async fn what_follows_an_answer_does_not_answer_the_next_webhook() {
    let refused = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
    for first in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{refused}"),
        format!("HTTP/1.1 204 No Content\r\n\r\n{refused}"),
        format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n{refused}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{refused}"),
    ] {
        let code = if first.starts_with("HTTP/1.1 304") { 304 } else { first[9..12].parse().unwrap() };
        let second = script("HTTP/1.1 202 Fine\r\nContent-Length: 0\r\n\r\n", Then::KeepOpen);
        let server = RawServer::start(vec![script(first.clone(), Then::KeepOpen), second]).await;
        let client = client(WebhookConfig { timeout_ms: 2000, ..WebhookConfig::default() });
        assert_eq!(post(&client, server.url()).await.result, status(code), "{first:?}");
        assert_eq!(post(&client, server.url()).await.result, status(202), "after {first:?}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 2, "the connection is not used again");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_an_answer_with_odd_headers() {
    let odd = "HTTP/1.1 200 OK\r\nx-folded: a\r\n b\r\nno colon\r\nContent-Length: 2\r\n\r\nok";
    let server = RawServer::start(vec![script(odd, Then::KeepOpen)]).await;
    let client = client(WebhookConfig::default());
    for _ in 0..3 {
        assert_eq!(post(&client, server.url()).await.result, status(200));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// An endpoint may answer after reading only the headers, and close without reading the body.
#[tokio::test]
async fn an_answer_before_the_end_of_the_webhook_counts() {
    for then in [Then::Close, Then::KeepOpen] {
        let bytes =
            b"HTTP/1.1 413 Too Large\r\nRetry-After: 7\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let answer = Script { bytes: bytes.to_vec(), then, reads: Reads::Head };
        let server = RawServer::start(vec![answer]).await;
        let client = client(WebhookConfig { timeout_ms: 2000, ..WebhookConfig::default() });
        let target = target(server.url());
        let reply = client.post(&target, webhook_with(&target, 3_000_000)).await;
        let expected = PostResult::Answered { code: 413, retry_after: Some(RetryAfter::Seconds(7)) };
        assert_eq!(reply.result, expected, "{then:?}: {:?}", reply.error);
    }
}
