//! Fuzz target `header_texts`: see `sluice_model::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_model::fuzzing::header_texts(bytes));
