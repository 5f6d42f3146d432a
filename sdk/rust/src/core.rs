//! Sends requests, and retries failed ones.

use crate::error::{FaultKind, SdkError};
use crate::request::{IDEMPOTENCY_KEY, PreparedRequest, QueryPairs, RequestTarget, WholeAnswer};
use crate::retry::{FailedAttempt, RetryLimits, wait};
use crate::tls::tls_config;
use http::{HeaderValue, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// An answer with a longer body is refused.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How a client connects and waits.
#[derive(Debug, Clone)]
pub(crate) struct CoreSettings {
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub retry: RetryLimits,
}

/// The part that the clients of both listeners share.
#[derive(Debug)]
pub(crate) struct Core {
    http: reqwest::Client,
    pub target: RequestTarget,
    pub settings: CoreSettings,
}

impl Core {
    pub(crate) fn new(target: RequestTarget, settings: CoreSettings) -> Result<Self, SdkError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config(target.is_secure())?)
            .connect_timeout(settings.connect_timeout.min(settings.timeout))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("sluice-rust/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SdkError::Setting(format!("the HTTP client cannot be made: {error}")))?;
        Ok(Self { http, target, settings })
    }

    /// The same client with connections of its own, for another runtime.
    pub(crate) fn renewed(&self) -> Result<Self, SdkError> {
        Self::new(self.target.clone(), self.settings.clone())
    }

    pub(crate) async fn call<T, Q, B>(
        &self,
        method: Method,
        path: &str,
        query: Option<&Q>,
        body: Option<&B>,
    ) -> Result<T, SdkError>
    where
        T: DeserializeOwned,
        Q: Serialize,
        B: Serialize,
    {
        self.send(&self.prepare(method, path, query, body)?).await?.value()
    }

    /// A call whose answer has no body.
    pub(crate) async fn call_empty<Q, B>(
        &self,
        method: Method,
        path: &str,
        query: Option<&Q>,
        body: Option<&B>,
    ) -> Result<(), SdkError>
    where
        Q: Serialize,
        B: Serialize,
    {
        self.send(&self.prepare(method, path, query, body)?).await.map(drop)
    }

    fn prepare<Q, B>(
        &self,
        method: Method,
        path: &str,
        query: Option<&Q>,
        body: Option<&B>,
    ) -> Result<PreparedRequest, SdkError>
    where
        Q: Serialize,
        B: Serialize,
    {
        let pairs = query.map_or_else(|| Ok(QueryPairs::default()), QueryPairs::of)?;
        self.target.prepare(method, path, &pairs, body.map(json_bytes).transpose()?)
    }

    /// The request that sends events; `body` is their JSON text.
    pub(crate) fn produce_request(
        &self,
        body: Vec<u8>,
        key: Option<&str>,
    ) -> Result<PreparedRequest, SdkError> {
        let mut request =
            self.target.prepare(Method::POST, "/v1/events", &QueryPairs::default(), Some(body))?;
        let key = key.map_or_else(fresh_key, |key| Ok(key.to_owned()))?;
        let key = HeaderValue::try_from(key)
            .map_err(|_| SdkError::Setting("an idempotency key must be printable ASCII".into()))?;
        request.headers.insert(IDEMPOTENCY_KEY, key);
        Ok(request)
    }

    /// Sends the same bytes until an answer counts, or the limits are reached.
    pub(crate) async fn send(&self, request: &PreparedRequest) -> Result<WholeAnswer, SdkError> {
        let mut failures = 0;
        loop {
            let error = match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            match next_wait(&self.settings.retry, request, failures, &error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// One attempt; an answer that is no success is an error.
    pub(crate) async fn attempt(&self, request: &PreparedRequest) -> Result<WholeAnswer, SdkError> {
        let exchange = async { whole(self.open(request).await?).await };
        let late = |_| SdkError::network(FaultKind::Timeout, "the server did not answer in time");
        let answer = tokio::time::timeout(self.settings.timeout, exchange).await.map_err(late)??;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.refused(now_ms())) }
    }

    /// One attempt, up to the head of the answer.
    pub(crate) async fn open(&self, request: &PreparedRequest) -> Result<reqwest::Response, SdkError> {
        let mut builder =
            self.http.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        builder.send().await.map_err(|error| fault_of(&error))
    }
}

/// How long to wait before the next attempt, if there should be one.
pub(crate) fn next_wait(
    limits: &RetryLimits,
    request: &PreparedRequest,
    failures: u32,
    error: &SdkError,
) -> Option<Duration> {
    let failure = FailedAttempt::of(error)?;
    wait(limits, request.method.as_str(), request.is_keyed(), failures, failure, now_ms(), random())
}

/// Reads the body of an answer, within bounds.
pub(crate) async fn whole(mut response: reqwest::Response) -> Result<WholeAnswer, SdkError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault_of(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let text = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
            return Err(SdkError::network(FaultKind::Broken, text));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(WholeAnswer { status: response.status(), headers: response.headers().clone(), body })
}

pub(crate) fn fault_of(error: &reqwest::Error) -> SdkError {
    let fault = if error.is_connect() {
        FaultKind::Connect
    } else if error.is_timeout() {
        FaultKind::Timeout
    } else {
        FaultKind::Broken
    };
    // The text of reqwest's error alone does not say why.
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    SdkError::network(fault, message)
}

pub(crate) fn json_bytes<B: Serialize + ?Sized>(value: &B) -> Result<Vec<u8>, SdkError> {
    serde_json::to_vec(value).map_err(|error| SdkError::Encode(error.to_string()))
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A unique Idempotency-Key.
fn fresh_key() -> Result<String, SdkError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| SdkError::Setting(format!("no random bytes: {error}")))?;
    // A UUID of version 4 (RFC 9562, 5.4).
    let number = (u128::from_be_bytes(bytes) & !(0xf << 76) | 4 << 76) & !(3 << 62) | 2 << 62;
    let hex = format!("{number:032x}");
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// A number in 0..1, for jitter.
fn random() -> f64 {
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::fresh_key;

    #[test]
    fn a_fresh_key_is_a_uuid_of_version_4() {
        let key = fresh_key().unwrap();
        let marks: String = [8, 13, 14, 18, 23].iter().map(|index| key.as_bytes()[*index] as char).collect();
        assert_eq!((key.len(), &*marks), (36, "--4--"));
        assert!("89ab".contains(key.as_bytes()[19] as char), "{key}");
        assert_ne!(key, fresh_key().unwrap());
    }
}
