//! Decides from an answer, or from its absence, whether a request's events were accepted.

use crate::ledger::Code;
use crate::response::{EventCounts, parse_counts};

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestOutcome {
    /// 2xx, with the numbers of accepted and refused events.
    Acknowledged(EventCounts),
    /// 4xx: nothing was taken.
    Refused,
    /// 5xx or any other status: events may have been taken.
    Unknown,
    /// No answer: the connection broke, the time was up, or there was none.
    Unanswered,
}

impl RequestOutcome {
    /// The outcome of a request with `batch` events. An answer without counts
    /// is taken to be about all of them.
    pub fn of_answer(status: u16, body: &[u8], batch: usize) -> Self {
        match status {
            200..300 => {
                let all = EventCounts { accepted: batch as u64, rejected: 0 };
                let counted = if batch > 1 { parse_counts(body) } else { None };
                Self::Acknowledged(counted.map_or(all, |counts| complete(counts, batch)))
            }
            // The server gave up waiting for the request: it may have read it.
            408 => Self::Unknown,
            400..500 => Self::Refused,
            _ => Self::Unknown,
        }
    }

    /// The outcome of a plain request, for which a redirection is an answer
    /// like any other.
    pub(super) fn of_plain_answer(status: u16) -> Self {
        match status {
            300..400 => Self::Acknowledged(EventCounts { accepted: 1, rejected: 0 }),
            _ => Self::of_answer(status, b"", 1),
        }
    }

    /// Returns true if events may or may not have been taken.
    pub fn is_uncertain(self) -> bool {
        matches!(self, Self::Unknown | Self::Unanswered)
    }

    /// The code for the ledger. If only some events were taken, the generator
    /// does not know which, so the ledger calls all of them unknown.
    pub fn code(self) -> Code {
        match self {
            Self::Acknowledged(EventCounts { rejected: 0, .. }) => Code::Acknowledged,
            Self::Acknowledged(EventCounts { accepted: 0, .. }) | Self::Refused => Code::Refused,
            Self::Acknowledged(_) | Self::Unknown | Self::Unanswered => Code::Unknown,
        }
    }
}

/// Events that an answer does not mention were not taken.
fn complete(counts: EventCounts, batch: usize) -> EventCounts {
    let unmentioned = (batch as u64).saturating_sub(counts.accepted + counts.rejected);
    EventCounts { rejected: counts.rejected + unmentioned, ..counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(accepted: u64, rejected: u64) -> RequestOutcome {
        RequestOutcome::Acknowledged(EventCounts { accepted, rejected })
    }

    #[test]
    fn counts_come_from_the_answer_to_many() {
        let body = br#"{"accepted":3,"rejected":1,"events":[]}"#;
        assert_eq!(RequestOutcome::of_answer(202, body, 4), acknowledged(3, 1));
        assert_eq!(RequestOutcome::of_answer(202, body, 9), acknowledged(3, 6));
        assert_eq!(RequestOutcome::of_answer(202, b"{}", 4), acknowledged(4, 0));
        assert_eq!(RequestOutcome::of_answer(202, body, 1), acknowledged(1, 0));
    }

    #[test]
    fn only_a_clear_refusal_is_one() {
        for (status, expected) in
            [(400, RequestOutcome::Refused), (429, RequestOutcome::Refused), (408, RequestOutcome::Unknown)]
        {
            assert_eq!(RequestOutcome::of_answer(status, b"", 1), expected);
        }
        for status in [301, 500, 503, 100] {
            assert_eq!(RequestOutcome::of_answer(status, b"", 1), RequestOutcome::Unknown);
        }
    }

    #[test]
    fn the_ledger_relies_on_whole_requests_only() {
        assert_eq!(acknowledged(4, 0).code(), Code::Acknowledged);
        assert_eq!(acknowledged(3, 1).code(), Code::Unknown);
        assert_eq!(acknowledged(0, 4).code(), Code::Refused);
        assert_eq!(RequestOutcome::Refused.code(), Code::Refused);
        assert_eq!(RequestOutcome::Unknown.code(), Code::Unknown);
        assert_eq!(RequestOutcome::Unanswered.code(), Code::Unknown);
    }
}
