//! Fuzz target `record`: see `sluice_shared::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_shared::fuzzing::record(bytes));
