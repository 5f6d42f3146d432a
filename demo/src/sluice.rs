//! The backend's client of Sluice: the API, with a customer's key.

use crate::answer::DemoRefusal;
use http::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, redirect};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);
/// Tries of one event: with its idempotency key a repeat makes no second event.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// The longest `Retry-After` that is waited for.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A client of Sluice.
pub(crate) struct SluiceClient {
    client: Client,
    url: String,
    key: String,
}

#[derive(Deserialize)]
struct TakenEvent {
    event_id: String,
}

#[derive(Deserialize)]
struct Refused {
    error: RefusedError,
}

#[derive(Deserialize)]
struct RefusedError {
    code: String,
    message: String,
}

impl SluiceClient {
    pub(crate) fn new(url: &str, key: &str) -> Result<Self, reqwest::Error> {
        let client =
            Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(WITHIN).build()?;
        Ok(Self { client, url: url.to_owned(), key: key.to_owned() })
    }

    /// Sends an event and returns its id once Sluice has it on disk.
    pub(crate) async fn send(&self, event: &Value, idempotency_key: &str) -> Result<String, DemoRefusal> {
        let body = event.to_string();
        let mut left = TRIES;
        loop {
            left -= 1;
            let refusal = match self.try_once(&body, idempotency_key).await {
                Ok(id) => return Ok(id),
                Err(refusal) => refusal,
            };
            let after = refusal.retry_after_s.map_or(PAUSE, Duration::from_secs);
            let may_repeat = refusal.status.is_server_error() || refusal.retry_after_s.is_some();
            if left == 0 || !may_repeat || after > PAUSE_MAX {
                return Err(refusal);
            }
            tokio::time::sleep(after).await;
        }
    }

    async fn try_once(&self, body: &str, idempotency_key: &str) -> Result<String, DemoRefusal> {
        let request = self
            .client
            .post(format!("{}/v1/events", self.url))
            .bearer_auth(&self.key)
            .header("Idempotency-Key", idempotency_key)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        let away = |error: reqwest::Error| {
            let message = format!("Sluice did not answer: {}", sluice_traffic::chain(&error));
            DemoRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "SLUICE_AWAY", message)
        };
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.bytes().await.map_err(away)?;
        if status.is_success()
            && let Ok(taken) = serde_json::from_slice::<TakenEvent>(&body)
        {
            return Ok(taken.event_id);
        }
        let (code, message) = match serde_json::from_slice::<Refused>(&body) {
            Ok(Refused { error }) => (error.code, error.message),
            Err(_other) => ("UNKNOWN".to_owned(), String::new()),
        };
        // Sluice's 401 would read as if the caller's own credential were wrong.
        let shown = if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
            status
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        Err(DemoRefusal {
            retry_after_s: after,
            ..DemoRefusal::new(
                shown,
                "SLUICE_REFUSED",
                format!("Sluice answered {} {code}: {message}", status.as_u16()),
            )
        })
    }
}
