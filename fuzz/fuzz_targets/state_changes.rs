//! Fuzz target `state_changes`: see `sluice_embedded::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_embedded::fuzzing::state_changes(bytes));
