//! Fuzz target `request_body`: see `sluice_ingest::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_ingest::fuzzing::request_body(bytes));
