//! Sending one webhook over HTTP: the request, its redirects, and the reading of the answer.

mod egress;
mod failed;
mod prepared;
mod reply;

pub use egress::EgressRoute;
pub use prepared::Prepared;
pub use reply::Reply;

pub(crate) use failed::{AnswerBody, BodyEnd, failed_events};

use crate::body::ChunkBody;
use crate::config::WebhookConfig;
use crate::guard::{AddressGuard, Forbidden};
use crate::outcome::{Fault, PostResult, RetryAfter};
use crate::resolver::GuardedResolver;
use crate::target::Target;
use async_trait::async_trait;
use egress::EgressRoutes;
use http::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

const REDIRECTS_MAX: usize = 3;

/// The most bytes of one entry of a list of failed events: an object with the id and a
/// sentence of reasons.
const FAILED_ENTRY_BYTES: usize = 256;

/// The most bytes of the head of an answer: hyper's limit for HTTP/1, and the same for
/// HTTP/2, whose own limit is 16 KiB.
const HEAD_BYTES_MAX: u32 = 8192 + 4096 * 100;

/// Why the client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS, or a proxy's address, is unusable.
    #[error("the webhook client: {0}")]
    Http(#[from] reqwest::Error),
    /// A file of a route cannot be read.
    #[error("the webhook client: webhook.routes: {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// Carries a signed webhook to its endpoint, by HTTP or in a simulation.
#[async_trait]
pub trait Wire: Send + Sync + 'static {
    /// Sends a webhook and waits for the whole answer, or for the failure that stands for it.
    ///
    /// Dropping the future gives the attempt up; the endpoint may have taken it.
    async fn post(&self, target: &Target, webhook: Prepared) -> Reply;
}

/// Sends webhooks over HTTP.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    http: reqwest::Client,
    routes: EgressRoutes,
    guard: AddressGuard,
    /// Checks the hosts that a proxy is asked for.
    resolver: Arc<GuardedResolver>,
    config: WebhookConfig,
}

impl WebhookClient {
    /// A client with its own connection pool.
    ///
    /// # Errors
    /// If TLS cannot be set up, or a file of a route cannot be read.
    pub fn new(config: WebhookConfig, guard: AddressGuard) -> Result<Self, ClientError> {
        let resolver = Arc::new(GuardedResolver::new(guard.clone()));
        let http = builder(&config).dns_resolver(Arc::clone(&resolver)).build()?;
        let routes = EgressRoutes::new(&config, &guard)?;
        Ok(Self { http, routes, guard, resolver, config })
    }

    /// POSTs, and POSTs again to the target of each 307 and 308; every hop passes the guard.
    async fn follow(
        &self,
        mut url: Url,
        own: &HeaderMap,
        webhook: &Prepared,
    ) -> Result<reqwest::Response, Reply> {
        let origin = url.origin();
        for _ in 0..=REDIRECTS_MAX {
            self.guard
                .check_url(&url)
                .map_err(|forbidden| Reply::fault(Fault::ForbiddenUrl, forbidden.to_string()))?;
            let mut headers = webhook.headers().clone();
            // The customer's own headers are secrets, meant only for the host that the customer named.
            if !own.is_empty() && url.origin() == origin {
                headers.extend(own.clone());
            }
            let answer = self
                .way_to(&url)
                .await?
                .post(url.clone())
                .headers(headers)
                .body(reqwest::Body::wrap(ChunkBody::new(Arc::clone(webhook.chunks()))))
                .send()
                .await
                .map_err(failure)?;
            match answer.status() {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = redirected(&url, answer.headers())?;
                }
                _ => return Ok(answer),
            }
        }
        Err(Reply::fault(Fault::Redirect, format!("redirected more than {REDIRECTS_MAX} times")))
    }

    /// The client for a URL. Refuses a host that a proxy must not reach.
    async fn way_to(&self, url: &Url) -> Result<&reqwest::Client, Reply> {
        let Some((route, client)) = self.routes.to(url) else { return Ok(&self.http) };
        if route.proxy.is_some() {
            egress::judge(&self.resolver, url).await.map_err(|refused| match refused {
                Some(forbidden) => Reply::fault(Fault::ForbiddenAddress, forbidden.to_string()),
                None => Reply::fault(Fault::Connect, "the host's name is not known"),
            })?;
        }
        Ok(client)
    }

    /// Reads the answer's body and decides what the answer means. The status is already known: if
    /// it is not a 2xx, no body changes its meaning.
    async fn read(&self, mut answer: reqwest::Response, webhook: &Prepared, deadline: Instant) -> Reply {
        let code = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| RetryAfter::parse(value, webhook.signed_ms()));
        let events: usize = webhook.events().iter().map(|events| events.events.len()).sum();
        let bytes_max = self.config.answer_bytes_max + events * FAILED_ENTRY_BYTES;
        let coding = coding(answer.headers());
        let (bytes, end) = read_body(&mut answer, bytes_max, deadline).await;
        let excerpt = &bytes[..bytes.len().min(self.config.excerpt_bytes_max)];
        let excerpt = String::from_utf8_lossy(excerpt).into_owned();
        let answered = PostResult::Answered { code, retry_after };
        if !answer.status().is_success() {
            return Reply { result: answered, failed: Vec::new(), error: None, excerpt };
        }
        match failed_events(&AnswerBody { bytes, end, bytes_max, coding }, webhook.events()) {
            Ok(failed) => Reply { result: answered, failed, error: None, excerpt },
            Err(unreadable) => {
                let error = Some(reply::shortened(unreadable.to_string()));
                let result = PostResult::Unreadable { code, retry_after };
                Reply { result, failed: Vec::new(), error, excerpt }
            }
        }
    }
}

