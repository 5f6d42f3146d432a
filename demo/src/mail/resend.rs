//! Mails through Resend's HTTP API: `POST /emails`.
//! <https://resend.com/docs/api-reference/emails/send-email>
//!
//! The mail's key is the `Idempotency-Key`, under which Resend sends a mail once
//! within a day. 429, 5xx and no answer are tried again here a few times, within
//! seconds; then the webhook fails and Sluice tries again.

use super::config::ResendConfig;
use super::letter::MailSender;
use super::{Mail, MailError, Mailer};
use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use serde::{Deserialize, Serialize};
use sluice_model::config::read_secret;
use std::time::Duration;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest `Retry-After` that is waited for here.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long to wait before a refused key or domain is tried again.
const DENIED_FOR: Duration = Duration::from_secs(60);
/// A refusal of a key whose first request is still under way.
const STILL_UNDER_WAY: &str = "concurrent_idempotent_requests";

/// Sends mails through Resend.
pub struct ResendMailer {
    client: Client,
    url: String,
    authorization: HeaderValue,
    from: String,
    tries: u32,
}

#[derive(Serialize)]
struct ResendMail<'a> {
    from: &'a str,
    to: [&'a str; 1],
    subject: &'a str,
    text: &'a str,
}

#[derive(Deserialize)]
struct ResendTaken {
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResendRefusal {
    name: String,
    message: String,
}

impl ResendMailer {
    /// Sets the client up; nothing is connected yet.
    ///
    /// # Errors
    /// If the key cannot be read.
    pub fn new(config: &ResendConfig, sender: &MailSender) -> Result<Self, MailError> {
        let key = match &config.api_key_file {
            Some(path) => read_secret(path).map_err(|error| MailError::Refused(error.to_string()))?,
            None => config.api_key.as_deref().unwrap_or_default().to_owned(),
        };
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.trim()))
            .map_err(|_odd| MailError::Refused("the key of Resend has characters that no key has".into()))?;
        authorization.set_sensitive(true);
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_millis(config.timeout_ms))
            .timeout(Duration::from_millis(config.timeout_ms))
            .user_agent(concat!("sluice-demo/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| MailError::Refused(format!("the client of Resend: {error}")))?;
        let url = format!("{}/emails", config.url.trim_end_matches('/'));
        Ok(Self { client, url, authorization, from: sender.text(), tries: config.tries })
    }

    async fn try_once(&self, mail: &Mail, body: &str) -> Result<String, MailError> {
        let request = self
            .client
            .post(&self.url)
            .header("Authorization", self.authorization.clone())
            .header("Idempotency-Key", mail.key())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        let answer = request.send().await.map_err(|error| MailError::later(self.failed(&error)))?;
        let (status, after) = (answer.status(), retry_after(&answer));
        let body = read(answer).await.map_err(|error| MailError::later(self.failed(&error)))?;
        if status.is_success() {
            return match serde_json::from_slice::<ResendTaken>(&body) {
                Ok(taken) => Ok(taken.id),
                Err(error) => Err(MailError::later(format!("{}: its answer has no id: {error}", self.url))),
            };
        }
        Err(refusal(&self.url, status, after, &body))
    }

    fn failed(&self, error: &reqwest::Error) -> String {
        format!("{}: {}", self.url, sluice_traffic::chain(error))
    }
}

#[async_trait]
impl Mailer for ResendMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let to = [mail.to().as_str()];
        let body = ResendMail { from: &self.from, to, subject: mail.subject(), text: mail.text() };
        let body = serde_json::to_string(&body).expect("a mail is plain data");
        let mut pause = PAUSE;
        let mut left = self.tries;
        loop {
            left -= 1;
            let error = match self.try_once(mail, &body).await {
                Ok(id) => return Ok(id),
                Err(error) => error,
            };
            match &error {
                MailError::Later { after, .. }
                    if left > 0 && after.is_none_or(|after| after <= PAUSE_MAX) =>
                {
                    tokio::time::sleep(after.unwrap_or(pause)).await;
                    pause *= 2;
                }
                _ => return Err(error),
            }
        }
    }

    fn place(&self) -> String {
        format!("Resend at {}", self.url)
    }
}

/// The error of an answer whose status is no success.
fn refusal(url: &str, status: StatusCode, after: Option<Duration>, body: &[u8]) -> MailError {
    let told: ResendRefusal = serde_json::from_slice(body).unwrap_or_default();
    let message: String = told.message.chars().filter(|letter| !letter.is_control()).take(300).collect();
    let what = format!("{url}: {} {}: {message}", status.as_u16(), told.name);
    match status.as_u16() {
        401 | 403 => MailError::Later { what, after: Some(DENIED_FOR) },
        408 | 429 | 500.. => MailError::Later { what, after },
        409 if told.name == STILL_UNDER_WAY => MailError::Later { what, after },
        _ => MailError::Refused(what),
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds: u64 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// The body, or its beginning.
async fn read(mut answer: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            body.truncate(ANSWER_BYTES_MAX);
            break;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
