//! Fuzz targets of the wire formats and of small texts, and the function [`rounds`] with
//! which the ordinary tests of every crate run their targets.
//!
//! A target takes any bytes and asserts what must hold of the result. `fuzz/`
//! runs the targets under libFuzzer; the tests run the same functions over
//! `fuzz/corpus` and over inputs made from it (see [`rounds`]).

mod rounds;

pub use rounds::{mutated, rounds};

use crate::clock;
use crate::trace::TraceParent;
use crate::wire::record::{RecordDirectory, directory_end, reseal};

/// A fuzz target: the name of its corpus, and the function that it runs.
pub type Target = (&'static str, fn(&[u8]));

/// The targets of this crate.
pub const TARGETS: &[Target] = &[("record", record), ("header_texts", header_texts)];

/// Reads bytes as a record of the log: as they are, and with correct checksums, so that the
/// fields behind the checksums are reached.
pub fn record(bytes: &[u8]) {
    read_record(bytes);
    let mut bytes = bytes.to_vec();
    reseal(&mut bytes);
    read_record(&bytes);
}

fn read_record(bytes: &[u8]) {
    let Ok(directory) = RecordDirectory::parse(bytes) else { return };
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

/// Reads bytes as small texts of headers and queries.
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
    std::hint::black_box(text.parse::<crate::EventId>().is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        rounds(TARGETS, concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"), 2000);
    }
}
