//! The demo's receivers as the console shows them: the webhooks that each got, and how it answers.

use crate::answer::DemoRefusal;
use crate::webhook::{BUSY_S, SLOW};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_model::clock::rfc3339_string;
use sluice_traffic::receiver::{
    Behaviour, KeepLimits, KeptDeliveries, KeptDelivery, ReceiverHandle, ReceiverReply, SignatureVerdict,
    Verifier,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The limits on the webhooks that are kept of one receiver.
pub const KEEP: KeepLimits = KeepLimits { deliveries: 100, bytes: 8 << 20, body_bytes: 128 << 10 };

/// How a receiver answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// 200.
    Take,
    /// Sometimes 500.
    Sometimes,
    /// 500.
    Error,
    /// 400: a dead letter at once.
    Refuse,
    /// 410: the subscription is disabled.
    Gone,
    /// 429 with `Retry-After`.
    Busy,
    /// 200 after three seconds.
    Slow,
    /// 200, with a list of some events that failed.
    Part,
    /// No answer.
    Hang,
}

impl AnswerMode {
    /// The behaviour of a receiver of marked traffic in this mode.
    pub fn behaviour(self) -> Behaviour {
        let base = Behaviour::default();
        match self {
            Self::Take => base,
            Self::Sometimes => Behaviour { fail_share: 0.1, ..base },
            Self::Error => Behaviour::status(500),
            Self::Refuse => Behaviour::status(400),
            Self::Gone => Behaviour::status(410),
            Self::Busy => Behaviour { retry_after_s: Some(BUSY_S), ..Behaviour::status(429) },
            Self::Slow => Behaviour { delay_ms: SLOW.as_millis() as u64, ..base },
            Self::Part => Behaviour { fail_events_share: 0.2, ..base },
            Self::Hang => Behaviour { reply: ReceiverReply::Hang, ..base },
        }
    }
}

/// A receiver of the demo.
pub struct DemoReceiver {
    /// Its name in paths.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The subscription that sends to it.
    pub workflow_id: String,
    /// Its kind.
    pub kind: ReceiverKind,
}

/// The kinds of receivers.
pub enum ReceiverKind {
    /// It counts the sample traffic.
    Traffic(Arc<ReceiverHandle>, Mutex<AnswerMode>),
    /// It sends mails.
    Mail(Arc<MailReceiver>),
}

/// The backend's own receiver: `POST /demo/webhook`.
pub struct MailReceiver {
    pub(crate) verifier: Verifier,
    pub(crate) kept: KeptDeliveries,
    mode: Mutex<AnswerMode>,
    taken: AtomicU64,
    refused: AtomicU64,
}

