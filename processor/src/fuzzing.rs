//! What the fuzz targets run: what the processor reads of endpoints' answers.

use crate::client::failed_events;
use crate::outcome::RetryAfter;
use sluice_model::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[("endpoint_answer", endpoint_answer)];

/// An answer's body and `Retry-After`.
pub fn endpoint_answer(bytes: &[u8]) {
    let failed = failed_events(bytes);
    // A quoted id and a comma are 39 bytes.
    assert!(failed.len() * 39 <= bytes.len() + 1, "{} ids in {} bytes", failed.len(), bytes.len());
    if let Ok(text) = std::str::from_utf8(bytes) {
        std::hint::black_box(RetryAfter::parse(text));
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
