//! Fuzz target `event_schema`: see `sluice_schema::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_schema::fuzzing::event_schema(bytes));
