//! The counts of one worker: plain numbers, since only its thread touches them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::live::LiveWorker;
use super::outcome::RequestOutcome;
use super::totals::{AnswerExcerpt, Totals};
use crate::response::EventCounts;
use crate::summary::Latencies;

/// A request that has its outcome.
#[derive(Clone, Copy, Debug)]
pub struct RequestDone {
    /// When it was due.
    pub due: Instant,
    /// When it was (last) written; `None` if no connection was made.
    pub sent: Option<Instant>,
    /// When the answer came, or was given up.
    pub ended: Instant,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// The answer's status.
    pub status: Option<u16>,
    /// Events in it.
    pub batch: usize,
    /// Bytes of head and body.
    pub request_bytes: usize,
}

/// An event of a connection, beside requests with outcomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectionEvent {
    /// It was made.
    Connected,
    /// It could not be made.
    ConnectFailed,
    /// It broke while a request was on it.
    Lost,
    /// The server closed it while no request was on it.
    ClosedIdle,
    /// A request was not answered in time.
    TimedOut,
    /// A request was sent again.
    Retried,
}

/// The most answers, of different statuses that are not 2xx, that are quoted.
const EXCERPTS_MAX: usize = 8;
const EXCERPT_BYTES_MAX: usize = 500;
/// How many different statuses have latencies of their own.
const STATUSES_MAX: usize = 16;

/// A worker's counts and histograms.
///
/// Percentiles must not get better because a server fails. So `latency` has
/// the requests that were acknowledged and those that got no answer, which
/// count as long as they waited and at least as long as the time limit; a request
/// that was refused or failed is only in the histogram of its status.
#[derive(Debug)]
pub struct Tally {
    /// Counts of the whole run.
    pub(crate) all: Totals,
    /// Counts of the requests due in the measured window.
    pub(crate) measured: Totals,
    pub(crate) latency: Latencies,
    pub(crate) service_time: Latencies,
    /// From due to the answer's end, by status; 0 stands for no answer.
    pub(crate) by_status: BTreeMap<u16, Latencies>,
    pub(crate) answers: BTreeMap<u16, u64>,
    pub(crate) excerpts: Vec<AnswerExcerpt>,
    /// The first failure of a connection, in words.
    pub(crate) first_failure: Option<String>,
    recent: Latencies,
    /// The status seen last and how often, before it goes into `answers`.
    last_status: (u16, u64),
    window: (Instant, Option<Instant>),
    timeout: Duration,
}

impl Tally {
    /// Measures requests due from `from` on and before `to`, which get
    /// `timeout` for their answers.
    pub fn new(from: Instant, to: Option<Instant>, timeout: Duration) -> Self {
        Self {
            all: Totals::default(),
            measured: Totals::default(),
            latency: Latencies::new(),
            service_time: Latencies::new(),
            by_status: BTreeMap::new(),
            answers: BTreeMap::new(),
            excerpts: Vec::new(),
            first_failure: None,
            recent: Latencies::new(),
            last_status: (0, 0),
            window: (from, to),
            timeout,
        }
    }

    /// Returns true if a request due then is measured.
    fn is_measured(&self, due: Instant) -> bool {
        due >= self.window.0 && self.window.1.is_none_or(|to| due < to)
    }

    /// Counts a request that has its outcome.
    pub fn done(&mut self, done: &RequestDone) {
        let written = done.sent.map(|_| done.request_bytes);
        self.all.count(done.outcome, done.batch, written);
        let measured = self.is_measured(done.due);
        if measured {
            self.measured.count(done.outcome, done.batch, written);
        }
        let latency = self.at_least_the_limit(done, done.due);
        // A request for which no connection was made was not served either.
        let service_time = self.at_least_the_limit(done, done.sent.unwrap_or(done.due));
        if matches!(done.outcome, RequestOutcome::Acknowledged(_) | RequestOutcome::Unanswered) {
            self.recent.record(latency);
            if measured {
                self.latency.record(latency);
                self.service_time.record(service_time);
            }
        }
        let status = done.status.unwrap_or(0);
        if measured && (self.by_status.contains_key(&status) || self.by_status.len() < STATUSES_MAX) {
            self.by_status.entry(status).or_default().record(latency);
        }
    }

