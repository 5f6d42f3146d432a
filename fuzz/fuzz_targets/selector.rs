//! Fuzz target `selector`: see `sluice_selector::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_selector::fuzzing::selector(bytes));
