//! The SDK against `vectors/server.py`, a server that answers as it is told.

mod batcher;
mod script;
mod vectors;