impl MailReceiver {
    /// Takes webhooks that this secret (`whsec_…`) has signed.
    ///
    /// # Errors
    /// If the secret is malformed.
    pub fn new(secret: &str) -> Result<Self, sluice_traffic::receiver::SecretError> {
        Ok(Self {
            verifier: Verifier::new(&[secret.to_owned()])?,
            kept: KeptDeliveries::new(KEEP),
            mode: Mutex::new(AnswerMode::Take),
            taken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    pub(crate) fn mode(&self) -> AnswerMode {
        *self.mode.lock()
    }

    pub(crate) fn count(&self, status: u16) {
        let counter = if (200..300).contains(&status) { &self.taken } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// All receivers.
pub(crate) struct Receivers(pub(crate) Vec<DemoReceiver>);

impl DemoReceiver {
    fn kept(&self) -> &KeptDeliveries {
        match &self.kind {
            ReceiverKind::Traffic(handle, _) => handle.kept(),
            ReceiverKind::Mail(mail) => &mail.kept,
        }
    }

    fn mode(&self) -> AnswerMode {
        match &self.kind {
            ReceiverKind::Traffic(_, mode) => *mode.lock(),
            ReceiverKind::Mail(mail) => mail.mode(),
        }
    }

    fn view(&self) -> Value {
        let (taken, refused, events) = match &self.kind {
            ReceiverKind::Traffic(handle, _) => {
                let stats = handle.stats();
                (stats.deliveries, stats.deliveries_refused + stats.signature_failures, Some(stats.events))
            }
            ReceiverKind::Mail(mail) => {
                (mail.taken.load(Ordering::Relaxed), mail.refused.load(Ordering::Relaxed), None)
            }
        };
        let (kept, let_go) = self.kept().count();
        json!({
            "name": self.name, "title": self.title, "workflow_id": self.workflow_id, "answer": self.mode(),
            "taken": taken, "refused": refused, "events": events, "kept": kept, "let_go": let_go,
        })
    }
}

impl Receivers {
    pub(crate) fn view(&self) -> Value {
        json!({ "receivers": self.0.iter().map(DemoReceiver::view).collect::<Vec<_>>() })
    }

    fn find(&self, name: &str) -> Result<&DemoReceiver, DemoRefusal> {
        self.0.iter().find(|receiver| receiver.name == name).ok_or_else(|| DemoRefusal::not_found("receiver"))
    }

    /// Makes a receiver answer in this mode from now on.
    pub(crate) fn behave(&self, name: &str, mode: AnswerMode) -> Result<Value, DemoRefusal> {
        let receiver = self.find(name)?;
        match &receiver.kind {
            ReceiverKind::Traffic(handle, known) => {
                handle
                    .set_behaviour(mode.behaviour())
                    .expect("the behaviours of a mode are within their ranges");
                *known.lock() = mode;
            }
            ReceiverKind::Mail(mail) => *mail.mode.lock() = mode,
        }
        Ok(receiver.view())
    }

    /// The newest webhooks of one receiver or of all, the newest first.
    pub(crate) fn list(&self, name: Option<&str>, limit: usize) -> Result<Value, DemoRefusal> {
        let chosen = match name {
            Some(name) => std::slice::from_ref(self.find(name)?),
            None => &self.0,
        };
        let mut all: Vec<(&DemoReceiver, Arc<KeptDelivery>)> = Vec::new();
        for receiver in chosen {
            all.extend(
                receiver.kept().all().into_iter().rev().take(limit).map(|delivery| (receiver, delivery)),
            );
        }
        all.sort_by_key(|(_, delivery)| std::cmp::Reverse(delivery.received_ns));
        all.truncate(limit);
        let requests: Vec<Value> = all.iter().map(|(receiver, delivery)| line(receiver, delivery)).collect();
        Ok(json!({ "requests": requests }))
    }

    /// One webhook, whole.
    pub(crate) fn one(&self, id: &str) -> Result<Value, DemoRefusal> {
        let gone = || DemoRefusal::not_found("request: it may have been let go for newer ones");
        let (name, number) = id.rsplit_once('.').ok_or_else(gone)?;
        let receiver = self.find(name)?;
        let delivery =
            number.parse().ok().and_then(|number| receiver.kept().find(number)).ok_or_else(gone)?;
        let mut view = line(receiver, &delivery);
        view["headers"] = json!(delivery.headers);
        view["body"] = json!(String::from_utf8_lossy(&delivery.body));
        view["body_cut"] = json!(delivery.body.len() < delivery.body_bytes);
        view["answer"] = json!(String::from_utf8_lossy(&delivery.answer));
        Ok(view)
    }

    pub(crate) fn clear(&self) {
        for receiver in &self.0 {
            receiver.kept().clear();
        }
    }
}

/// A webhook as a list shows it.
fn line(receiver: &DemoReceiver, delivery: &KeptDelivery) -> Value {
    let number = |name: &str| delivery.header(name).and_then(|value| value.parse::<u64>().ok());
    let (signature, fault) = match &delivery.signature {
        SignatureVerdict::NotChecked => ("not_checked", None),
        SignatureVerdict::Good => ("good", None),
        SignatureVerdict::Bad(why) => ("bad", Some(why)),
    };
    json!({
        "id": format!("{}.{}", receiver.name, delivery.number),
        "receiver": receiver.name,
        "time": rfc3339_string(delivery.received_ns / 1_000_000),
        "path": delivery.path,
        "status": delivery.answered,
        "signature": signature,
        "signature_fault": fault,
        "webhook_id": delivery.header("webhook-id"),
        "attempt": number("sluice-attempt"),
        "events": number("sluice-event-count"),
        "bytes": delivery.body_bytes,
        "first_event_id": first_event_id(&delivery.body),
    })
}

/// The id of a webhook's first event: it begins with the field, which Sluice writes.
fn first_event_id(body: &[u8]) -> Option<&str> {
    const BEFORE: &[u8] = br#"{"event_id":""#;
    const ID_BYTES: usize = 36;
    let id = body.strip_prefix(b"[").unwrap_or(body).strip_prefix(BEFORE)?.get(..ID_BYTES)?;
    std::str::from_utf8(id).ok().filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receivers() -> (Receivers, Arc<MailReceiver>) {
        let mail = Arc::new(MailReceiver::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let kind = ReceiverKind::Mail(mail.clone());
        let receiver = DemoReceiver { name: "mail", title: "mails", workflow_id: "w".into(), kind };
        (Receivers(vec![receiver]), mail)
    }

    fn delivery(body: &[u8]) -> KeptDelivery {
        KeptDelivery {
            number: 0,
            received_ns: 1_700_000_000_000_000_000,
            path: "/hook".into(),
            headers: vec![("sluice-attempt".into(), "2".into()), ("x".into(), "<script>".into())],
            body: body.to_vec(),
            body_bytes: body.len(),
            signature: SignatureVerdict::Bad("no signature matches".into()),
            answered: None,
            answer: Vec::new(),
        }
    }

    #[test]
    fn a_webhook_is_listed_and_shown_whole() {
        let (all, mail) = receivers();
        let event = br#"[{"event_id":"019ad000-0000-7000-8000-000000000001","payload":1}]"#;
        assert_eq!(first_event_id(event), Some("019ad000-0000-7000-8000-000000000001"));
        assert!(
            [&b"[]"[..], b"", br#"[{"event_id":"<script>"}]"#, &event[..40]]
                .iter()
                .all(|odd| first_event_id(odd).is_none())
        );
        mail.kept.push(delivery(b"[1]"));
        mail.kept.push(delivery(&[b'x'; 200 << 10]));
        let list = all.list(None, 10).unwrap();
        assert_eq!(list["requests"][0]["id"], "mail.2");
        assert_eq!(list["requests"][1]["attempt"], 2);
        assert_eq!(list["requests"][1]["signature_fault"], "no signature matches");
        assert_eq!(list["requests"].as_array().unwrap().len(), 2);
        assert_eq!(all.list(Some("mail"), 1).unwrap()["requests"].as_array().unwrap().len(), 1);
        let one = all.one("mail.1").unwrap();
        assert_eq!((&one["body"], &one["body_cut"]), (&json!("[1]"), &json!(false)));
        assert_eq!(all.one("mail.2").unwrap()["body_cut"], true);
        for id in ["mail.3", "mail.0", "mail.x", "other.1", "mail", "", "..", "mail.18446744073709551616"] {
            assert_eq!(all.one(id).unwrap_err().status, 404, "{id}");
        }
        all.clear();
        assert_eq!(all.one("mail.1").unwrap_err().status, 404);
    }

    #[test]
    fn the_way_it_answers_is_chosen_by_name() {
        let (all, mail) = receivers();
        assert_eq!(all.behave("mail", AnswerMode::Gone).unwrap()["answer"], "gone");
        assert_eq!(mail.mode(), AnswerMode::Gone);
        assert_eq!(all.behave("nobody", AnswerMode::Gone).unwrap_err().status, 404);
        for mode in ["take", "sometimes", "error", "refuse", "gone", "busy", "slow", "part", "hang"] {
            let mode: AnswerMode = serde_json::from_value(json!(mode)).unwrap();
            let receiver = sluice_traffic::receiver::Receiver::start(Default::default()).unwrap();
            receiver.set_behaviour(mode.behaviour()).unwrap();
        }
    }
}
