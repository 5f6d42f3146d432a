//! `POST /demo/webhook`: Sluice calls it for each event that the agent's rule selects.
//! It verifies the signature, has the mail sent and answers with the mail's outcome,
//! so that Sluice's retries and dead letters are those of the mails.
//!
//! | outcome | answer | what Sluice does |
//! |---|---|---|
//! | sent, or none needed | 200 | the event is delivered |
//! | the mail server is busy or away | 503, `Retry-After` | tries again |
//! | the mail is refused for good | 422 | makes it a dead letter at once |

use crate::mailroom::{MailOutcome, Mailroom};
use crate::receivers::{AnswerMode, MailReceiver};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_traffic::receiver::{KeptDelivery, SignatureVerdict, SignedHeaders};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long `slow` waits.
pub(crate) const SLOW: Duration = Duration::from_secs(3);
/// How long `hang` waits: longer than a webhook may take.
const HANG: Duration = Duration::from_secs(60);
/// The `Retry-After` of `busy`.
pub(crate) const BUSY_S: u32 = 5;

/// The fields of a webhook's event that the demo uses.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct WebhookEvent {
    pub(crate) event_id: String,
    pub(crate) event_type: Option<String>,
    #[serde(default)]
    pub(crate) payload: Value,
}

/// How a webhook is answered.
#[derive(Debug, PartialEq)]
pub(crate) struct WebhookAnswer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) retry_after_s: Option<u64>,
}

impl WebhookAnswer {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body, retry_after_s: None }
    }
}

/// Takes a webhook, and keeps it for the console.
pub(crate) async fn take(
    receiver: &MailReceiver,
    room: &Mailroom,
    parts: &Parts,
    body: &[u8],
) -> WebhookAnswer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = |name: &str| parts.headers.get(name).map(|value| value.as_bytes());
    let headers = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let verified = receiver.verifier.verify(&headers, body, now.as_secs());
    let answer = match &verified {
        Err(why) => WebhookAnswer::new(401, json!({ "error": why.to_string() })),
        Ok(()) => act(receiver.mode(), room, body).await,
    };
    receiver.count(answer.status);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    receiver.kept.push(KeptDelivery {
        number: 0,
        received_ns: now.as_nanos() as u64,
        path: parts.uri.to_string(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        body: body.to_vec(),
        body_bytes: body.len(),
        signature: match verified {
            Ok(()) => SignatureVerdict::Good,
            Err(why) => SignatureVerdict::Bad(why.to_string()),
        },
        answered: Some(answer.status),
        answer: answer.body.to_string().into_bytes(),
    });
    answer
}

/// Answers in the chosen mode, or sends the mails.
async fn act(mode: AnswerMode, room: &Mailroom, body: &[u8]) -> WebhookAnswer {
    match mode {
        AnswerMode::Take => send_all(room, body, |_| false).await,
        AnswerMode::Part => send_all(room, body, |_| coin(0.5)).await,
        AnswerMode::Sometimes if !coin(0.5) => send_all(room, body, |_| false).await,
        AnswerMode::Sometimes | AnswerMode::Error => {
            WebhookAnswer::new(500, json!({ "error": "chosen on the demo's page" }))
        }
        AnswerMode::Refuse => WebhookAnswer::new(400, json!({ "error": "chosen on the demo's page" })),
        AnswerMode::Gone => WebhookAnswer::new(410, json!({ "error": "chosen on the demo's page" })),
        AnswerMode::Busy => WebhookAnswer {
            retry_after_s: Some(BUSY_S.into()),
            ..WebhookAnswer::new(429, json!({ "error": "chosen on the demo's page" }))
        },
        AnswerMode::Slow => {
            tokio::time::sleep(SLOW).await;
            send_all(room, body, |_| false).await
        }
        AnswerMode::Hang => {
            tokio::time::sleep(HANG).await;
            WebhookAnswer::new(504, json!({}))
        }
    }
}

async fn send_all(room: &Mailroom, body: &[u8], fails: impl Fn(&WebhookEvent) -> bool) -> WebhookAnswer {
    let events: Vec<WebhookEvent> = match serde_json::from_slice(body) {
        Ok(events) => events,
        Err(error) => {
            return WebhookAnswer::new(
                400,
                json!({ "error": format!("this is no array of events: {error}") }),
            );
        }
    };
    let (mut failed, mut refused, mut wait) = (Vec::new(), Vec::new(), None);
    for event in &events {
        if fails(event) {
            failed.push((event, "chosen on the demo's page".to_owned()));
            continue;
        }
        match room.handle(event).await {
            MailOutcome::Done => {}
            MailOutcome::Later(why, after) => {
                failed.push((event, why));
                wait = wait.max(after);
            }
            MailOutcome::Refused(why) => refused.push(why),
        }
    }
    answer(events.len(), &failed, &refused, wait)
}

/// The subscription of mails has one event a webhook, so each mail has its own answer.
/// If somebody changes that, a webhook of several events is answered with the list of
/// those that failed.
fn answer(
    all: usize,
    failed: &[(&WebhookEvent, String)],
    refused: &[String],
    wait: Option<Duration>,
) -> WebhookAnswer {
    if let ([why, ..], true) = (refused, all == refused.len()) {
        return WebhookAnswer::new(422, json!({ "error": why }));
    }
    if let ([(_, why), ..], true) = (failed, all == failed.len()) {
        let seconds = wait.map_or(1, |wait| wait.as_secs().max(1));
        return WebhookAnswer {
            retry_after_s: Some(seconds),
            ..WebhookAnswer::new(503, json!({ "error": why }))
        };
    }
    let ids: Vec<&str> = failed.iter().map(|(event, _)| event.event_id.as_str()).collect();
    if ids.is_empty() {
        WebhookAnswer::new(200, json!({}))
    } else {
        WebhookAnswer::new(200, json!({ "failed": ids }))
    }
}

/// Returns true in `share` of calls.
fn coin(share: f64) -> bool {
    let mut byte = [0];
    getrandom::fill(&mut byte).is_ok() && f64::from(byte[0]) < share * 256.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_answer() {
        let event = WebhookEvent { event_id: "e-1".into(), event_type: None, payload: Value::Null };
        let failed = [(&event, "away".to_owned())];
        assert_eq!(answer(1, &[], &[], None), WebhookAnswer::new(200, json!({})));
        assert_eq!(answer(0, &[], &[], None).status, 200);
        let later = answer(1, &failed, &[], Some(Duration::from_secs(60)));
        assert_eq!((later.status, later.retry_after_s), (503, Some(60)));
        assert_eq!(answer(1, &failed, &[], None).retry_after_s, Some(1));
        assert_eq!(answer(1, &[], &["no".to_owned()], None).status, 422);
        assert_eq!(answer(2, &failed, &["no".to_owned()], None).body, json!({ "failed": ["e-1"] }));
    }
}