    /// How long a request took since `from`. A request that was written and never
    /// answered counts at least the time limit, so that a connection that breaks at once
    /// does not look fast.
    fn at_least_the_limit(&self, done: &RequestDone, from: Instant) -> Duration {
        let took = done.ended.saturating_duration_since(from);
        let unanswered = done.outcome == RequestOutcome::Unanswered && done.sent.is_some();
        if unanswered { took.max(self.timeout) } else { took }
    }

    /// Counts the wait of a request that was due and never taken up.
    pub fn unsent(&mut self, due: Instant, now: Instant) {
        let waited = now.saturating_duration_since(due);
        self.recent.record(waited);
        if self.is_measured(due) {
            self.latency.record(waited);
        }
    }

    /// Counts a bad request that was sent.
    pub(super) fn sent_bad(&mut self, outcome: RequestOutcome) {
        self.all.bad_requests += 1;
        match outcome {
            RequestOutcome::Acknowledged(EventCounts { accepted: 0, .. }) | RequestOutcome::Refused => {}
            RequestOutcome::Acknowledged(_) => self.all.bad_accepted += 1,
            RequestOutcome::Unknown | RequestOutcome::Unanswered => self.all.bad_unknown += 1,
        }
    }

    /// Counts an acknowledged request that was sent again; `same` if its answer
    /// was the first one again.
    pub(super) fn repeated(&mut self, same: bool) {
        self.all.repeats += 1;
        self.all.repeats_answered_otherwise += u64::from(!same);
    }

    /// Counts an event of a connection.
    pub fn happened(&mut self, event: ConnectionEvent) {
        let totals = &mut self.all;
        *match event {
            ConnectionEvent::Connected => &mut totals.connects,
            ConnectionEvent::ConnectFailed => &mut totals.connect_failures,
            ConnectionEvent::Lost => &mut totals.connections_lost,
            ConnectionEvent::ClosedIdle => &mut totals.connections_closed_idle,
            ConnectionEvent::TimedOut => &mut totals.timeouts,
            ConnectionEvent::Retried => &mut totals.retries,
        } += 1;
    }

    /// Counts an answer by its status.
    pub fn answered(&mut self, status: u16, body: &[u8]) {
        if status != self.last_status.0 {
            self.settle_statuses();
            self.last_status.0 = status;
        }
        self.last_status.1 += 1;
        if !(200..300).contains(&status) {
            self.quote(status, body);
        }
    }

    fn quote(&mut self, status: u16, body: &[u8]) {
        let known = self.excerpts.iter().any(|excerpt| excerpt.status == status);
        if !known && self.excerpts.len() < EXCERPTS_MAX {
            let start = &body[..body.len().min(EXCERPT_BYTES_MAX)];
            self.excerpts.push(AnswerExcerpt { status, body: String::from_utf8_lossy(start).into_owned() });
        }
    }

    /// Counts a request that failed because of its connection.
    pub fn failed(&mut self, event: ConnectionEvent, error: &dyn std::error::Error) {
        self.happened(event);
        if self.first_failure.is_none() {
            self.first_failure = Some(crate::chain(error));
        }
    }

    /// Publishes the counts, and the latencies since the last call.
    pub fn publish(&mut self, live: &LiveWorker) {
        live.publish(&self.all, &self.recent);
        live.publish_measured(&self.measured, &self.latency, &self.service_time);
        self.recent.clear();
    }

    /// Brings `answers` up to date.
    pub fn settle_statuses(&mut self) {
        if let (status, count @ 1..) = self.last_status {
            *self.answers.entry(status).or_default() += count;
            self.last_status.1 = 0;
        }
    }

