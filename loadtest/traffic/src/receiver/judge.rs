//! Decides how a request is answered, and counts it.

use std::sync::Arc;
use std::time::Duration;

use super::behaviour::{Behaviour, ReceiverReply};
use super::request::RequestHead;
use super::signature::{SignatureError, SignedHeaders};
use super::tracker::ReceivedDelivery;
use super::{KeptDelivery, ReceiverShared, SignatureVerdict};
use crate::random::SeededRandom;
use crate::response::{Lines, header_value};
use crate::scan::{ScannedMark, event_id_before, scan};

/// How to answer a request.
pub(super) enum ReceiverAnswer {
    Say(u16, Vec<u8>),
    Hang,
    Close,
    Reset,
    Cut,
}

/// A whole request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceivedRequest<'a> {
    pub(super) head: &'a RequestHead<'a>,
    pub(super) head_bytes: &'a [u8],
    pub(super) body: &'a [u8],
    /// When the body was read, Unix time in ns.
    pub(super) received_ns: u64,
}

/// Returns true for a webhook delivery, false for a question to the receiver.
pub(super) fn is_delivery(head: &RequestHead<'_>) -> bool {
    head.method == b"POST" && head.path != b"/reset"
}

/// Decides on the requests of one connection; holds a buffer for marks and a random generator.
#[derive(Debug)]
pub(super) struct RequestJudge {
    shared: Arc<ReceiverShared>,
    random: SeededRandom,
    marks: Vec<ScannedMark>,
}

impl RequestJudge {
    pub(super) fn new(shared: Arc<ReceiverShared>, seed: u64) -> Self {
        Self { shared, random: SeededRandom::new(seed), marks: Vec::new() }
    }

    /// How long the next answer waits.
    pub(super) fn delay(&mut self, behaviour: &Behaviour) -> Duration {
        behaviour.delay(&mut self.random)
    }

    /// Decides on a request and counts it.
    pub(super) fn answer(&mut self, received: &ReceivedRequest<'_>, behaviour: &Behaviour) -> ReceiverAnswer {
        match (received.head.method, received.head.path) {
            (b"GET", b"/stats") => say_stats(&self.shared),
            (b"POST", b"/reset") => {
                self.shared.reset();
                ReceiverAnswer::Say(200, b"{}".to_vec())
            }
            (b"PUT", b"/behaviour") => changed(
                serde_json::from_slice(received.body).map_err(|error| error.to_string()),
                |behaviour| self.shared.behave(behaviour, Vec::new()),
            ),
            (b"PUT", b"/pattern") => {
                changed(serde_json::from_slice(received.body).map_err(|error| error.to_string()), |phases| {
                    self.shared.behave(Behaviour::default(), phases)
                })
            }
            _ if is_delivery(received.head) => self.deliver(received, behaviour),
            _ => ReceiverAnswer::Say(405, Vec::new()),
        }
    }

    fn deliver(&mut self, received: &ReceivedRequest<'_>, behaviour: &Behaviour) -> ReceiverAnswer {
        let verified = verify(&self.shared, received);
        let answer = if verified.is_err() {
            self.shared.tracker.lock().refuse_signature();
            ReceiverAnswer::Say(401, b"{}".to_vec())
        } else {
            self.reply(received, behaviour)
        };
        if self.shared.kept.limits().deliveries > 0 {
            keep(&self.shared, received, verified, &answer);
        }
        self.shared.changed.notify_waiters();
        answer
    }

    /// Takes or refuses a delivery, as the behaviour has it.
    fn reply(&mut self, received: &ReceivedRequest<'_>, behaviour: &Behaviour) -> ReceiverAnswer {
        let ReceivedRequest { head, body, received_ns, .. } = *received;
        let garbled = scan(body, &mut self.marks);
        let found = self.marks.len() as u64 + garbled;
        let reply = behaviour.choose(&mut self.random);
        let ReceiverReply::Status(status @ 200..300) = reply else {
            self.shared.tracker.lock().refuse(head.event_count.unwrap_or(found));
            return match reply {
                ReceiverReply::Status(status) => ReceiverAnswer::Say(status, b"{}".to_vec()),
                ReceiverReply::Hang => ReceiverAnswer::Hang,
                ReceiverReply::Close => ReceiverAnswer::Close,
                ReceiverReply::Reset => ReceiverAnswer::Reset,
                ReceiverReply::Cut => ReceiverAnswer::Cut,
            };
        };
        let failed = fail_events(body, &mut self.marks, behaviour.fail_events_share, &mut self.random);
        let delivery = ReceivedDelivery {
            subscription: head.subscription.unwrap_or(head.path),
            id: head.webhook_id,
            event_count: head.event_count.map(|count| count.saturating_sub(failed.len() as u64)),
            body_bytes: body.len() as u64,
            received_ns,
            garbled,
        };
        take(&self.shared, &delivery, &self.marks, failed.len());
        ReceiverAnswer::Say(status, failed_answer(&failed))
    }
}

