//! Fuzz target `query_and_url`: see `sluice_ingest::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_ingest::fuzzing::query_and_url(bytes));
