//! Sends one mail for each event that the agent's rule selects, and lists the mails.
//!
//! A webhook may be repeated (after a crash, a lost answer, a replay), so the mailroom
//! remembers on disk the events that it sent a mail for: `mails.jsonl` has a line for
//! each change, and the last line of an event counts. A mail is sent, then recorded,
//! then the webhook is answered. After a crash in between, the mail is sent again with
//! the same key, which a folder and Resend take for the same mail.

use crate::mail::{Mail, MailAddress, MailError, Mailer};
use crate::rule::{DocumentPriority, judge};
use crate::webhook::WebhookEvent;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sluice_model::clock::{now_ms, rfc3339_string};
use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a mail may take, below the 30 s that a webhook may.
const SEND_WITHIN: Duration = Duration::from_secs(25);
/// The file is rewritten when it has this many times as many lines as entries.
const LINES_FACTOR: usize = 4;
/// Characters of the description that a mail quotes.
const QUOTED_CHARS_MAX: usize = 2000;

/// Why the mailroom's file cannot be used.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct MailroomError {
    path: PathBuf,
    source: io::Error,
}

/// The state of a mail.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailState {
    /// It was sent.
    Sent,
    /// It was not sent yet; Sluice delivers the event again.
    Failed,
    /// It is never sent; the event is a dead letter.
    Refused,
    /// The event needs no mail.
    NotNeeded,
}

/// A mail as the inbox shows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct MailEntry {
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) state: MailState,
    pub(crate) time: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The other side's name for it, or why it was not sent.
    pub(crate) note: String,
    pub(crate) attempts: u32,
}

/// The outcome of an event.
#[derive(Debug, PartialEq)]
pub(crate) enum MailOutcome {
    /// A mail was sent, now or earlier, or none is needed.
    Done,
    /// The event should be delivered again, after that time if it is known.
    Later(String, Option<Duration>),
    /// The event should not be delivered again.
    Refused(String),
}

/// Sends mails for events, and lists them.
pub struct Mailroom {
    mailer: Arc<dyn Mailer>,
    journal: Arc<Mutex<MailJournal>>,
    /// Events whose mail is being sent.
    sending: Mutex<HashSet<String>>,
}

impl Mailroom {
    /// Reads the list of earlier mails from a directory.
    ///
    /// # Errors
    /// If its file cannot be read or written.
    pub fn open(
        mailer: Arc<dyn Mailer>,
        directory: &Path,
        entries_max: usize,
    ) -> Result<Self, MailroomError> {
        let path = directory.join("mails.jsonl");
        let journal =
            MailJournal::open(&path, entries_max).map_err(|source| MailroomError { path, source })?;
        Ok(Self { mailer, journal: Arc::new(Mutex::new(journal)), sending: Mutex::default() })
    }

    /// Where mails go, for people.
    pub(crate) fn place(&self) -> String {
        self.mailer.place()
    }

    /// The newest mails, the newest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<MailEntry> {
        self.journal.lock().entries.iter().rev().take(limit).cloned().collect()
    }

    /// How many mails were sent, of those that are remembered.
    pub(crate) fn sent(&self) -> usize {
        self.journal.lock().entries.iter().filter(|entry| entry.state == MailState::Sent).count()
    }

    /// Sends the mail of an event, unless it was sent before. If this is cancelled, the
    /// mail may have been sent; the event's next delivery sends it under the same key.
    pub(crate) async fn handle(&self, event: &WebhookEvent) -> MailOutcome {
        let Some(_turn) = EventTurn::take(&self.sending, &event.event_id) else {
            let what = "the mail of this event is on its way already".to_owned();
            return MailOutcome::Later(what, Some(Duration::from_secs(5)));
        };
        let known = self.journal.lock().find(&event.event_id).cloned();
        if known.as_ref().is_some_and(|entry| entry.state == MailState::Sent) {
            return MailOutcome::Done;
        }
        let mut entry = MailEntry {
            event_id: event.event_id.clone(),
            event_type: event.event_type.clone().unwrap_or_default(),
            state: MailState::NotNeeded,
            time: rfc3339_string(now_ms()),
            to: String::new(),
            subject: String::new(),
            text: String::new(),
            note: String::new(),
            attempts: known.map_or(0, |entry| entry.attempts) + 1,
        };
        let outcome = match compose(event) {
            Err(why) => {
                entry.note = why;
                MailOutcome::Done
            }
            Ok(mail) => {
                entry.to = mail.to().to_string();
                entry.subject = mail.subject().to_owned();
                entry.text = mail.text().to_owned();
                let (state, note, outcome) = self.send(&mail).await;
                (entry.state, entry.note) = (state, note);
                outcome
            }
        };
        self.write_down(entry).await;
        outcome
    }

    async fn send(&self, mail: &Mail) -> (MailState, String, MailOutcome) {
        let sent = tokio::time::timeout(SEND_WITHIN, self.mailer.send(mail)).await;
        match sent.unwrap_or_else(|_elapsed| Err(MailError::later("sending the mail took too long"))) {
            Ok(receipt) => (MailState::Sent, receipt, MailOutcome::Done),
            Err(MailError::Later { what, after }) => {
                (MailState::Failed, what.clone(), MailOutcome::Later(what, after))
            }
            Err(MailError::Refused(what)) => (MailState::Refused, what.clone(), MailOutcome::Refused(what)),
        }
    }

    async fn write_down(&self, entry: MailEntry) {
        let (journal, id) = (self.journal.clone(), entry.event_id.clone());
        let written = tokio::task::spawn_blocking(move || journal.lock().put(entry)).await;
        let failure = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // The mail itself is sent; only a repeat after a restart would not be noticed.
        tracing::warn!(event_id = id, error = failure, "a mail could not be written down");
    }
}

