//! One connection of a replay and what all of them share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::reader::Planned;
use super::stamp::{Stamp, Stamped, stamp};
use super::{ReplayConfig, ReplayError, ReplayReport};
use crate::coding::Coding;
use crate::ledger::{Entry, LedgerBuffer, LedgerError, LedgerWriter};
use crate::recording::Recorded;
use crate::request::Rendered;
use crate::sender::client::{Client, ExchangeError};
use crate::sender::live::LiveWorker;
use crate::sender::outcome::Outcome;
use crate::sender::report::report;
use crate::sender::tally::{Done, Happening, Tally};
use crate::target::Target;

/// Before a request is sent again, or a connection made again.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest body that is made one of this run, in bytes.
const PLAIN_BYTES_MAX: u64 = 256 << 20;

/// What the lanes of a replay share, on their thread.
pub(super) struct Shared {
    pub(super) config: ReplayConfig,
    pub(super) stop: CancellationToken,
    pub(super) started: Instant,
    pub(super) run: u64,
    target: Target,
    tally: RefCell<Tally>,
    ledger: Option<RefCell<LedgerWriter>>,
    ledger_failure: RefCell<Option<LedgerError>>,
    entries: RefCell<LedgerBuffer>,
    played: Cell<u64>,
    customers: Cell<u64>,
    unmarked: Cell<u64>,
}

impl Shared {
    pub(super) fn new(
        config: ReplayConfig,
        target: Target,
        ledger: Option<LedgerWriter>,
        stop: CancellationToken,
    ) -> Self {
        let started = Instant::now();
        Self {
            config,
            stop,
            started,
            run: crate::fresh_id(),
            target,
            tally: RefCell::new(Tally::new(started, None)),
            ledger: ledger.map(RefCell::new),
            ledger_failure: RefCell::new(None),
            entries: RefCell::default(),
            played: Cell::new(0),
            customers: Cell::new(0),
            unmarked: Cell::new(0),
        }
    }

    pub(super) fn keep_up(&self, live: &LiveWorker) {
        self.tally.borrow_mut().take_recent(|totals, recent| live.publish(totals, recent));
        self.write_entries();
    }

    fn write_entries(&self) {
        let Some(ledger) = &self.ledger else { return };
        let entries = self.entries.borrow_mut().take();
        if let Err(error) = ledger.borrow_mut().append(&entries) {
            // A replay whose ledger has holes proves nothing: end it.
            self.ledger_failure.borrow_mut().get_or_insert(error);
            self.stop.cancel();
        }
    }

    /// What was counted, once nobody counts any more.
    pub(super) fn finish(self) -> Result<(Tally, ReplayReport), ReplayError> {
        self.write_entries();
        if let Some(failure) = self.ledger_failure.take() {
            return Err(failure.into());
        }
        let figures = ReplayReport {
            run: report(self.facts(), Vec::new()),
            played: self.played.get(),
            customers: self.customers.get(),
            unmarked_events: self.unmarked.get(),
        };
        let mut tally = self.tally.into_inner();
        tally.settle_statuses();
        Ok((tally, figures))
    }
}

/// A connection, and the customers whose requests go through it.
pub(super) struct Lane {
    number: usize,
    shared: Rc<Shared>,
    client: Client,
    /// The next sequence number of each customer.
    sequences: HashMap<u32, u64>,
    request: Vec<u8>,
}

