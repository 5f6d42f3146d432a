use super::*;
use async_trait::async_trait;
use serde_json::{Value, json};

const ID: &str = "019ad000-0000-7000-8000-000000000001";

/// Sends nothing, and returns scripted results.
#[derive(Default)]
struct ToldMailer {
    sent: Mutex<Vec<Mail>>,
    fails: Mutex<Option<MailError>>,
}

#[async_trait]
impl Mailer for ToldMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        tokio::task::yield_now().await;
        if let Some(error) = self.fails.lock().clone() {
            return Err(error);
        }
        self.sent.lock().push(mail.clone());
        Ok("taken".to_owned())
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

fn event(id: &str, change: impl FnOnce(&mut Value)) -> WebhookEvent {
    let mut payload = json!({
        "document_type": "invoice", "priority": "high", "description": "It is overdue", "customer_email": "ann@example.com",
    });
    change(&mut payload);
    WebhookEvent { event_id: id.to_owned(), event_type: Some("document.invoice".to_owned()), payload }
}

fn open(directory: &Path, entries_max: usize) -> (Mailroom, Arc<ToldMailer>) {
    let mailer = Arc::new(ToldMailer::default());
    (Mailroom::open(mailer.clone(), directory, entries_max).unwrap(), mailer)
}

#[tokio::test]
async fn an_event_is_mailed_once_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (room, mailer) = open(directory.path(), 10);
        let before = room.sent();
        for _ in 0..3 {
            assert_eq!(room.handle(&event(ID, |_| {})).await, MailOutcome::Done);
        }
        assert_eq!((mailer.sent.lock().len() + before, room.sent()), (1, 1));
        assert_eq!(room.newest(10)[0].subject, "We are on it: your invoice");
    }
}

#[tokio::test]
async fn the_same_event_twice_at_once_is_mailed_once() {
    let directory = tempfile::tempdir().unwrap();
    let (room, mailer) = open(directory.path(), 10);
    let once = event(ID, |_| {});
    let (first, second) = tokio::join!(room.handle(&once), room.handle(&once));
    assert_eq!(first, MailOutcome::Done);
    assert!(matches!(second, MailOutcome::Later(..)), "{second:?}");
    assert_eq!(mailer.sent.lock().len(), 1);
    assert_eq!(room.handle(&once).await, MailOutcome::Done);
    assert_eq!(mailer.sent.lock().len(), 1);
}

#[tokio::test]
async fn a_mail_that_failed_is_sent_when_the_event_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let (room, mailer) = open(directory.path(), 10);
    let after = Some(Duration::from_secs(7));
    *mailer.fails.lock() = Some(MailError::Later { what: "busy".to_owned(), after });
    assert_eq!(room.handle(&event(ID, |_| {})).await, MailOutcome::Later("busy".to_owned(), after));
    assert_eq!(room.newest(1)[0].state, MailState::Failed);
    *mailer.fails.lock() = Some(MailError::Refused("no such user".to_owned()));
    assert_eq!(room.handle(&event(ID, |_| {})).await, MailOutcome::Refused("no such user".to_owned()));
    *mailer.fails.lock() = None;
    assert_eq!(room.handle(&event(ID, |_| {})).await, MailOutcome::Done);
    let entry = &room.newest(10)[0];
    assert_eq!((entry.state, entry.attempts, room.newest(10).len()), (MailState::Sent, 3, 1));
}

#[tokio::test]
async fn what_asks_for_no_mail_gets_none() {
    let directory = tempfile::tempdir().unwrap();
    let (room, mailer) = open(directory.path(), 10);
    for (nth, (change, why)) in [
        (json!({ "customer_email": null }), "customer_email is missing"),
        (json!({ "customer_email": "a@b.example\r\nBcc: c@d.example" }), "is not an e-mail address"),
        (json!({ "priority": "low" }), "rule does not ask"),
        (json!({ "priority": 7, "description": ["urgent"] }), "rule does not ask"),
    ]
    .into_iter()
    .enumerate()
    {
        let odd = event(&format!("event-{nth}"), |payload| {
            for (name, value) in change.as_object().unwrap() {
                payload[name] = value.clone();
            }
        });
        assert_eq!(room.handle(&odd).await, MailOutcome::Done);
        let entry = &room.newest(1)[0];
        assert!(entry.state == MailState::NotNeeded && entry.note.contains(why), "{entry:?}");
    }
    let odd = WebhookEvent { event_id: "event-9".to_owned(), event_type: None, payload: json!("urgent") };
    assert_eq!(room.handle(&odd).await, MailOutcome::Done);
    assert!(mailer.sent.lock().is_empty());
}

#[tokio::test]
async fn hostile_fields_stay_within_their_lines() {
    let directory = tempfile::tempdir().unwrap();
    let (room, mailer) = open(directory.path(), 10);
    let hostile = event(ID, |payload| {
        payload["document_type"] = json!("invoice\r\nBcc: x@y.example\u{1b}[31m");
        payload["customer_name"] = json!("Ann\nReply-To: x@y.example");
        payload["description"] = json!(format!("urgent\n.\r\nQUIT {}", "x".repeat(9000)));
    });
    assert_eq!(room.handle(&hostile).await, MailOutcome::Done);
    let mail = mailer.sent.lock()[0].clone();
    assert_eq!(mail.subject(), "We are on it: your invoice Bcc: x@y.example [31m");
    assert!(mail.text().contains("> .\n> QUIT") && mail.text().len() < 3000, "{}", mail.text());
}

#[tokio::test]
async fn the_list_is_bounded_and_a_cut_line_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let (room, _) = open(directory.path(), 3);
    for nth in 0..40 {
        room.handle(&event(&format!("event-{nth}"), |_| {})).await;
    }
    let ids = |room: &Mailroom| room.newest(10).into_iter().map(|entry| entry.event_id).collect::<Vec<_>>();
    assert_eq!(ids(&room), ["event-39", "event-38", "event-37"]);
    let path = directory.path().join("mails.jsonl");
    assert!(std::fs::read_to_string(&path).unwrap().lines().count() <= 3 * LINES_FACTOR);
    drop(room);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"event_id\":\"event-4").unwrap();
    drop(file);
    let (room, _) = open(directory.path(), 3);
    assert_eq!(ids(&room), ["event-39", "event-38", "event-37"]);
    room.handle(&event("event-40", |_| {})).await;
    drop(room);
    assert_eq!(ids(&open(directory.path(), 3).0), ["event-40", "event-39", "event-38"]);
}
