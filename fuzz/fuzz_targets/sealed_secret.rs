//! Fuzz target `sealed_secret`: see `sluice_shared::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_shared::fuzzing::sealed_secret(bytes));
