//! Fuzz target `cloud_event_headers`: see `sluice_ingest::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_ingest::fuzzing::cloud_event_headers(bytes));
