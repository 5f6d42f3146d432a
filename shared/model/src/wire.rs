//! Formats of bytes that are stored or sent.

pub mod bytes_reader;
mod checksum;
pub mod envelope;
pub mod record;
