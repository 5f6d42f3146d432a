//! The SDK against `vectors/server.py`, a server that answers as it is told.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed check is a panic")]

mod batcher;
mod script;
mod vectors;
