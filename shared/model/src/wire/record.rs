//! The record: the unit that the log stores. Little-endian throughout.
//!
//! ```text
//! header, 48 bytes
//!   0  4  magic "SLR1"
//!   4  1  version: 1, or 2 if a block is LZ4 or a batch has blank ids
//!   5  1  flags, 0
//!   6  2  lane of all batches, or 0xffff where batches of several lanes share the record
//!   8  8  producer: the ingest process that cut it
//!  16  8  sequence: the producer's count for this append unit
//!  24  4  number of batches
//!  28  4  number of blocks
//!  32  4  length of the directory
//!  36  4  length of all stored blocks
//!  40  4  CRC32C of the directory
//!  44  4  CRC32C of bytes 0..44
//! directory
//!   a row a block, 12 bytes:  stored length u32, raw length u32, encoding u8 (0 stored, 1 zstd,
//!                             2 LZ4, its block format), 3 × 0
//!   a row a batch, 56 bytes:  customer 16, batch id 16 (both big-endian), first block u32,
//!                             offset in it u32, raw length u32, events u16, types u16, claims u16,
//!                             flags u16 (1 blank ids), CRC32C of the raw bytes u32
//!     then a row a claim, 40: key hash 16, body hash 16, first u16, count u16, part u16, parts u16
//! blocks, one after the other
//! ```
//!
//! Every later version keeps the fields by which it is told from damage: the length of the
//! header, its magic, the version's place and the header's checksum. Everything that older
//! builds would misread (an encoding, a flag, a field) needs a new version. A reader that
//! does not know the version passes nothing of the record, and leaves it to a newer build.
//!
//! A batch with blank ids was compressed before its events had ids: its reader writes the
//! ids into the envelopes after comparing the checksum.
//!
//! A batch's raw bytes are its tables and its body, cut into one or more blocks of at most
//! 64 KiB raw. Small batches share a block; a batch larger than the room left in a block
//! starts a new one. So a batch is read without its neighbours, and a damaged block costs
//! only the batches in it.
//!
//! ```text
//! raw bytes of a batch
//!   types     each: length u16, text
//!   ends      u32 an event: where its envelope ends in the body
//!   kinds     u16 an event: its type; absent where there is one type
//!   ordering  u8 0 or 1; if 1, u64 an event: hash of its ordering key
//!   body      the envelopes, joined by commas
//! ```

use super::bytes_reader::{BytesReader, TooShort};
use crate::Lane;
use crate::batch::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::{Batch, BatchId, Claim, CustomerId};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

mod block;
mod encode;
mod packed;
#[cfg(any(test, feature = "fuzzing"))]
mod reseal;
#[cfg(test)]
mod tests;
mod unpack;

pub use block::BlockCodec;
use block::BlockEncoding;
pub use encode::RecordEncoder;
pub use packed::{BodyPart, PackedRun};
#[cfg(any(test, feature = "fuzzing"))]
pub use reseal::reseal;

/// Bytes of a record's header.
pub const HEADER_LEN: usize = 48;
/// The most raw bytes of a block.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024;

const MAGIC: [u8; 4] = *b"SLR1";
/// The version of records that every build reads. Records that several processes read, of
/// which some may be older than the writer, are written in this version only.
pub const VERSION_FIRST: u8 = 1;
/// The version of records with LZ4 blocks or blank ids; the newest that this build reads.
pub const VERSION_PACKED: u8 = 2;
/// A batch row's flag: the envelopes' ids are blank.
const FLAG_BLANK_IDS: u16 = 1;
const LANE_MIXED: u16 = 0xffff;
const BLOCK_ROW_LEN: usize = 12;
/// The most raw bytes of a batch: its body and the largest tables it can have.
const RAW_BYTES_MAX: usize = BATCH_BYTES_MAX * 2 + BATCH_EVENTS_MAX * 16 + 1;

