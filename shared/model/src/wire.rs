//! Bytes that outlive a process or leave it.

pub mod bytes_reader;
mod checksum;
pub mod envelope;
pub mod record;
