//! A program of the README; `tests/sdk` compares them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the program of a page is as short as it can be"
)]

// ---
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use std::{collections::HashSet, sync::Mutex};

#[derive(serde::Deserialize)]
struct Received {
    event_id: String,
    event_type: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = std::env::var("SLUICE_WEBHOOK_SECRET")?;
    let verifier: &_ = Box::leak(Box::new(sluice_sdk::Verifier::new(secrets.split(' '))?));
    let seen: &_ = Box::leak(Box::new(Mutex::new(HashSet::new())));
    let port = std::env::var("PORT").unwrap_or_else(|_| "9000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let receive = service_fn(move |request: Request<hyper::body::Incoming>| async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let status = match verifier.verify::<Vec<Received>>(&body, &head.headers) {
                Ok(events) => {
                    for event in events {
                        if seen.lock().unwrap().insert(event.event_id.clone()) {
                            println!("{} {}", event.event_type.unwrap_or_default(), event.event_id);
                        }
                    }
                    StatusCode::NO_CONTENT
                }
                Err(_) => StatusCode::BAD_REQUEST,
            };
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            Ok::<_, hyper::Error>(response)
        });
        tokio::spawn(http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(socket), receive));
    }
}
