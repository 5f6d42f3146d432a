//! Fuzz target `endpoint_answer`: see `sluice_processor::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_processor::fuzzing::endpoint_answer(bytes));
