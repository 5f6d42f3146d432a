//! What one worker has counted. Plain numbers: only its thread touches them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::outcome::Outcome;
use super::report::AnswerExcerpt;
use crate::response::Counts;
use crate::summary::Latencies;

/// Counts of a stretch of a run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Totals {
    /// Requests with an outcome; a repeated one counts once.
    pub requests: u64,
    /// Requests answered 2xx.
    pub requests_acknowledged: u64,
    /// Requests answered 4xx.
    pub requests_refused: u64,
    /// Requests without a definite answer.
    pub requests_unknown: u64,
    /// Events that answers said were taken.
    pub events_accepted: u64,
    /// Events refused, by themselves or with their whole request.
    pub events_rejected: u64,
    /// Events of requests without a definite answer.
    pub events_unknown: u64,
    /// Bytes of requests, heads included.
    pub bytes_sent: u64,
    /// Times that a request without a definite answer was sent again.
    pub retries: u64,
    /// Connections made.
    pub connects: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Connections lost, or useless after an answer that could not be read.
    pub connections_lost: u64,
    /// Requests without an answer in time.
    pub timeouts: u64,
    /// Bad requests sent on purpose; they count nowhere else but in `answers`.
    pub bad_requests: u64,
    /// Of these, those answered 2xx: each is a fault of the server.
    pub bad_accepted: u64,
    /// Of these, those without a definite answer.
    pub bad_unknown: u64,
    /// Acknowledged requests sent once more, with their idempotency key.
    pub repeats: u64,
    /// Of these, those that did not get the first answer again.
    pub repeats_answered_otherwise: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.requests_acknowledged, other.requests_acknowledged),
            (&mut self.requests_refused, other.requests_refused),
            (&mut self.requests_unknown, other.requests_unknown),
            (&mut self.events_accepted, other.events_accepted),
            (&mut self.events_rejected, other.events_rejected),
            (&mut self.events_unknown, other.events_unknown),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.retries, other.retries),
            (&mut self.connects, other.connects),
            (&mut self.connect_failures, other.connect_failures),
            (&mut self.connections_lost, other.connections_lost),
            (&mut self.timeouts, other.timeouts),
            (&mut self.bad_requests, other.bad_requests),
            (&mut self.bad_accepted, other.bad_accepted),
            (&mut self.bad_unknown, other.bad_unknown),
            (&mut self.repeats, other.repeats),
            (&mut self.repeats_answered_otherwise, other.repeats_answered_otherwise),
        ];
        pairs.into_iter().for_each(|(total, more)| *total += more);
    }

    fn count(&mut self, done: &Done) {
        self.requests += 1;
        self.bytes_sent += done.request_bytes as u64;
        match done.outcome {
            Outcome::Acknowledged(counts) => {
                self.requests_acknowledged += 1;
                self.events_accepted += counts.accepted;
                self.events_rejected += counts.rejected;
            }
            Outcome::Refused => {
                self.requests_refused += 1;
                self.events_rejected += done.batch as u64;
            }
            Outcome::Unknown => {
                self.requests_unknown += 1;
                self.events_unknown += done.batch as u64;
            }
        }
    }
}

/// A request that has its outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) due: Instant,
    /// When it was (last) written.
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    pub(crate) outcome: Outcome,
    pub(crate) batch: usize,
    pub(crate) request_bytes: usize,
}

/// Something else that happened to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Happening {
    Connected,
    ConnectFailed,
    Lost,
    TimedOut,
    Retried,
}

/// How many kinds of unhappy answers are quoted.
const EXCERPTS_MAX: usize = 8;
const EXCERPT_BYTES_MAX: usize = 500;

/// A worker's counts and histograms.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Of the whole run.
    pub(crate) all: Totals,
    /// Of the requests due in the window that is measured.
    pub(crate) measured: Totals,
    pub(crate) latency: Latencies,
    pub(crate) service_time: Latencies,
    pub(crate) answers: BTreeMap<u16, u64>,
    pub(crate) excerpts: Vec<AnswerExcerpt>,
    /// The first failure of a connection, in words.
    pub(crate) first_failure: Option<String>,
    recent: Latencies,
    /// The status seen last and how often, before it goes into `answers`.
    last_status: (u16, u64),
    window: (Instant, Option<Instant>),
}

