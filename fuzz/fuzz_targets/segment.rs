//! Fuzz target `segment`: see `sluice_shared::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_shared::fuzzing::run("segment", bytes));
