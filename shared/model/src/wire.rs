//! Bytes that outlive a process or leave it.

pub mod bytes_reader;
pub mod envelope;
pub mod record;