/// The right to send one event's mail; another delivery of the event waits.
struct EventTurn<'a> {
    sending: &'a Mutex<HashSet<String>>,
    id: &'a str,
}

impl<'a> EventTurn<'a> {
    fn take(sending: &'a Mutex<HashSet<String>>, id: &'a str) -> Option<Self> {
        let is_first = sending.lock().insert(id.to_owned());
        // Made only if the turn was taken, since dropping it gives the turn back.
        is_first.then(|| Self { sending, id })
    }
}

impl Drop for EventTurn<'_> {
    fn drop(&mut self) {
        self.sending.lock().remove(self.id);
    }
}

/// The mail of an event, or why it needs none. The event may come from anybody with a
/// key, so nothing in it is trusted.
fn compose(event: &WebhookEvent) -> Result<Mail, String> {
    let field = |name: &str| event.payload.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let address = field("customer_email");
    let to = MailAddress::parse(address.trim()).map_err(|fault| format!("payload.customer_email {fault}"))?;
    let priority = DocumentPriority::ALL.iter().find(|(name, _)| *name == field("priority"));
    let description = field("description");
    let reasons = judge(priority.map_or(DocumentPriority::Normal, |(_, priority)| *priority), description);
    if reasons.is_empty() {
        return Err("the agent's rule does not ask for a mail".to_owned());
    }
    let why: Vec<String> = reasons.iter().map(crate::rule::TriggerReason::text).collect();
    let kind = match one_line(&field("document_type").replace('_', " "), 100) {
        empty if empty.is_empty() => "document".to_owned(),
        kind => kind,
    };
    let name = Some(one_line(field("customer_name"), 100)).filter(|name| !name.is_empty());
    let quoted: String = description.chars().take(QUOTED_CHARS_MAX).collect();
    let quoted: Vec<String> = quoted.lines().map(|line| format!("> {line}")).collect();
    let greeting = name.as_deref().map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},"));
    let text = format!(
        "{greeting}\n\nyour {kind} was escalated, because {}. Someone is looking at it now.\n\n{}\n\n-- \nEvent {}\nSent \
         by the demo of Sluice.\n",
        why.join(" and "),
        quoted.join("\n"),
        event.event_id
    );
    let subject = format!("We are on it: your {kind}");
    Mail::new(&event.event_id, to, name, subject, text).map_err(|fault| fault.to_string())
}

/// The text without line breaks and control characters, cut to `chars_max` characters.
fn one_line(text: &str, chars_max: usize) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(chars_max).collect()
}

/// The entries, in memory and in a file.
#[derive(Debug)]
struct MailJournal {
    path: PathBuf,
    file: File,
    lines: usize,
    entries_max: usize,
    /// The oldest first.
    entries: VecDeque<MailEntry>,
}

impl MailJournal {
    fn open(path: &Path, entries_max: usize) -> io::Result<Self> {
        let file = append_to(path)?;
        let mut journal =
            Self { path: path.to_owned(), file, lines: 0, entries_max, entries: VecDeque::new() };
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            // A crash may have cut the last line; that mail is sent again.
            if let Ok(entry) = serde_json::from_slice(&line?) {
                journal.replace(entry);
            }
        }
        journal.write_anew()?;
        Ok(journal)
    }

    fn find(&self, event_id: &str) -> Option<&MailEntry> {
        self.entries.iter().rev().find(|entry| entry.event_id == event_id)
    }

    /// Replaces the entry of the same event in memory.
    fn replace(&mut self, entry: MailEntry) {
        self.entries.retain(|known| known.event_id != entry.event_id);
        self.entries.push_back(entry);
        while self.entries.len() > self.entries_max {
            self.entries.pop_front();
        }
    }

    /// Keeps an entry; it is on disk when this returns.
    fn put(&mut self, entry: MailEntry) -> io::Result<()> {
        let line = line(&entry);
        self.replace(entry);
        if self.lines >= self.entries_max.saturating_mul(LINES_FACTOR) {
            return self.write_anew();
        }
        self.lines += 1;
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    fn write_anew(&mut self) -> io::Result<()> {
        let hidden = self.path.with_extension("part");
        let mut file = append_to(&hidden)?;
        file.set_len(0)?;
        let lines: Vec<u8> = self.entries.iter().flat_map(line).collect();
        file.write_all(&lines)?;
        file.sync_all()?;
        std::fs::rename(&hidden, &self.path)?;
        (self.file, self.lines) = (file, self.entries.len());
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn line(entry: &MailEntry) -> Vec<u8> {
    let mut line = serde_json::to_vec(entry).expect("an entry is plain data");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests;
