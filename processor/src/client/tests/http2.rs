//! Answers over HTTP/2.

use super::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The part of a body that the server sends, and whether it ends the body.
#[derive(Clone)]
struct HttpTwoAnswer {
    headers: HeaderMap,
    body: String,
    ends: bool,
}

async fn serve(answered: HttpTwoAnswer) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |_: Request<Incoming>| {
            let HttpTwoAnswer { headers, body, ends } = answered.clone();
            let first = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from(body)))]);
            let rest = futures_util::stream::poll_fn(move |_| match ends {
                true => std::task::Poll::Ready(None),
                false => std::task::Poll::Pending,
            });
            let mut response = Response::new(StreamBody::new(futures_util::StreamExt::chain(first, rest)));
            *response.headers_mut() = headers;
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(stream), service).await);
    });
    (address, task)
}

async fn reply_over_http_2(answered: HttpTwoAnswer) -> Reply {
    let (address, server) = serve(answered).await;
    let mut client = client(WebhookConfig { timeout_ms: 500, ..WebhookConfig::default() });
    client.http = builder(&client.config).http2_prior_knowledge().build().unwrap();
    let reply = post(&client, format!("http://{address}/hook")).await;
    server.abort();
    reply
}

#[tokio::test]
async fn large_headers_do_not_decide() {
    let mut headers = HeaderMap::new();
    for n in 0..300 {
        headers
            .insert(http::HeaderName::try_from(format!("x-{n}")).unwrap(), "y".repeat(200).parse().unwrap());
    }
    headers.insert(RETRY_AFTER, "7".parse().unwrap());
    let one = batch_id(1, 1).event(1);
    let answered = HttpTwoAnswer { headers, body: format!(r#"{{"failed":["{one}"]}}"#), ends: true };
    let reply = reply_over_http_2(answered).await;
    let expected = PostResult::Answered { code: 200, retry_after: Some(RetryAfter::Seconds(7)) };
    assert_eq!((reply.result, reply.failed), (expected, vec![one]), "{:?}", reply.error);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_judged_by_what_came() {
    for (body, expected) in [
        ("thinking", status(200)),
        (r#"{"log":"thinking"#, PostResult::Unreadable { code: 200, retry_after: None }),
    ] {
        let answered = HttpTwoAnswer { headers: HeaderMap::new(), body: body.into(), ends: false };
        assert_eq!(reply_over_http_2(answered).await.result, expected, "{body}");
    }
}
