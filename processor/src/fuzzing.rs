//! The fuzz targets of this crate, the parsers of endpoints' answers, with the feature `fuzzing`.

use crate::client::{AnswerBody, BodyEnd, failed_events};
use crate::outcome::RetryAfter;
use sluice_model::fuzzing::Target;
use sluice_model::{EventId, EventRef, EventSet};

/// The targets of this crate.
pub const TARGETS: &[Target] = &[("endpoint_answer", endpoint_answer)];

/// The batch whose events the lists of the corpus name: `019a0000-0000-7000-8000-000000000000`.
const BATCH: u128 = 0x019a_0000_0000_7000_8000_0000_0000_0000;

/// 2026-11-29, for reading years of two digits.
const NOW_MS: u64 = 1_795_910_400_000;

/// Reads the bytes as the body of an answer, and as a `Retry-After` header.
pub fn endpoint_answer(bytes: &[u8]) {
    let body = |coding: Option<&str>| AnswerBody {
        bytes: bytes.to_vec(),
        end: BodyEnd::Whole,
        bytes_max: 256 * 1024,
        coding: coding.map(str::to_owned),
    };
    let batch = EventId::from_u128(BATCH).batch();
    let delivery = [EventRef { batch, events: EventSet::range(0, 100) }];
    if let Ok(failed) = failed_events(&body(None), &delivery) {
        // A quoted id and a comma are 39 bytes.
        assert!(failed.len() * 39 <= bytes.len() + 1, "{} ids in {} bytes", failed.len(), bytes.len());
        assert!(failed.iter().all(|failed| failed.batch() == batch && failed.index() < 100));
    }
    if let Ok(failed) = failed_events(&body(Some("gzip")), &delivery) {
        assert!(failed.is_empty(), "a list counts though its coding was not offered");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        std::hint::black_box(RetryAfter::parse(text, NOW_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        let corpora = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus");
        sluice_model::fuzzing::rounds(TARGETS, corpora, 2000);
    }
}
