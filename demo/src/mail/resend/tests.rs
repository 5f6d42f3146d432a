use super::super::contract::{self, ArrivedMail, sample};
use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;

/// An answer that the stand-in gives before it accepts a mail.
type Told = (u16, Option<u64>, Value);

/// Resend as its documentation describes it: `POST /emails`, keys that are known
/// for a day, errors with `statusCode`, `name` and `message`.
#[derive(Default)]
struct ResendStandIn {
    /// The body and the answer of each key.
    taken: Mutex<HashMap<String, (Value, Value)>>,
    told: Mutex<Vec<Told>>,
    requests: Mutex<usize>,
}

impl ResendStandIn {
    async fn start() -> (Arc<Self>, String) {
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Arc::new(Self::default());
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let serving = serving.clone();
                let service = service_fn(move |request| {
                    let serving = serving.clone();
                    async move { Ok::<_, Infallible>(serving.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (server, url)
    }

    async fn answer(&self, request: http::Request<Incoming>) -> http::Response<Full<Bytes>> {
        *self.requests.lock() += 1;
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (status, after, answer) = self.decide(&parts, &body);
        let mut response = http::Response::new(Full::new(Bytes::from(answer.to_string())));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        if let Some(seconds) = after {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        response
    }

    fn decide(&self, parts: &http::request::Parts, body: &[u8]) -> Told {
        if let Some(told) = self.told.lock().pop() {
            return told;
        }
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!((parts.method.as_str(), parts.uri.path()), ("POST", "/emails"));
        if header("user-agent").is_empty() {
            // It refuses requests without one.
            return (
                403,
                None,
                json!({ "statusCode": 403, "name": "invalid_user_agent", "message": "no agent" }),
            );
        }
        if header("authorization") != "Bearer re_right" {
            let message = "API key is invalid";
            return (403, None, json!({ "statusCode": 403, "name": "invalid_api_key", "message": message }));
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        assert!(
            body["from"].is_string()
                && body["to"].is_array()
                && body["subject"].is_string()
                && body["text"].is_string()
        );
        let mut taken = self.taken.lock();
        let next = json!({ "id": format!("49a3999c-{}", taken.len()) });
        let (known, answer) =
            taken.entry(header("idempotency-key").to_owned()).or_insert((body.clone(), next));
        if *known != body {
            let message = "This idempotency key has been used on a request with another body";
            return (
                409,
                None,
                json!({ "statusCode": 409, "name": "invalid_idempotent_request", "message": message }),
            );
        }
        (200, None, answer.clone())
    }

    fn arrived(&self) -> Vec<ArrivedMail> {
        let taken = self.taken.lock();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        taken
            .values()
            .map(|(body, answer)| ArrivedMail {
                identity: text(&answer["id"]),
                to: text(&body["to"][0]),
                subject: text(&body["subject"]),
                text: text(&body["text"]),
                headers: Vec::new(),
            })
            .collect()
    }
}

fn mailer(url: &str, key: &str) -> ResendMailer {
    let config = ResendConfig {
        url: url.to_owned(),
        api_key: Some(key.into()),
        timeout_ms: 1000,
        ..ResendConfig::default()
    };
    ResendMailer::new(&config, &MailSender::parse("Demo <demo@sluice.example>").unwrap()).unwrap()
}

#[tokio::test]
async fn resend_keeps_the_contract() {
    let (server, url) = ResendStandIn::start().await;
    contract::suite(&mailer(&format!("{url}/"), "re_right"), || server.arrived()).await;
}

#[tokio::test]
async fn busy_and_broken_answers_are_tried_again_and_then_left_to_later() {
    let (server, url) = ResendStandIn::start().await;
    let mailer = mailer(&url, "re_right");
    let busy =
        (429, Some(1), json!({ "statusCode": 429, "name": "rate_limit_exceeded", "message": "slow down" }));
    let broken = (500, None, json!("<html>"));
    *server.told.lock() = vec![busy.clone(), broken.clone()];
    mailer.send(&sample("k")).await.unwrap();
    assert_eq!(*server.requests.lock(), 3);
    *server.told.lock() = vec![broken.clone(), broken.clone(), broken];
    let error = mailer.send(&sample("k")).await.unwrap_err();
    assert!(matches!(&error, MailError::Later { what, .. } if what.contains("500")), "{error:?}");
    assert_eq!(*server.requests.lock(), 6);
    // A long pause is not waited for here.
    *server.told.lock() = vec![(busy.0, Some(40), busy.2)];
    let error = mailer.send(&sample("k")).await.unwrap_err();
    let MailError::Later { what, after } = error else { panic!("{error:?}") };
    assert!(
        after == Some(Duration::from_secs(40)) && what.contains("rate_limit_exceeded: slow down"),
        "{what}"
    );
    assert_eq!(*server.requests.lock(), 7);
}

#[tokio::test]
async fn each_refusal_says_whether_it_is_for_good() {
    let (server, url) = ResendStandIn::start().await;
    let error = mailer(&url, "re_wrong").send(&sample("k")).await.unwrap_err();
    assert!(
        matches!(&error, MailError::Later { after: Some(_), what } if what.contains("invalid_api_key")),
        "{error:?}"
    );
    assert!(!error.to_string().contains("re_wrong"));
    let mailer = mailer(&url, "re_right");
    let invalid =
        json!({ "statusCode": 422, "name": "validation_error", "message": "Invalid `to` field\r\n" });
    *server.told.lock() = vec![(422, None, invalid)];
    let error = mailer.send(&sample("k")).await.unwrap_err();
    assert!(matches!(&error, MailError::Refused(what) if what.ends_with("Invalid `to` field")), "{error:?}");
    let running =
        json!({ "statusCode": 409, "name": "concurrent_idempotent_requests", "message": "running" });
    *server.told.lock() = vec![(409, None, running)];
    mailer.send(&sample("k")).await.unwrap();
    assert_eq!(server.arrived().len(), 1);
    let other = Mail::new("k", sample("k").to().clone(), None, "another".into(), "text".into()).unwrap();
    let error = mailer.send(&other).await.unwrap_err();
    assert!(
        matches!(&error, MailError::Refused(what) if what.contains("invalid_idempotent_request")),
        "{error:?}"
    );
}

#[tokio::test]
async fn no_answer_and_half_an_answer_are_for_later() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let error = mailer(&url, "re_right").send(&sample("k")).await.unwrap_err();
    assert!(matches!(error, MailError::Later { .. }), "{error:?}");
    drop(silent);
    let error = mailer(&url, "re_right").send(&sample("k")).await.unwrap_err();
    assert!(matches!(error, MailError::Later { .. }), "{error:?}");
    let (server, url) = ResendStandIn::start().await;
    *server.told.lock() = vec![(200, None, json!({})), (200, None, json!([])), (200, None, json!("x"))];
    let error = mailer(&url, "re_right").send(&sample("k")).await.unwrap_err();
    assert!(matches!(&error, MailError::Later { what, .. } if what.contains("no id")), "{error:?}");
}
