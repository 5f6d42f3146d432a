//! Bodies that are compressed before their record is encoded.
//!
//! A request compresses its own events, in parallel with other requests, before they join a
//! batch. The events have no ids yet, so the log keeps blank ids, and the reader of the
//! batch writes the ids.

use super::block::{BlockCodec, Blocks, compress_here};
use crate::wire::checksum::joined;
use std::ops::Range;

/// Envelopes of one request, joined by commas, compressed while their ids were blank.
#[derive(Debug, Clone)]
pub struct PackedRun {
    /// With a comma after the last envelope, which is not read if nothing follows.
    pub(super) blocks: Blocks,
    raw_len: usize,
    crc: u32,
    crc_with_comma: u32,
}

impl PackedRun {
    /// Compresses envelopes; `body` is unchanged afterwards.
    ///
    /// # Errors
    /// If zstd refuses the level, or memory runs out.
    pub fn new(body: &mut Vec<u8>, codec: BlockCodec) -> std::io::Result<Self> {
        let crc = crc32c::crc32c(body);
        body.push(b',');
        let blocks = compress_here(body, codec);
        body.pop();
        Ok(Self {
            blocks: blocks?,
            raw_len: body.len(),
            crc,
            crc_with_comma: crc32c::crc32c_append(crc, b","),
        })
    }

    /// The checksum of these bytes appended to bytes with the checksum `before`; `is_last` tells
    /// whether the comma is left out.
    pub(super) fn append_crc(&self, before: u32, is_last: bool) -> u32 {
        match is_last {
            true => joined(before, self.crc, self.raw_len),
            false => joined(before, self.crc_with_comma, self.raw_len + 1),
        }
    }
}

/// A part of a batch's body.
#[derive(Debug, Clone)]
pub enum BodyPart {
    /// Bytes of the body that are not compressed yet.
    Plain(Range<usize>),
    /// Envelopes that are compressed already.
    Packed(PackedRun),
}
