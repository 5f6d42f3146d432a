use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;
use crate::target::HttpVersion;
use crate::tls::TlsSettings;

/// A server that says `answers`, one a request, and then closes.
async fn server(answers: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4];
        for answer in answers {
            stream.read_exact(&mut request).await.expect("a request");
            for part in answer.chunks(50_000) {
                stream.write_all(part).await.expect("written");
                tokio::task::yield_now().await;
            }
        }
    });
    address
}

const PING: Rendered<'static> = Rendered { bytes: b"ping", head_bytes: 4 };

async fn connected(answers: Vec<Vec<u8>>) -> LoadClient {
    let (url, limit) = (format!("http://{}", server(answers).await), Duration::from_secs(10));
    let target = SendTarget::resolve(&url, &TlsSettings::default(), HttpVersion::Http1, limit).await;
    let mut client = LoadClient::new(Arc::new(target.expect("a target")), 0, limit);
    client.connect().await.expect("connected");
    client
}

fn answer(status: u16, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[tokio::test]
async fn answers_follow_one_another_on_a_connection() {
    let long = vec![b'x'; 3_000_000];
    let mut continued = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    continued.extend(answer(202, b"{}"));
    let mut client = connected(vec![answer(202, b"abc"), answer(500, &long), continued]).await;
    for (status, body) in [(202, b"abc".as_slice()), (500, &long[..BODY_KEPT_MAX]), (202, b"{}")] {
        let answer = client.exchange(&PING, Instant::now()).await.expect("an answer");
        assert_eq!((answer.status, answer.body), (status, body));
    }
}

#[tokio::test]
async fn a_closed_connection_is_noticed_and_given_up() {
    let mut client = connected(vec![]).await;
    let failed = client.exchange(&PING, Instant::now()).await.map(|_| ());
    assert!(matches!(failed, Err(ExchangeError::Closed | ExchangeError::Lost(_))), "{failed:?}");
    assert!(!client.is_connected());
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_gives_the_connection_up() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n".to_vec();
    let mut client = connected(vec![chunked]).await;
    let failed = client.exchange(&PING, Instant::now()).await.map(|_| ());
    assert!(matches!(failed, Err(ExchangeError::Response(ResponseError::BadChunk(_)))), "{failed:?}");
    assert!(!client.is_connected());
}

#[tokio::test]
async fn bodies_end_where_their_chunks_or_the_connection_end() {
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_vec();
    let until_close = b"HTTP/1.1 500 X\r\n\r\nto the end".to_vec();
    let mut client = connected(vec![chunked, until_close]).await;
    for (status, body, open) in [(200, b"abcde".as_slice(), true), (500, b"to the end", false)] {
        let answer = client.exchange(&PING, Instant::now()).await.expect("an answer");
        assert_eq!((answer.status, answer.body), (status, body));
        assert_eq!(client.is_connected(), open);
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_dropped_before_it_is_used() {
    let mut client = connected(vec![answer(202, b"{}")]).await;
    client.exchange(&PING, Instant::now()).await.expect("an answer");
    let closed = async {
        while !client.drop_if_stale() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("it is noticed");
    assert!(!client.is_connected());
}

#[tokio::test]
async fn a_deadline_counts_from_the_start_of_each_operation() {
    let mut deadline = Deadline::new(Duration::from_millis(400));
    for _ in 0..3 {
        let slow = tokio::time::sleep(Duration::from_millis(200));
        assert!(deadline.run(Instant::now(), slow).await.is_some());
    }
}

#[tokio::test]
async fn an_operation_without_end_is_ended() {
    let mut deadline = Deadline::new(Duration::from_millis(20));
    for _ in 0..2 {
        let started = Instant::now();
        assert!(deadline.run(started, std::future::pending::<()>()).await.is_none());
        assert!(started.elapsed() >= Duration::from_millis(20));
    }
}
