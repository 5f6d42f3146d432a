//! Fuzz target `state_changes`: see `sluice_shared::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_shared::fuzzing::run("state_changes", bytes));
