//! The event stream (`GET /v1/stream`): reads it, and resumes where it broke.

use crate::client::StreamOptions;
use crate::core::{Core, fault_of, next_wait, whole};
use crate::error::{FaultKind, SdkError};
use crate::http_date;
use crate::request::{PreparedRequest, QueryPairs};
use crate::retry::RetryLimits;
use crate::sse::SseParser;
use crate::types::StoredEvent;
use http::header::{ACCEPT, DATE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Events as they are accepted, without end. Dropping it ends it.
#[derive(Debug)]
pub struct EventStream {
    core: Arc<Core>,
    query: QueryPairs,
    last_event_id: Option<String>,
    limits: RetryLimits,
    idle_timeout: Duration,
    failures: u32,
    response: Option<reqwest::Response>,
    parser: SseParser,
}

impl EventStream {
    pub(crate) fn new(core: Arc<Core>, query: QueryPairs, options: StreamOptions) -> Self {
        Self {
            limits: core.settings.retry.with_retries(options.max_retries),
            core,
            query,
            last_event_id: options.last_event_id,
            idle_timeout: options.idle_timeout,
            failures: 0,
            response: None,
            parser: SseParser::default(),
        }
    }

    /// The position of the stream: give it to a later stream to resume there.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// The next event. Cancelling loses nothing.
    ///
    /// # Errors
    /// If the server refuses the stream, or after too many failures in a row.
    pub async fn next(&mut self) -> Result<StoredEvent, SdkError> {
        loop {
            while let Some(message) = self.parser.next() {
                if message.id.as_ref().is_some_and(|id| !id.is_empty()) {
                    self.last_event_id = message.id;
                }
                if let Some(data) = message.data {
                    return serde_json::from_str(&data).map_err(|error| SdkError::Answer(error.to_string()));
                }
            }
            let request = self.request()?;
            if let Err(error) = self.read(&request).await {
                self.failed(&request, error).await?;
            }
        }
    }

    /// Reads a chunk, and connects first if needed.
    async fn read(&mut self, request: &PreparedRequest) -> Result<(), SdkError> {
        let late = |_| SdkError::network(FaultKind::Timeout, "the stream was silent for too long");
        if self.response.is_none() {
            let response =
                tokio::time::timeout(self.idle_timeout, self.core.open(request)).await.map_err(late)??;
            if response.status() != StatusCode::OK {
                let answer =
                    tokio::time::timeout(self.idle_timeout, whole(response)).await.map_err(late)??;
                return Err(answer.refused(crate::core::now_ms()));
            }
            self.remember_start(&response);
            self.parser = SseParser::default();
            self.response = Some(response);
        }
        let response = self.response.as_mut().expect("it was just connected");
        let chunk = tokio::time::timeout(self.idle_timeout, response.chunk()).await.map_err(late)?;
        let Some(chunk) = chunk.map_err(|error| fault_of(&error))? else {
            return Err(SdkError::network(FaultKind::Broken, "the stream ended"));
        };
        self.failures = 0;
        if self.parser.feed(&chunk) {
            Ok(())
        } else {
            Err(SdkError::Answer("a line of the stream is too long".into()))
        }
    }

    fn request(&self) -> Result<PreparedRequest, SdkError> {
        let mut request = self.core.target.prepare(Method::GET, "/v1/stream", &self.query, None)?;
        request.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = &self.last_event_id {
            let value = HeaderValue::try_from(id)
                .map_err(|_| SdkError::Setting("last_event_id is no position of a stream".into()))?;
            request.headers.insert(LAST_EVENT_ID, value);
        }
        Ok(request)
    }

    /// A stream that breaks before its first id begins again at this time, by the server's clock.
    fn remember_start(&mut self, response: &reqwest::Response) {
        if self.last_event_id.is_some() || self.query.contains("start_time") {
            return;
        }
        let date =
            response.headers().get(DATE).and_then(|value| value.to_str().ok()).and_then(http_date::millis);
        self.query = self.query.with("start_time", date.map(|ms| ms.to_string()).as_deref());
    }

    async fn failed(&mut self, request: &PreparedRequest, error: SdkError) -> Result<(), SdkError> {
        self.response = None;
        self.failures += 1;
        let wait = next_wait(&self.limits, request, self.failures, &error).ok_or(error)?;
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