/// Why bytes are not a record, or why a batch of a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes do not begin with a record's magic.
    #[error("not a record: wrong magic")]
    Magic,
    /// A version that this build does not know: a newer build wrote the record, which is whole.
    #[error(
        "a newer Sluice wrote this record: it has version {0}, and this build reads {VERSION_FIRST} to {VERSION_PACKED}"
    )]
    Version(u8),
    /// The bytes end inside a field.
    #[error("record {0}")]
    TooShort(#[from] TooShort),
    /// A checksum does not match.
    #[error("checksum of the {0} does not fit")]
    Checksum(&'static str),
    /// A field contradicts another field or exceeds a limit.
    #[error("record is malformed: {0}")]
    Malformed(&'static str),
}

impl RecordError {
    /// Whether the record is whole and a newer build can read it.
    #[must_use]
    pub const fn is_newer(&self) -> bool {
        matches!(self, Self::Version(_))
    }
}

/// The version of a record, known or not.
///
/// # Errors
/// If the bytes do not begin with a record's header.
pub fn version(bytes: &[u8]) -> Result<u8, RecordError> {
    match RecordHeader::parse(bytes) {
        Ok(head) => Ok(head.version),
        Err(RecordError::Version(version)) => Ok(version),
        Err(error) => Err(error),
    }
}

/// The batches of one append unit, cut at one moment, which are appended to the log.
#[derive(Debug, Clone)]
pub struct RecordDraft {
    /// The lane of all batches; `None` if batches of several lanes share the record.
    pub lane: Option<Lane>,
    /// The process that cut the record: a random number chosen at its start.
    pub producer: u64,
    /// Starts at 0 and grows by 1 with each record of this producer and append unit.
    pub sequence: u64,
    /// The batches, ascending by id within a lane.
    pub batches: Vec<Arc<Batch>>,
    /// The parts of the batches' bodies, by the batch's index, if some were compressed
    /// earlier; a body without parts is compressed as a whole.
    pub parts: Vec<Vec<BodyPart>>,
}

/// The places of a record's batches and blocks.
#[derive(Debug, Clone)]
pub struct RecordDirectory {
    /// The ingest process that cut the record.
    pub producer: u64,
    /// The producer's count of the record.
    pub sequence: u64,
    /// One row for each batch, in the order of the record.
    pub batches: Vec<BatchRow>,
    blocks: Vec<BlockRow>,
}

/// The directory's row of a batch.
#[derive(Debug, Clone)]
pub struct BatchRow {
    /// The customer whose events the batch holds.
    pub customer: CustomerId,
    /// The batch's id.
    pub id: BatchId,
    /// The number of its events, at most [`BATCH_EVENTS_MAX`].
    pub events: u16,
    /// Its marks of requests with an idempotency key.
    pub claims: Vec<Claim>,
    types: u16,
    first_block: u32,
    offset: u32,
    raw_len: u32,
    blank_ids: bool,
    crc: u32,
}

#[derive(Debug, Clone, Copy)]
struct BlockRow {
    /// Where the stored bytes begin, from the start of the record.
    start: usize,
    stored_len: u32,
    raw_len: u32,
    encoding: BlockEncoding,
}

/// The length of header and directory together, which is how many bytes
/// [`RecordDirectory::parse`] needs. `header` must hold the first [`HEADER_LEN`] bytes.
///
/// # Errors
/// If the bytes are not a record's header.
pub fn directory_end(header: &[u8]) -> Result<usize, RecordError> {
    let head = RecordHeader::parse(header)?;
    Ok(HEADER_LEN + head.directory_len as usize)
}

struct RecordHeader {
    version: u8,
    producer: u64,
    sequence: u64,
    batches: u32,
    blocks: u32,
    directory_len: u32,
    data_len: u32,
    directory_crc: u32,
}

impl RecordHeader {
    fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = BytesReader::new(bytes);
        let head = reader.take(HEADER_LEN)?;
        let mut reader = BytesReader::new(head);
        if reader.array::<4>()? != MAGIC {
            return Err(RecordError::Magic);
        }
        let (fields, crc) = head.split_at(HEADER_LEN - 4);
        if BytesReader::new(crc).u32()? != crc32c::crc32c(fields) {
            return Err(RecordError::Checksum("record header"));
        }
        let version = match reader.u8()? {
            known @ (VERSION_FIRST | VERSION_PACKED) => known,
            other => return Err(RecordError::Version(other)),
        };
        reader.take(3)?;
        Ok(Self {
            version,
            producer: reader.u64()?,
            sequence: reader.u64()?,
            batches: reader.u32()?,
            blocks: reader.u32()?,
            directory_len: reader.u32()?,
            data_len: reader.u32()?,
            directory_crc: reader.u32()?,
        })
    }
}

impl RecordDirectory {
    /// Bytes of the batches once they are unpacked.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.batches.iter().map(|row| row.raw_len as usize).sum()
    }

    /// Parses header and directory; `bytes` may end after the directory or continue.
    ///
    /// # Errors
    /// If a checksum does not match, or a field contradicts another one.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let head = RecordHeader::parse(bytes)?;
        let end = HEADER_LEN + head.directory_len as usize;
        let directory = bytes.get(HEADER_LEN..end).ok_or(RecordError::Malformed("directory is cut off"))?;
        if crc32c::crc32c(directory) != head.directory_crc {
            return Err(RecordError::Checksum("record directory"));
        }
        if head.blocks as usize > directory.len() / BLOCK_ROW_LEN {
            return Err(RecordError::Malformed("more blocks than the directory has room for"));
        }
        let mut reader = BytesReader::new(directory);
        let mut start = end;
        let mut blocks = Vec::with_capacity(head.blocks as usize);
        for _ in 0..head.blocks {
            let row = Self::block_row(&mut reader, start)?;
            start += row.stored_len as usize;
            blocks.push(row);
        }
        if start != end + head.data_len as usize {
            return Err(RecordError::Malformed("blocks do not add up to the data length"));
        }
        let mut batches = Vec::new();
        for _ in 0..head.batches {
            batches.push(Self::batch_row(&mut reader)?);
        }
        Ok(Self { producer: head.producer, sequence: head.sequence, batches, blocks })
    }

    fn block_row(reader: &mut BytesReader<'_>, start: usize) -> Result<BlockRow, RecordError> {
        let (stored_len, raw_len) = (reader.u32()?, reader.u32()?);
        let encoding = BlockEncoding::from_byte(reader.u8()?);
        reader.take(3)?;
        match encoding {
            Some(encoding) if raw_len as usize <= BLOCK_BYTES_MAX => {
                Ok(BlockRow { start, stored_len, raw_len, encoding })
            }
            _ => Err(RecordError::Malformed("a block row is out of bounds")),
        }
    }

    fn batch_row(reader: &mut BytesReader<'_>) -> Result<BatchRow, RecordError> {
        let customer = CustomerId::from_bytes(reader.array()?);
        let id = BatchId::from_bytes(reader.array()?);
        let (first_block, offset, raw_len) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (events, types, claims) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let (flags, crc) = (reader.u16()?, reader.u32()?);
        let claims = (0..claims)
            .map(|_| {
                Ok(Claim {
                    key: reader.array()?,
                    body: reader.array()?,
                    first: reader.u16()?,
                    count: reader.u16()?,
                    part: reader.u16()?,
                    parts: reader.u16()?,
                })
            })
            .collect::<Result<_, TooShort>>()?;
        let is_far = offset as usize > BLOCK_BYTES_MAX;
        if is_far || usize::from(events) > BATCH_EVENTS_MAX || raw_len as usize > RAW_BYTES_MAX {
            return Err(RecordError::Malformed("a batch row is out of bounds"));
        }
        let blank_ids = match flags {
            0 => false,
            FLAG_BLANK_IDS => true,
            _ => return Err(RecordError::Malformed("a batch row has unknown flags")),
        };
        Ok(BatchRow { customer, id, events, claims, types, first_block, offset, raw_len, blank_ids, crc })
    }

    /// The range of a batch's blocks in the record, whose bytes [`read`](Self::read) needs.
    ///
    /// # Errors
    /// If the row points past the record's blocks.
    pub fn data_range(&self, row: &BatchRow) -> Result<Range<usize>, RecordError> {
        let blocks = self.blocks_of(row)?;
        let first = self.blocks[blocks.start];
        let last = self.blocks[blocks.end - 1];
        Ok(first.start..last.start + last.stored_len as usize)
    }

    fn blocks_of(&self, row: &BatchRow) -> Result<Range<usize>, RecordError> {
        let first = row.first_block as usize;
        let mut left = row.offset as usize + row.raw_len as usize;
        for (i, block) in self.blocks.iter().enumerate().skip(first) {
            left = left.saturating_sub(block.raw_len as usize);
            if left == 0 {
                return Ok(first..i + 1);
            }
        }
        Err(RecordError::Malformed("a batch reaches beyond the blocks"))
    }

    /// Reads one batch from `data`, the record's bytes of [`data_range`](Self::data_range).
    ///
    /// # Errors
    /// If a block does not unpack, the checksum does not match, or the batch's tables contradict
    /// its body.
    pub fn read(&self, row: &BatchRow, data: &[u8]) -> Result<Batch, RecordError> {
        let blocks = self.blocks_of(row)?;
        row.cut(&self.unpack(blocks, data)?)
    }

    /// The raw bytes of some blocks; `data` begins with the first.
    fn unpack(&self, blocks: Range<usize>, data: &[u8]) -> Result<Bytes, RecordError> {
        let blocks = &self.blocks[blocks];
        let base = blocks[0].start;
        let mut raw = Vec::with_capacity(blocks.iter().map(|block| block.raw_len as usize).sum());
        for block in blocks {
            let start = block.start - base;
            let stored = data
                .get(start..start + block.stored_len as usize)
                .ok_or(RecordError::Malformed("a block is cut off"))?;
            block::unpack(block.encoding, stored, block.raw_len as usize, &mut raw)?;
        }
        Ok(raw.into())
    }

    /// Reads every batch of a whole record; a damaged batch gives an error beside its neighbours.
    pub fn read_all<'a>(
        &'a self,
        record: &'a [u8],
    ) -> impl Iterator<Item = (&'a BatchRow, Result<Batch, RecordError>)> {
        // Small batches share blocks: the blocks unpacked for a batch serve the next one.
        let mut unpacked: Option<(Range<usize>, Result<Bytes, RecordError>)> = None;
        self.batches.iter().map(move |row| {
            let batch = self.blocks_of(row).and_then(|blocks| {
                if unpacked.as_ref().is_none_or(|(range, _)| *range != blocks) {
                    let data = record.get(self.blocks[blocks.start].start..).unwrap_or_default();
                    unpacked = Some((blocks.clone(), self.unpack(blocks, data)));
                }
                let (_, raw) = unpacked.as_ref().expect("just unpacked");
                row.cut(raw.as_ref().map_err(Clone::clone)?)
            });
            (row, batch)
        })
    }
}