impl Lane {
    pub(super) fn new(number: usize, shared: Rc<Shared>) -> Self {
        let client = Client::new(shared.target.address(), shared.config.timeout);
        Self { number, shared, client, sequences: HashMap::new(), request: Vec::new() }
    }

    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<(Instant, Planned)>) {
        while let Some((due, planned)) = waiting.recv().await {
            if self.shared.stop.is_cancelled() {
                break;
            }
            self.play(due, planned).await;
        }
    }

    async fn play(&mut self, due: Instant, planned: Planned) {
        let shared = Rc::clone(&self.shared);
        let Planned { mut request, customer_number, pass, .. } = planned;
        let first = self.sequences.get(&customer_number).copied().unwrap_or_else(|| {
            shared.customers.set(shared.customers.get() + 1);
            0
        });
        let (events, marked) = match shared.config.keep {
            true => (count_events(&request), 0),
            false => self.make_own(&mut request, customer_number, first, due, pass),
        };
        shared.unmarked.set(shared.unmarked.get() + (events - marked) * u64::from(!shared.config.keep));
        let head_bytes = self.write(&request, customer_number);
        let Some((sent, outcome)) = self.send(head_bytes, events as usize).await else { return };
        shared.played.set(shared.played.get() + 1);
        shared.tally.borrow_mut().done(&Done {
            due,
            sent,
            answered: Instant::now(),
            outcome,
            batch: events as usize,
            request_bytes: self.request.len(),
        });
        if marked > 0 && shared.ledger.is_some() {
            let code = outcome.code();
            let (run, stream, count) = (shared.run, customer_number, marked as u32);
            let entry = Entry { run, group: 0, stream, first, count, code };
            if shared.entries.borrow_mut().note(self.number, entry) {
                shared.write_entries();
            }
        }
        self.sequences.insert(customer_number, first + marked);
    }

    /// Makes ids and times of a request those of this run and marks its events:
    /// how many there are, and how many are marked.
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
        let stamps = Stamp {
            run: self.shared.run,
            stream,
            first_sequence: first,
            sent_ns: unix_ns(due),
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

    /// Writes the request as it goes on the wire; the length of its head.
    fn write(&mut self, request: &Recorded, customer: u32) -> usize {
        let keys = &self.shared.config.keys;
        let key = keys.get(customer as usize % keys.len().max(1));
        let out = &mut self.request;
        out.clear();
        let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        put(&[
            &request.method,
            " ",
            &request.path,
            " HTTP/1.1\r\nHost: ",
            self.shared.target.authority(),
            "\r\n",
        ]);
        if let Some(key) = key {
            put(&["Authorization: Bearer ", key, "\r\n"]);
        }
        for (name, value) in &request.headers {
            let is_one_of = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
            let replaced = key.is_some() && is_one_of(&["authorization", "x-api-key"]);
            if !replaced && !is_one_of(&CONNECTION_HEADERS) {
                put(&[name, ": ", value, "\r\n"]);
            }
        }
        put(&["Content-Length: ", itoa::Buffer::new().format(request.body.len()), "\r\n\r\n"]);
        let head_bytes = out.len();
        out.extend_from_slice(&request.body);
        head_bytes
    }

    /// Sends what was written, until its outcome is known if that is asked
    /// for; none if the replay ended before it could be sent at all.
    async fn send(&mut self, head_bytes: usize, events: usize) -> Option<(Instant, Outcome)> {
        let shared = Rc::clone(&self.shared);
        let mut unknown = None;
        loop {
            while !self.client.is_connected() {
                match self.client.connect().await {
                    Ok(_) => shared.tally.borrow_mut().happened(Happening::Connected),
                    Err(error) => {
                        shared.tally.borrow_mut().failed(Happening::ConnectFailed, &error);
                        if self.pause().await {
                            return unknown;
                        }
                    }
                }
            }
            let sent = Instant::now();
            let rendered = Rendered { bytes: &self.request, head_bytes };
            let outcome = match self.client.exchange(&rendered, sent).await {
                Ok(answer) => {
                    shared.tally.borrow_mut().answered(answer.status, answer.body);
                    Outcome::of_answer(answer.status, answer.body, events)
                }
                Err(error) => {
                    let timed_out = matches!(error, ExchangeError::TimedOut(_));
                    let happening = if timed_out { Happening::TimedOut } else { Happening::Lost };
                    shared.tally.borrow_mut().failed(happening, &error);
                    Outcome::Unknown
                }
            };
            if outcome != Outcome::Unknown || !shared.config.retry_unknown || self.pause().await {
                return Some((sent, outcome));
            }
            shared.tally.borrow_mut().happened(Happening::Retried);
            unknown = Some((sent, outcome));
        }
    }

    /// Waits a moment; whether the replay is stopping.
    async fn pause(&self) -> bool {
        // Cancelling either wait loses nothing.
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => false,
            () = self.shared.stop.cancelled() => true,
        }
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

/// How many events a body that is not looked into further has.
fn count_events(request: &Recorded) -> u64 {
    let body = &request.body;
    if request.header("content-type").is_some_and(|kind| kind.contains("ndjson")) {
        return body.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
    }
    let array = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(body);
    array.map_or(1, |events| events.len() as u64)
}

/// Unix time of an instant just past, in ns.
fn unix_ns(instant: Instant) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(instant.elapsed()).as_nanos() as u64
}
