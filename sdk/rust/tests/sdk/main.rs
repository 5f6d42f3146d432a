//! Tests the SDK against `vectors/server.py`, a server with scripted answers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed check is a panic")]

mod batcher;
mod script;
mod vectors;