    /// How long the measured window was, if the run ended at `end`.
    pub(crate) fn measured_for(&self, end: Instant) -> Duration {
        let to = self.window.1.map_or(end, |to| to.min(end));
        to.saturating_duration_since(self.window.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn done(due: Instant, outcome: RequestOutcome, status: Option<u16>) -> RequestDone {
        let (sent, ended) = (Some(due + Duration::from_millis(1)), due + Duration::from_millis(3));
        RequestDone { due, sent, ended, outcome, status, batch: 10, request_bytes: 2000 }
    }

    const TAKEN: RequestOutcome = RequestOutcome::Acknowledged(EventCounts { accepted: 9, rejected: 1 });

    #[test]
    fn only_requests_due_in_the_window_are_measured() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut tally = Tally::new(at(2), Some(at(4)), LIMIT);
        for seconds in [0, 2, 3, 4] {
            tally.done(&done(at(seconds), TAKEN, Some(202)));
        }
        assert_eq!((tally.all.requests, tally.measured.requests), (4, 2));
        assert_eq!((tally.measured.events_accepted, tally.measured.events_rejected), (18, 2));
        assert_eq!(tally.latency.summary().count, 2);
        assert!((2990..3010).contains(&tally.latency.summary().p50));
        assert!((1990..2010).contains(&tally.service_time.summary().p50));
        assert_eq!(tally.measured_for(at(9)), Duration::from_secs(2));
        assert_eq!(tally.measured_for(at(3)), Duration::from_secs(1));
    }

    #[test]
    fn refusals_and_quick_failures_do_not_make_percentiles_better() {
        let start = Instant::now();
        let mut tally = Tally::new(start, None, LIMIT);
        let slow = RequestDone { ended: start + Duration::from_secs(2), ..done(start, TAKEN, Some(202)) };
        tally.done(&slow);
        tally.done(&done(start, RequestOutcome::Refused, Some(429)));
        tally.done(&done(start, RequestOutcome::Unknown, Some(503)));
        assert_eq!((tally.all.events_rejected, tally.all.events_unknown), (11, 10));
        let latency = tally.latency.summary();
        assert_eq!(latency.count, 1);
        assert!(latency.min >= 1_990_000, "{latency:?}");
        let counts: Vec<_> =
            tally.by_status.iter().map(|(status, all)| (*status, all.summary().count)).collect();
        assert_eq!(counts, [(202, 1), (429, 1), (503, 1)]);
    }

    #[test]
    fn a_request_without_an_answer_counts_at_least_its_waiting_time() {
        let start = Instant::now();
        let mut tally = Tally::new(start, None, LIMIT);
        let lost = done(start, RequestOutcome::Unanswered, None);
        tally.done(&lost);
        let overdue = RequestDone { ended: start + 3 * LIMIT, ..lost };
        tally.done(&overdue);
        let never_sent = RequestDone { sent: None, ended: start + Duration::from_secs(3), ..lost };
        tally.done(&never_sent);
        tally.unsent(start, start + Duration::from_secs(5));
        let latency = tally.latency.summary();
        assert_eq!(latency.count, 4);
        assert!((2_990_000..3_010_000).contains(&latency.min), "{latency:?}");
        assert!(latency.max >= 29_900_000, "{latency:?}");
        assert_eq!(tally.service_time.summary().count, 3, "all that a sender took up");
        assert_eq!((tally.all.requests_unanswered, tally.all.events_unknown), (3, 20));
        assert_eq!(tally.by_status[&0].summary().count, 3);
    }

    #[test]
    fn answers_are_counted_by_status_and_unhappy_ones_quoted_once() {
        let mut tally = Tally::new(Instant::now(), None, LIMIT);
        for status in [202, 202, 429, 202, 429] {
            tally.answered(status, b"slow down");
        }
        tally.settle_statuses();
        assert_eq!(tally.answers, BTreeMap::from([(202, 3), (429, 2)]));
        assert_eq!(tally.excerpts, [AnswerExcerpt { status: 429, body: "slow down".into() }]);
    }
}
