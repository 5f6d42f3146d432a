//! What the fuzz targets run: every decoder and parser of this crate, each with
//! what must hold of its result whatever the bytes.
//!
//! `fuzz/` runs them under libFuzzer; the tests beside each list run the same
//! functions over `fuzz/corpus` and inputs like those (see [`rounds`]).

mod rounds;

pub use rounds::{mutated, rounds};

use crate::selector::{MatchScratch, Selector};
use crate::trace::TraceParent;
use crate::wire::record::{Directory, directory_end, reseal};
use crate::{clock, embedded, sealing};

/// A target: the name of its corpus, and what runs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    ("record", record),
    ("segment", embedded::fuzzing::segment),
    ("catalogue_journal", embedded::fuzzing::catalogue_journal),
    ("state_changes", embedded::fuzzing::state_changes),
    ("selector", selector),
    ("sealed_secret", sealed_secret),
    ("header_texts", header_texts),
];

/// Runs a target by its name; an unknown one does nothing.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) {
        target(bytes);
    }
}

/// A record of the log: as it is, and with its checksums put right, so that
/// what they protect is reached.
pub fn record(bytes: &[u8]) {
    read_record(bytes);
    let mut bytes = bytes.to_vec();
    reseal(&mut bytes);
    read_record(&bytes);
}

fn read_record(bytes: &[u8]) {
    let Ok(directory) = Directory::parse(bytes) else { return };
    assert!(directory_end(bytes).is_ok_and(|end| end <= bytes.len()));
    for (row, batch) in directory.read_all(bytes) {
        let Ok(batch) = batch else { continue };
        assert_eq!((batch.id, batch.customer, batch.len()), (row.id, row.customer, row.events));
        for index in 0..batch.len() {
            std::hint::black_box((batch.envelope(index), batch.event_type(index)));
        }
        let range = directory.data_range(row).expect("it was read");
        if let Some(data) = bytes.get(range) {
            assert_eq!(directory.read(row, data).ok().as_ref(), Some(&batch), "alone it reads differently");
        }
    }
}

/// A selector on the first line, an event's envelope after it.
pub fn selector(bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (selector, envelope) = bytes.split_at(at);
    let Ok(text) = std::str::from_utf8(selector) else { return };
    let Ok(selector) = Selector::parse(text) else { return };
    let again = Selector::parse(selector.canonical()).expect("the canonical form is a selector");
    assert_eq!(again.canonical(), selector.canonical(), "the canonical form is not canonical");
    let mut scratch = MatchScratch::default();
    let envelope = envelope.get(1..).unwrap_or_default();
    for kind in ["", "order.created"] {
        let verdict = selector.compiled().evaluate(&mut scratch.view(kind, envelope));
        assert_eq!(again.compiled().evaluate(&mut scratch.view(kind, envelope)), verdict);
        let explained = selector.compiled().explain(&mut scratch.view(kind, envelope));
        assert_eq!(explained.verdict, verdict, "{}", explained.reason);
        if let Some(decided) = selector.compiled().decided_by_type(kind) {
            assert_eq!(decided, selector.compiled().matches(&mut scratch.view(kind, envelope)));
        }
    }
}

/// A sealed secret's text.
pub fn sealed_secret(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        sealing::open_anything(text);
    }
}

/// Small texts of headers and queries.
pub fn header_texts(bytes: &[u8]) {
    if let Some(trace) = TraceParent::parse(bytes) {
        assert_eq!(TraceParent::parse(trace.as_str().as_bytes()), Some(trace));
    }
    std::hint::black_box(TraceParent::of_envelope(bytes));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(ms) = clock::parse_rfc3339(text) {
        // Years of more than four digits are not written.
        if ms < 253_402_300_800_000 {
            assert_eq!(clock::parse_rfc3339(&clock::rfc3339_string(ms)), Some(ms));
        }
    }
    std::hint::black_box(text.parse::<crate::model::EventId>().is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        rounds(TARGETS, concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus"), 2000);
    }
}
