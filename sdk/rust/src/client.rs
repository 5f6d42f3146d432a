//! The clients of both listeners.

use crate::batch_limits::BatcherOptions;
use crate::batcher::Batcher;
use crate::core::{Core, CoreSettings, json_bytes};
use crate::error::SdkError;
use crate::request::{QueryPairs, RequestTarget};
use crate::retry::RetryLimits;
use crate::stream::EventStream;
use crate::types::{Accepted, AcceptedMany, Event};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The options of a client: start from `ClientOptions::default()` and change fields.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The server's URL; this machine if absent.
    pub base_url: Option<String>,
    /// The time limit of a whole attempt.
    pub timeout: Duration,
    /// The time limit of connecting.
    pub connect_timeout: Duration,
    /// Which requests are repeated, and how.
    pub retry: RetryLimits,
    /// Bodies from this size on are sent as gzip.
    pub gzip_min_bytes: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            base_url: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            retry: RetryLimits::default(),
            gzip_min_bytes: 1024,
        }
    }
}

impl ClientOptions {
    fn core(&self, key: &str, default_url: &str) -> Result<Arc<Core>, SdkError> {
        if self.timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(SdkError::Setting("timeout and connect_timeout must be more than 0".into()));
        }
        let target =
            RequestTarget::new(self.base_url.as_deref().unwrap_or(default_url), key, self.gzip_min_bytes)?;
        let settings =
            CoreSettings { timeout: self.timeout, connect_timeout: self.connect_timeout, retry: self.retry };
        Core::new(target, settings).map(Arc::new)
    }
}

/// A customer's client; clones share their connections. Failed requests that may be repeated are
/// retried as `retry` says. Requests that send events always carry an `Idempotency-Key`, so the
/// events are accepted once.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
}

/// Which events a stream has, and where it begins.
#[derive(Debug, Clone, Serialize)]
pub struct StreamOptions {
    /// Events of this type.
    pub event_type: Option<String>,
    /// Events of this source.
    pub source: Option<String>,
    /// Events with this tag.
    pub tag: Option<String>,
    /// Where the stream begins, in RFC 3339; now if absent.
    pub start_time: Option<String>,
    /// The position of an earlier stream with the same filter.
    #[serde(skip)]
    pub last_event_id: Option<String>,
    /// Failures in a row before the stream fails.
    #[serde(skip)]
    pub max_retries: u32,
    /// A stream that is silent for longer is begun again.
    #[serde(skip)]
    pub idle_timeout: Duration,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            event_type: None,
            source: None,
            tag: None,
            start_time: None,
            last_event_id: None,
            max_retries: 20,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl Client {
    /// A client for a customer's key.
    ///
    /// # Errors
    /// If an option is absurd.
    pub fn new(api_key: &str, options: &ClientOptions) -> Result<Self, SdkError> {
        options.core(api_key, "http://127.0.0.1:8080").map(|core| Self { core })
    }

    /// Sends one event. When this returns, the event is durable.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn send_event(
        &self,
        event: &Event,
        idempotency_key: Option<&str>,
    ) -> Result<Accepted, SdkError> {
        let request = self.core.produce_request(json_bytes(event)?, idempotency_key)?;
        self.core.send(&request).await?.value()
    }

    /// Sends up to 10,000 events. Those that were accepted are durable; each refused one has an `error`.
    ///
    /// # Errors
    /// As [`SdkError`] tells.
    pub async fn send_events(
        &self,
        events: &[Event],
        idempotency_key: Option<&str>,
    ) -> Result<AcceptedMany, SdkError> {
        let request = self.core.produce_request(json_bytes(events)?, idempotency_key)?;
        self.core.send(&request).await?.value()
    }

    /// A queue that sends single events in batches.
    ///
    /// # Errors
    /// If an option is absurd.
    pub fn batcher(&self, options: BatcherOptions) -> Result<Batcher, SdkError> {
        Batcher::new(Arc::clone(&self.core), options)
    }

    /// Events as they are accepted, without end; a broken stream resumes where it was.
    ///
    /// # Errors
    /// If the options cannot be written as a query.
    pub fn stream(&self, options: StreamOptions) -> Result<EventStream, SdkError> {
        let query = QueryPairs::of(&options)?;
        Ok(EventStream::new(Arc::clone(&self.core), query, options))
    }
}

/// An operator's client, for the admin listener; clones share their connections.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(crate) core: Arc<Core>,
}

impl Admin {
    /// A client for the admin token.
    ///
    /// # Errors
    /// If an option is absurd.
    pub fn new(admin_token: &str, options: &ClientOptions) -> Result<Self, SdkError> {
        options.core(admin_token, "http://127.0.0.1:8081").map(|core| Self { core })
    }
}
