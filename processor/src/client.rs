//! One webhook over HTTP: the request, its redirects, and what the answer says.

use crate::body::ChunkBody;
use crate::config::WebhookConfig;
use crate::guard::{Forbidden, Guard};
use crate::outcome::{Answer, Fault, RetryAfter};
use crate::resolver::GuardedResolver;
use crate::sign::SignError;
use crate::target::Target;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use sluice_model::trace::{self, TraceParent};
use sluice_model::{DeliveryId, EventId};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const SUBSCRIPTION_ID: HeaderName = HeaderName::from_static("sluice-subscription-id");
const ATTEMPT: HeaderName = HeaderName::from_static("sluice-attempt");
const EVENT_COUNT: HeaderName = HeaderName::from_static("sluice-event-count");

const REDIRECTS_MAX: usize = 3;

/// What one entry of a list of failed events takes: a quoted id, a comma, and some spaces.
const FAILED_ENTRY_BYTES: usize = 48;

/// The longest description of an error that is kept.
const ERROR_BYTES_MAX: usize = 300;

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the webhook client: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// A signed request, ready to go.
#[derive(Debug, Clone)]
pub struct Prepared {
    headers: HeaderMap,
    chunks: Arc<[Bytes]>,
    events: usize,
    /// The attempt's span and its parent, where the first event has a trace.
    pub(crate) trace: Option<(TraceParent, TraceParent)>,
}

impl Prepared {
    /// Signs a webhook.
    ///
    /// # Errors
    /// If the subscription has no usable secret.
    pub fn sign(
        target: &Target,
        delivery: DeliveryId,
        attempt: u32,
        events: usize,
        chunks: Arc<[Bytes]>,
        now_ms: u64,
    ) -> Result<Self, SignError> {
        let id = delivery.to_string();
        let signature = target.signer()?.sign(&id, now_ms / 1000, &chunks, now_ms)?;
        let text = |value: String| HeaderValue::try_from(value).expect("ids, digits and base64 fit a header");
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(WEBHOOK_ID, text(id));
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now_ms / 1000));
        headers.insert(WEBHOOK_SIGNATURE, text(signature));
        headers.insert(SUBSCRIPTION_ID, target.id_header());
        headers.insert(ATTEMPT, HeaderValue::from(attempt));
        headers.insert(EVENT_COUNT, HeaderValue::from(events));
        // Each attempt is a span of its own.
        let span = delivery.as_u128() as u64 ^ u64::from(attempt).rotate_right(16);
        let trace = trace_of(&chunks).map(|parent| (parent.child(span), parent));
        if let Some((own, _)) = trace {
            headers.insert(trace::HEADER, text(own.as_str().to_owned()));
        }
        Ok(Self { headers, chunks, events, trace })
    }

    /// What goes with the body.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// For the outcome rules.
    pub answer: Answer,
    /// The events that a 2xx answer did not take.
    pub failed: Vec<EventId>,
    /// What went wrong, where no answer came.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub excerpt: String,
}

impl Reply {
    /// No answer came.
    #[must_use]
    pub fn fault(fault: Fault, error: impl Into<String>) -> Self {
        let mut error = error.into();
        error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
        Self { answer: Answer::Fault(fault), failed: Vec::new(), error: Some(error), excerpt: String::new() }
    }

    /// The HTTP status, where an answer came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self.answer {
            Answer::Status { code, .. } => Some(code),
            Answer::Fault(_) => None,
        }
    }
}

/// What carries a signed webhook to its endpoint: HTTP, or what a simulation
/// puts in its place.
#[async_trait]
pub trait Wire: Send + Sync + 'static {
    /// Sends a webhook and waits for the whole answer, or for what counts as none.
    ///
    /// Dropping the future gives the attempt up; the endpoint may have taken it.
    async fn post(&self, target: &Target, webhook: Prepared) -> Reply;
}

/// Sends webhooks over HTTP.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    http: reqwest::Client,
    guard: Guard,
    config: WebhookConfig,
}

