//! Fuzz target `segment`: see `sluice_embedded::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_embedded::fuzzing::segment(bytes));
