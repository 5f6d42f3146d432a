//! Fuzz target `compressed_body`: see `sluice_ingest::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_ingest::fuzzing::compressed_body(bytes));
