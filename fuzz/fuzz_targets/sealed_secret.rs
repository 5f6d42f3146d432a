//! Fuzz target `sealed_secret`: see `sluice_catalogue::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_catalogue::fuzzing::sealed_secret(bytes));
