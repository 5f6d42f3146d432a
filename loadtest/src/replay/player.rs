//! One connection of a replay: takes requests that are due and sends them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reader::Planned;
use super::shared::ReplayShared;
use super::stamp::{ReplayStamp, Stamped, stamp};
use super::waiting::DueRequest;
use crate::coding::Coding;
use crate::recording::Recorded;
use crate::request::Rendered;
use crate::sender::client::{ExchangeError, LoadClient};
use crate::sender::{ConnectionEvent, RequestDone, RequestOutcome};

/// The pause before a request is sent again, or a connection made again.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest body whose ids and times are replaced, in bytes.
const PLAIN_BYTES_MAX: u64 = 256 << 20;

/// One connection of a replay.
pub(super) struct Player {
    shared: Rc<ReplayShared>,
    client: LoadClient,
    request: Vec<u8>,
}

/// How sending a request ended.
struct PlayEnding {
    /// When it was (last) written; `None` if it never was.
    sent: Option<Instant>,
    outcome: RequestOutcome,
    status: Option<u16>,
}

impl Player {
    pub(super) fn new(number: usize, shared: Rc<ReplayShared>) -> Self {
        let client = LoadClient::new(Arc::clone(&shared.target), number, shared.config.timeout);
        Self { shared, client, request: Vec::new() }
    }

    pub(super) async fn run(mut self) {
        let shared = Rc::clone(&self.shared);
        while let Some(request) = shared.waiting.take().await {
            let customer = request.planned.customer_number;
            self.play(request).await;
            shared.waiting.finished(customer);
        }
    }

    async fn play(&mut self, DueRequest { due, planned }: DueRequest) {
        let shared = Rc::clone(&self.shared);
        let due = due.unwrap_or_else(Instant::now);
        let Planned { mut request, customer_number, pass, .. } = planned;
        let first = shared.next_sequence(customer_number);
        let (events, marked) = match shared.config.keep {
            true => (count_events(&request), 0),
            false => self.make_own(&mut request, customer_number, first, due, pass),
        };
        let head_bytes = self.write(&request, customer_number);
        let ending = self.send(head_bytes, events as usize).await;
        shared.tally.borrow_mut().done(&RequestDone {
            due,
            sent: ending.sent,
            ended: Instant::now(),
            outcome: ending.outcome,
            status: ending.status,
            batch: events as usize,
            request_bytes: self.request.len(),
        });
        if ending.sent.is_none() {
            return;
        }
        shared.played.set(shared.played.get() + 1);
        if !shared.config.keep {
            shared.unmarked.set(shared.unmarked.get() + events - marked);
        }
        shared.note(customer_number, first, marked, ending.outcome);
    }

    /// Replaces the ids and times of a request by those of this run and marks its
    /// events. Returns how many events there are, and how many are marked.
    fn make_own(
        &self,
        request: &mut Recorded,
        stream: u32,
        first: u64,
        due: Instant,
        pass: u64,
    ) -> (u64, u64) {
        let suffix = format!("{:08x}.{pass}", self.shared.run >> 32);
        for (name, value) in &mut request.headers {
            if name.eq_ignore_ascii_case("idempotency-key") {
                *value = format!("{value}-{suffix}");
            }
        }
        let Some(coding) = Coding::of(request.header("content-encoding")) else {
            return (count_events(request), 0);
        };
        let Ok(plain) = coding.decode(request.body.clone(), PLAIN_BYTES_MAX) else {
            return (1, 0);
        };
        let stamps = ReplayStamp {
            run: self.shared.run,
            stream,
            first_sequence: first,
            sent_ns: crate::unix_ns(due),
            suffix: &suffix,
        };
        let content_type = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
        match stamp(&content_type, &plain, stamps) {
            Some(Stamped { body, events, marked }) => {
                request.body = coding.encode(body);
                (events, marked)
            }
            None => (1, 0),
        }
    }

