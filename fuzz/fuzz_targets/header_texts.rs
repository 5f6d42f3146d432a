//! Fuzz target `header_texts`: see `sluice_shared::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_shared::fuzzing::header_texts(bytes));