impl WebhookClient {
    /// A client with its own connection pool.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(config: WebhookConfig, guard: Guard) -> Result<Self, ClientError> {
        // reqwest takes the process's provider and panics without one. Losing
        // the race to install it is fine: somebody else's is there then.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        let http = reqwest::Client::builder()
            .user_agent(&config.user_agent)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .pool_idle_timeout(Duration::from_millis(config.idle_timeout_ms))
            .pool_max_idle_per_host(config.concurrency_max as usize)
            .dns_resolver(Arc::new(GuardedResolver::new(guard.clone())))
            .build()?;
        Ok(Self { http, guard, config })
    }

    /// POSTs, and again where a 307 or 308 points; every hop passes the guard.
    async fn follow(&self, mut url: Url, webhook: Prepared) -> Result<Reply, Reply> {
        for _ in 0..=REDIRECTS_MAX {
            self.guard
                .check_url(&url)
                .map_err(|forbidden| Reply::fault(Fault::ForbiddenUrl, forbidden.to_string()))?;
            let answer = self
                .http
                .post(url.clone())
                .headers(webhook.headers.clone())
                .body(reqwest::Body::wrap(ChunkBody::new(Arc::clone(&webhook.chunks))))
                .send()
                .await
                .map_err(failure)?;
            match answer.status() {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = redirected(&url, answer.headers())?;
                }
                _ => return self.read(answer, webhook.events).await,
            }
        }
        Err(Reply::fault(Fault::Redirect, format!("redirected more than {REDIRECTS_MAX} times")))
    }

    /// Reads the answer's body, as much of it as matters.
    async fn read(&self, mut answer: reqwest::Response, events: usize) -> Result<Reply, Reply> {
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(RetryAfter::parse);
        let max = self.config.answer_bytes_max + events * FAILED_ENTRY_BYTES;
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(max - body.len())]),
                Ok(None) => break,
                // Of a 2xx the body may name failed events: without all of it
                // the events are not known to be taken.
                Err(error) if status.is_success() => return Err(failure(error)),
                Err(_) => break,
            }
            if body.len() >= max {
                break;
            }
        }
        let excerpt = &body[..body.len().min(self.config.excerpt_bytes_max)];
        Ok(Reply {
            answer: Answer::Status { code: status.as_u16(), retry_after },
            failed: if status.is_success() { failed_events(&body) } else { Vec::new() },
            error: None,
            excerpt: String::from_utf8_lossy(excerpt).into_owned(),
        })
    }
}

/// The trace of a webhook's first event; a long one is in a chunk of its own.
fn trace_of(chunks: &[Bytes]) -> Option<TraceParent> {
    match chunks {
        [bracket, envelopes, ..] if bracket == "[" => TraceParent::of_envelope(envelopes),
        [first, ..] => TraceParent::of_envelope(first),
        [] => None,
    }
}

#[async_trait]
impl Wire for WebhookClient {
    /// Waits within the configured timeout.
    async fn post(&self, target: &Target, webhook: Prepared) -> Reply {
        let url = match target.url() {
            Ok(url) => url.clone(),
            Err(error) => return Reply::fault(Fault::ForbiddenUrl, format!("the webhook's URL: {error}")),
        };
        let timeout = Duration::from_millis(self.config.timeout_ms);
        match tokio::time::timeout(timeout, self.follow(url, webhook)).await {
            Ok(Ok(reply) | Err(reply)) => reply,
            Err(_) => Reply::fault(Fault::Timeout, format!("no answer within {} ms", timeout.as_millis())),
        }
    }
}

fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, Reply> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok());
    let to = to.ok_or_else(|| Reply::fault(Fault::Redirect, "redirected without a usable Location"))?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(Reply::fault(Fault::Redirect, "redirected from https to something else"));
    }
    Ok(to)
}

/// The ids in `{"failed":["…"]}`; none where the body is anything else.
pub(crate) fn failed_events(body: &[u8]) -> Vec<EventId> {
    #[derive(serde::Deserialize)]
    struct Answer {
        failed: Vec<String>,
    }
    if !body.trim_ascii_start().starts_with(b"{") {
        return Vec::new();
    }
    let parsed = serde_json::from_slice::<Answer>(body);
    parsed
        .map_or_else(|_| Vec::new(), |answer| answer.failed.iter().filter_map(|id| id.parse().ok()).collect())
}

fn failure(error: reqwest::Error) -> Reply {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut fault = if error.is_timeout() {
        // The whole attempt's timeout is not reqwest's: this one is connecting.
        Fault::Connect
    } else if error.is_builder() {
        Fault::ForbiddenUrl
    } else if error.is_connect() {
        Fault::Connect
    } else {
        Fault::Broken
    };
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if cause.is::<Forbidden>() {
            fault = Fault::ForbiddenAddress;
        }
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    Reply::fault(fault, text)
}

#[cfg(test)]
mod tests;