impl Tally {
    pub(crate) fn new(from: Instant, to: Option<Instant>) -> Self {
        Self {
            all: Totals::default(),
            measured: Totals::default(),
            latency: Latencies::new(),
            service_time: Latencies::new(),
            answers: BTreeMap::new(),
            excerpts: Vec::new(),
            first_failure: None,
            recent: Latencies::new(),
            last_status: (0, 0),
            window: (from, to),
        }
    }

    pub(crate) fn done(&mut self, done: &Done) {
        self.all.count(done);
        let latency = done.answered.saturating_duration_since(done.due);
        self.recent.record(latency);
        if done.due >= self.window.0 && self.window.1.is_none_or(|to| done.due < to) {
            self.measured.count(done);
            if !matches!(done.outcome, Outcome::Unknown) {
                self.latency.record(latency);
                self.service_time.record(done.answered.saturating_duration_since(done.sent));
            }
        }
    }

    /// A bad request was sent, unless the run ended first.
    pub(crate) fn sent_bad(&mut self, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        self.all.bad_requests += 1;
        match outcome {
            Outcome::Acknowledged(Counts { accepted: 0, .. }) | Outcome::Refused => {}
            Outcome::Acknowledged(_) => self.all.bad_accepted += 1,
            Outcome::Unknown => self.all.bad_unknown += 1,
        }
    }

    /// An acknowledged request was sent again, unless the run ended first;
    /// whether it was answered as before.
    pub(crate) fn repeated(&mut self, same: Option<bool>) {
        if let Some(same) = same {
            self.all.repeats += 1;
            self.all.repeats_answered_otherwise += u64::from(!same);
        }
    }

    pub(crate) fn happened(&mut self, happening: Happening) {
        let totals = &mut self.all;
        *match happening {
            Happening::Connected => &mut totals.connects,
            Happening::ConnectFailed => &mut totals.connect_failures,
            Happening::Lost => &mut totals.connections_lost,
            Happening::TimedOut => &mut totals.timeouts,
            Happening::Retried => &mut totals.retries,
        } += 1;
    }

    pub(crate) fn answered(&mut self, status: u16, body: &[u8]) {
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

    /// Something happened for want of a working connection.
    pub(crate) fn failed(&mut self, happening: Happening, error: &dyn std::error::Error) {
        self.happened(happening);
        if self.first_failure.is_none() {
            self.first_failure = Some(crate::chain(error));
        }
    }

    /// Latencies since this was last called.
    pub(crate) fn take_recent(&mut self, publish: impl FnOnce(&Totals, &Latencies)) {
        publish(&self.all, &self.recent);
        self.recent.clear();
    }

    /// Brings `answers` up to date.
    pub(crate) fn settle_statuses(&mut self) {
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

    fn done(due: Instant, outcome: Outcome) -> Done {
        let answered = due + Duration::from_millis(3);
        Done { due, sent: due + Duration::from_millis(1), answered, outcome, batch: 10, request_bytes: 2000 }
    }

    #[test]
    fn only_requests_due_in_the_window_are_measured() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut tally = Tally::new(at(2), Some(at(4)));
        let taken = Outcome::Acknowledged(Counts { accepted: 9, rejected: 1 });
        for seconds in [0, 2, 3, 4] {
            tally.done(&done(at(seconds), taken));
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
    fn outcomes_are_told_apart() {
        let start = Instant::now();
        let mut tally = Tally::new(start, None);
        tally.done(&done(start, Outcome::Refused));
        tally.done(&done(start, Outcome::Unknown));
        assert_eq!((tally.all.events_rejected, tally.all.events_unknown), (10, 10));
        assert_eq!(tally.latency.summary().count, 1, "an unknown outcome has no latency");
    }

    #[test]
    fn answers_are_counted_by_status_and_unhappy_ones_quoted_once() {
        let mut tally = Tally::new(Instant::now(), None);
        for status in [202, 202, 429, 202, 429] {
            tally.answered(status, b"slow down");
        }
        tally.settle_statuses();
        assert_eq!(tally.answers, BTreeMap::from([(202, 3), (429, 2)]));
        assert_eq!(tally.excerpts, [AnswerExcerpt { status: 429, body: "slow down".into() }]);
    }
}