fn say_stats(shared: &ReceiverShared) -> ReceiverAnswer {
    let stats = shared.tracker.lock().stats();
    match serde_json::to_vec(&stats) {
        Ok(json) => ReceiverAnswer::Say(200, json),
        Err(error) => ReceiverAnswer::Say(500, error.to_string().into_bytes()),
    }
}

fn changed<T>(
    asked: Result<T, String>,
    change: impl FnOnce(T) -> Result<(), &'static str>,
) -> ReceiverAnswer {
    match asked.and_then(|asked| change(asked).map_err(str::to_owned)) {
        Ok(()) => ReceiverAnswer::Say(200, b"{}".to_vec()),
        Err(fault) => ReceiverAnswer::Say(400, fault.into_bytes()),
    }
}

fn verify(shared: &ReceiverShared, received: &ReceivedRequest<'_>) -> Result<(), SignatureError> {
    let ReceivedRequest { head, body, received_ns, .. } = *received;
    let headers = SignedHeaders {
        id: head.webhook_id,
        timestamp: head.webhook_timestamp,
        signature: head.webhook_signature,
    };
    shared.verifier.verify(&headers, body, received_ns / 1_000_000_000)
}

/// Counts a delivery, of which `failed` events were not taken.
fn take(shared: &ReceiverShared, delivery: &ReceivedDelivery<'_>, marks: &[ScannedMark], failed: usize) {
    let full = {
        let mut tracker = shared.tracker.lock();
        tracker.refuse_events(failed as u64);
        tracker.take(delivery, marks)
    };
    if full {
        shared.write_entries();
    }
}

/// Removes a share of the marks; returns the ids of their events, which are to fail.
fn fail_events(
    body: &[u8],
    marks: &mut Vec<ScannedMark>,
    share: f64,
    random: &mut SeededRandom,
) -> Vec<String> {
    let (mut failed, mut from) = (Vec::new(), 0);
    if share > 0.0 {
        marks.retain(|mark| {
            let id = event_id_before(body, std::mem::replace(&mut from, mark.at), mark.at);
            let fails = random.unit() < share && id.is_some();
            failed.extend(id.filter(|_| fails).map(|id| String::from_utf8_lossy(id).into_owned()));
            !fails
        });
    }
    failed
}

fn failed_answer(failed: &[String]) -> Vec<u8> {
    if failed.is_empty() {
        return b"{}".to_vec();
    }
    serde_json::json!({ "failed": failed }).to_string().into_bytes()
}

fn keep(
    shared: &ReceiverShared,
    received: &ReceivedRequest<'_>,
    verified: Result<(), SignatureError>,
    answer: &ReceiverAnswer,
) {
    let ReceivedRequest { head, head_bytes, body, received_ns } = *received;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let header = |line: &[u8]| {
        let colon = memchr::memchr(b':', line)?;
        let value = header_value(line, &line[..colon].to_ascii_lowercase())?;
        Some((text(&line[..colon]).to_ascii_lowercase(), text(value)))
    };
    let (answered, answer) = match answer {
        ReceiverAnswer::Say(status, said) => (Some(*status), said.clone()),
        ReceiverAnswer::Hang | ReceiverAnswer::Close | ReceiverAnswer::Reset | ReceiverAnswer::Cut => {
            (None, Vec::new())
        }
    };
    let limits = shared.kept.limits();
    let delivery = KeptDelivery {
        number: 0,
        received_ns,
        path: text(head.path),
        headers: Lines(head_bytes).skip(1).filter_map(header).collect(),
        body: body[..body.len().min(limits.body_bytes)].to_vec(),
        body_bytes: body.len(),
        signature: match verified {
            Ok(()) if shared.verifier.is_blind() => SignatureVerdict::NotChecked,
            Ok(()) => SignatureVerdict::Good,
            Err(why) => SignatureVerdict::Bad(why.to_string()),
        },
        answered,
        answer,
    };
    shared.kept.push(delivery);
}
