//! Fuzz target `cursor`: see `sluice_ingest::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_ingest::fuzzing::cursor_text(bytes));