    /// Writes the request as it goes on the wire; returns the length of its head.
    fn write(&mut self, request: &Recorded, customer: u32) -> usize {
        let config = &self.shared.config;
        let key = config.keys.get(customer as usize % config.keys.len().max(1));
        let given = |name: &str| config.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let out = &mut self.request;
        out.clear();
        let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        put(&[&request.method, " ", &request.path, " HTTP/1.1\r\n"]);
        if !given("host") {
            put(&["Host: ", self.shared.target.authority(), "\r\n"]);
        }
        if let Some(key) = key.filter(|_| !given("authorization")) {
            put(&["Authorization: Bearer ", key, "\r\n"]);
        }
        for (name, value) in &request.headers {
            let is_one_of = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
            let replaced = given(name) || (key.is_some() && is_one_of(&["authorization", "x-api-key"]));
            if !replaced && !is_one_of(&CONNECTION_HEADERS) {
                put(&[name, ": ", value, "\r\n"]);
            }
        }
        config.headers.iter().for_each(|(name, value)| put(&[name, ": ", value, "\r\n"]));
        put(&["Content-Length: ", itoa::Buffer::new().format(request.body.len()), "\r\n\r\n"]);
        let head_bytes = out.len();
        out.extend_from_slice(&request.body);
        head_bytes
    }

    /// Sends the written request, until its outcome is known if that is asked for.
    async fn send(&mut self, head_bytes: usize, events: usize) -> PlayEnding {
        let shared = Rc::clone(&self.shared);
        let mut ending = PlayEnding { sent: None, outcome: RequestOutcome::Unanswered, status: None };
        loop {
            if !self.connect().await {
                return ending;
            }
            let sent = Instant::now();
            let rendered = Rendered { bytes: &self.request, head_bytes };
            ending = match self.client.exchange(&rendered, sent).await {
                Ok(answer) => {
                    shared.tally.borrow_mut().answered(answer.status, answer.body);
                    let outcome = RequestOutcome::of_answer(answer.status, answer.body, events);
                    PlayEnding { sent: Some(sent), outcome, status: Some(answer.status) }
                }
                Err(error) => {
                    let timed_out = matches!(error, ExchangeError::TimedOut(_));
                    let event = if timed_out { ConnectionEvent::TimedOut } else { ConnectionEvent::Lost };
                    shared.tally.borrow_mut().failed(event, &error);
                    PlayEnding { sent: Some(sent), outcome: RequestOutcome::Unanswered, status: None }
                }
            };
            let known = !ending.outcome.is_uncertain();
            if known || !shared.config.retry_unknown || shared.pause(PAUSE).await {
                return ending;
            }
            shared.tally.borrow_mut().happened(ConnectionEvent::Retried);
        }
    }

    /// Connects if needed: for as long as an answer may take, or until it succeeds if
    /// outcomes must become known. Returns false if it gave up.
    async fn connect(&mut self) -> bool {
        let (shared, started) = (Rc::clone(&self.shared), Instant::now());
        if self.client.drop_if_stale() {
            shared.tally.borrow_mut().happened(ConnectionEvent::ClosedIdle);
        }
        while !self.client.is_connected() {
            match self.client.connect().await {
                Ok(_) => shared.tally.borrow_mut().happened(ConnectionEvent::Connected),
                Err(error) => {
                    shared.tally.borrow_mut().failed(ConnectionEvent::ConnectFailed, &error);
                    let late = !shared.config.retry_unknown && started.elapsed() >= shared.config.timeout;
                    if late || shared.pause(PAUSE).await {
                        return false;
                    }
                }
            }
        }
        true
    }
}

/// Headers that are about the recorded connection, or are written anew.
const CONNECTION_HEADERS: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "keep-alive",
    "te",
    "upgrade",
    "expect",
    "proxy-connection",
];

/// The number of events in a body that is sent as it was recorded.
fn count_events(request: &Recorded) -> u64 {
    let body = &request.body;
    if request.header("content-type").is_some_and(|kind| kind.contains("ndjson")) {
        return body.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
    }
    let array = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(body);
    array.map_or(1, |events| events.len() as u64)
}
