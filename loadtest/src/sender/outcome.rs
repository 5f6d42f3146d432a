//! What an answer, or its absence, says about the events of a request.

use crate::ledger::Code;
use crate::response::{Counts, parse_counts};

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// 2xx: so many events taken and so many refused.
    Acknowledged(Counts),
    /// 4xx: nothing was taken.
    Refused,
    /// 5xx, any other status, a lost connection or no answer in time.
    Unknown,
}

impl Outcome {
    /// Of an answer to a request with `batch` events. An answer without counts
    /// is taken to be about all of them.
    pub(crate) fn of_answer(status: u16, body: &[u8], batch: usize) -> Self {
        match status {
            200..300 => {
                let all = Counts { accepted: batch as u64, rejected: 0 };
                let counted = if batch > 1 { parse_counts(body) } else { None };
                Self::Acknowledged(counted.map_or(all, |counts| complete(counts, batch)))
            }
            // The server gave up waiting for the request: it may have read it.
            408 => Self::Unknown,
            400..500 => Self::Refused,
            _ => Self::Unknown,
        }
    }

    /// How the ledger records it. Where only some events were taken the
    /// generator does not find out which: none of them is relied on.
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Acknowledged(Counts { rejected: 0, .. }) => Code::Acknowledged,
            Self::Acknowledged(Counts { accepted: 0, .. }) | Self::Refused => Code::Refused,
            Self::Acknowledged(_) | Self::Unknown => Code::Unknown,
        }
    }
}

/// Events that an answer does not mention were not taken.
fn complete(counts: Counts, batch: usize) -> Counts {
    let unmentioned = (batch as u64).saturating_sub(counts.accepted + counts.rejected);
    Counts { rejected: counts.rejected + unmentioned, ..counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(accepted: u64, rejected: u64) -> Outcome {
        Outcome::Acknowledged(Counts { accepted, rejected })
    }

    #[test]
    fn counts_come_from_the_answer_to_many() {
        let body = br#"{"accepted":3,"rejected":1,"events":[]}"#;
        assert_eq!(Outcome::of_answer(202, body, 4), acknowledged(3, 1));
        assert_eq!(Outcome::of_answer(202, body, 9), acknowledged(3, 6));
        assert_eq!(Outcome::of_answer(202, b"{}", 4), acknowledged(4, 0));
        assert_eq!(Outcome::of_answer(202, body, 1), acknowledged(1, 0));
    }

    #[test]
    fn only_a_clear_refusal_is_one() {
        for (status, expected) in [(400, Outcome::Refused), (429, Outcome::Refused), (408, Outcome::Unknown)]
        {
            assert_eq!(Outcome::of_answer(status, b"", 1), expected);
        }
        for status in [301, 500, 503, 100] {
            assert_eq!(Outcome::of_answer(status, b"", 1), Outcome::Unknown);
        }
    }

    #[test]
    fn the_ledger_relies_on_whole_requests_only() {
        assert_eq!(acknowledged(4, 0).code(), Code::Acknowledged);
        assert_eq!(acknowledged(3, 1).code(), Code::Unknown);
        assert_eq!(acknowledged(0, 4).code(), Code::Refused);
        assert_eq!(Outcome::Refused.code(), Code::Refused);
        assert_eq!(Outcome::Unknown.code(), Code::Unknown);
    }
}
