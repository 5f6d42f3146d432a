//! Counts of a stretch of a run.

use serde::{Deserialize, Serialize};

use super::outcome::RequestOutcome;

/// Counts of a stretch of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Totals {
    /// Requests with an outcome; one that was sent again counts once.
    pub requests: u64,
    /// Requests answered 2xx (plain requests: 2xx or 3xx).
    pub requests_acknowledged: u64,
    /// Requests answered 4xx.
    pub requests_refused: u64,
    /// Requests without a definite answer: any other status, or none.
    pub requests_unknown: u64,
    /// The part of `requests_unknown` that got no answer at all.
    pub requests_unanswered: u64,
    /// Events that answers said were taken.
    pub events_accepted: u64,
    /// Events refused, by themselves or with their whole request.
    pub events_rejected: u64,
    /// Events of requests that were sent and got no definite answer.
    pub events_unknown: u64,
    /// Bytes of requests, heads included.
    pub bytes_sent: u64,
    /// How often a request without a definite answer was sent again.
    pub retries: u64,
    /// Connections made.
    pub connects: u64,
    /// Connections that could not be made.
    pub connect_failures: u64,
    /// Connections lost, or closed after an answer that could not be read.
    pub connections_lost: u64,
    /// Connections that the server closed while no request was on them: no fault.
    pub connections_closed_idle: u64,
    /// Requests without an answer in time.
    pub timeouts: u64,
    /// Bad requests sent on purpose; they count nowhere else but in `answers`.
    pub bad_requests: u64,
    /// Bad requests that were answered 2xx: each is a fault of the server.
    pub bad_accepted: u64,
    /// The bad requests without a definite answer.
    pub bad_unknown: u64,
    /// Acknowledged requests sent once more, with their idempotency key.
    pub repeats: u64,
    /// The repeats that did not get the first answer again.
    pub repeats_answered_otherwise: u64,
}

impl Totals {
    /// Adds another stretch.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.requests_acknowledged, other.requests_acknowledged),
            (&mut self.requests_refused, other.requests_refused),
            (&mut self.requests_unknown, other.requests_unknown),
            (&mut self.requests_unanswered, other.requests_unanswered),
            (&mut self.events_accepted, other.events_accepted),
            (&mut self.events_rejected, other.events_rejected),
            (&mut self.events_unknown, other.events_unknown),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.retries, other.retries),
            (&mut self.connects, other.connects),
            (&mut self.connect_failures, other.connect_failures),
            (&mut self.connections_lost, other.connections_lost),
            (&mut self.connections_closed_idle, other.connections_closed_idle),
            (&mut self.timeouts, other.timeouts),
            (&mut self.bad_requests, other.bad_requests),
            (&mut self.bad_accepted, other.bad_accepted),
            (&mut self.bad_unknown, other.bad_unknown),
            (&mut self.repeats, other.repeats),
            (&mut self.repeats_answered_otherwise, other.repeats_answered_otherwise),
        ];
        pairs.into_iter().for_each(|(total, more)| *total += more);
    }

    /// Counts a request of `batch` events that was (or was not) written.
    pub(super) fn count(&mut self, outcome: RequestOutcome, batch: usize, bytes_written: Option<usize>) {
        self.requests += 1;
        self.bytes_sent += bytes_written.unwrap_or(0) as u64;
        match outcome {
            RequestOutcome::Acknowledged(counts) => {
                self.requests_acknowledged += 1;
                self.events_accepted += counts.accepted;
                self.events_rejected += counts.rejected;
            }
            RequestOutcome::Refused => {
                self.requests_refused += 1;
                self.events_rejected += batch as u64;
            }
            RequestOutcome::Unknown | RequestOutcome::Unanswered => {
                self.requests_unknown += 1;
                self.requests_unanswered += u64::from(outcome == RequestOutcome::Unanswered);
                // Events that were never written cannot have been taken.
                self.events_unknown += bytes_written.map_or(0, |_| batch as u64);
            }
        }
    }
}

/// The start of an answer that was not 2xx.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AnswerExcerpt {
    /// HTTP status.
    pub status: u16,
    /// At most 500 bytes of the body.
    pub body: String,
}