/// A client for which the status line decides: odd headers are ignored.
fn builder(config: &WebhookConfig) -> reqwest::ClientBuilder {
    // reqwest uses the process's provider and panics without one. If another thread installs
    // one first, that one is used.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    reqwest::Client::builder()
        .user_agent(&config.user_agent)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .pool_idle_timeout(Duration::from_millis(config.idle_timeout_ms))
        .pool_max_idle_per_host(config.concurrency_max as usize)
        .http1_max_headers(config.answer_headers_max)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http2_max_header_list_size(HEAD_BYTES_MAX)
}

#[async_trait]
impl Wire for WebhookClient {
    /// Waits within the configured timeout.
    async fn post(&self, target: &Target, webhook: Prepared) -> Reply {
        let url = match target.url() {
            Ok(url) => url.clone(),
            Err(error) => return Reply::fault(Fault::ForbiddenUrl, format!("the webhook's URL: {error}")),
        };
        let timeout_ms = self.config.timeout_ms;
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        match timeout_at(deadline, self.follow(url, target.headers(), &webhook)).await {
            Ok(Ok(answer)) => self.read(answer, &webhook, deadline).await,
            Ok(Err(reply)) => reply,
            Err(_) => Reply::fault(Fault::Timeout, format!("no answer within {timeout_ms} ms")),
        }
    }
}

/// Reads a body up to `bytes_max` bytes and until `deadline`.
async fn read_body(
    answer: &mut reqwest::Response,
    bytes_max: usize,
    deadline: Instant,
) -> (Vec<u8>, BodyEnd) {
    let mut bytes = Vec::new();
    let end = loop {
        match timeout_at(deadline, answer.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = bytes_max - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break BodyEnd::TooLong;
                }
            }
            Ok(Ok(None)) => break BodyEnd::Whole,
            Ok(Err(error)) => break BodyEnd::CutOff(chain(&error.without_url())),
            Err(_) => break BodyEnd::CutOff("its end did not come in time".into()),
        }
    };
    (bytes, end)
}

/// The coding of the body, if it has another one than `chunked`.
fn coding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(TRANSFER_ENCODING).iter().chain(headers.get_all(CONTENT_ENCODING));
    let all: Vec<_> = lines.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let codings = all.iter().flat_map(|line| line.split(',')).map(str::trim);
    let is_plain =
        |coding: &&str| ["", "identity", "chunked"].iter().any(|plain| coding.eq_ignore_ascii_case(plain));
    codings.into_iter().find(|coding| !is_plain(coding)).map(str::to_owned)
}

fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, Reply> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    let target =
        target.ok_or_else(|| Reply::fault(Fault::Redirect, "redirected without a usable Location"))?;
    if from.scheme() == "https" && target.scheme() != "https" {
        return Err(Reply::fault(Fault::Redirect, "redirected from https to something else"));
    }
    Ok(target)
}

/// The reply if the head of an answer did not come.
fn failure(error: reqwest::Error) -> Reply {
    let error = error.without_url();
    let mut fault = if error.is_builder() {
        Fault::ForbiddenUrl
    } else if error.is_timeout() || error.is_connect() {
        // The timeout of the whole attempt is not reqwest's, so this one is that of connecting.
        Fault::Connect
    } else {
        Fault::Broken
    };
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if cause.is::<Forbidden>() {
            fault = Fault::ForbiddenAddress;
        }
        source = cause.source();
    }
    Reply::fault(fault, chain(&error))
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
