//! The index of one segment: a row for each frame, and for each customer the
//! numbers of the frames that hold its batches.
//!
//! Batch ids of a lane ascend in log order, so a customer and a time are enough
//! to find a batch. Rows and frame numbers cost some tens of nanoseconds each,
//! where an entry for each batch in a key-value store would cost microseconds.
//!
//! The file `<first LSN, 20 digits>.idx`, little-endian:
//!
//! ```text
//!  0  8  magic "SLINDEX\x02"
//!  8  8  smallest id time of the segment's batches, in milliseconds; 2^64 - 1 without batches
//! 16  8  largest id time; 0 without batches
//! 24  4  CRC32C of bytes 0..24
//! 28  4  CRC32C of bytes 32..
//! 32     [`SegmentIndex`] in postcard
//! ```
//!
//! A start reads the first 28 bytes of each file, so more kept events hardly slow it
//! down. A file of the first version is the CRC32C of the rest and the index in
//! postcard; it is read, and rewritten in this version.

use crate::log::known::parse_known;
use crate::segments::{LogSegments, LogStep};
use foldhash::HashMap;
use serde::{Deserialize, Serialize};
use sluice_model::{BatchId, CustomerId};
use std::io;

const MAGIC: [u8; 8] = *b"SLINDEX\x02";
/// The length of the part of a file that tells its times.
pub(super) const HEAD_LEN: usize = 28;

/// Whether a file is of the first version, or damaged at its beginning.
pub(super) fn is_first_version(bytes: &[u8]) -> bool {
    !bytes.starts_with(&MAGIC)
}

/// The times that the head of a file tells; `None` if it is damaged.
pub(super) fn read_times(head: &[u8]) -> Option<(u64, u64)> {
    let (fields, crc) = head.get(..HEAD_LEN)?.split_last_chunk::<4>()?;
    let times = fields.strip_prefix(&MAGIC)?;
    if crc32c::crc32c(fields) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (min, max) = times.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*min), u64::from_le_bytes(max.try_into().ok()?)))
}

/// The place of a frame and the id times of its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrameRow {
    pub lsn: u64,
    pub min_ms: u64,
    pub max_ms: u64,
}

/// The index of one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentIndex {
    frames: Vec<FrameRow>,
    customers: HashMap<CustomerId, Vec<u32>>,
}

impl SegmentIndex {
    /// Adds the frame at `lsn`, which holds these batches.
    pub(crate) fn push<'a>(
        &mut self,
        lsn: u64,
        batches: impl IntoIterator<Item = (&'a CustomerId, BatchId)>,
    ) {
        let frame = self.frames.len() as u32;
        let mut row = FrameRow { lsn, min_ms: u64::MAX, max_ms: 0 };
        for (customer, batch) in batches {
            row.min_ms = row.min_ms.min(batch.ms());
            row.max_ms = row.max_ms.max(batch.ms());
            let postings = self.customers.entry(*customer).or_default();
            if postings.last() != Some(&frame) {
                postings.push(frame);
            }
        }
        self.frames.push(row);
    }

    /// The frames that may hold a customer's batches of these times, ascending.
    pub(crate) fn frames(&self, customer: CustomerId, from_ms: u64, until_ms: u64) -> Vec<FrameRow> {
        let postings = self.customers.get(&customer).map_or(&[][..], Vec::as_slice);
        let rows = postings.iter().map(|frame| self.frames[*frame as usize]);
        rows.filter(|row| row.max_ms >= from_ms && row.min_ms < until_ms).collect()
    }

    pub(super) fn times(&self) -> (u64, u64) {
        let min = self.frames.iter().map(|row| row.min_ms).min().unwrap_or(u64::MAX);
        let max = self.frames.iter().map(|row| row.max_ms).max().unwrap_or(0);
        (min, max)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let body = postcard::to_allocvec(self).expect("an index is plain data");
        let (min, max) = self.times();
        let mut out = [MAGIC, min.to_le_bytes(), max.to_le_bytes()].concat();
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        out.extend_from_slice(&body);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, body) = match is_first_version(bytes) {
            true => bytes.split_first_chunk::<4>()?,
            false => bytes.get(HEAD_LEN..)?.split_first_chunk::<4>()?,
        };
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        postcard::from_bytes(body).ok()
    }

    /// Reads the directories of a segment's frames. Fails at a record that a newer
    /// Sluice wrote: an index without it would hide its batches from that, too.
    pub(super) fn scan(segments: &LogSegments, base: u64, end: u64) -> io::Result<Self> {
        let mut index = Self::default();
        let mut from = base;
        while from < end {
            match segments.read(from)? {
                LogStep::Frame { lsn, .. } if lsn >= end => break,
                LogStep::Frame { lsn, next, payload, .. } => {
                    if let Ok(directory) = parse_known(&payload, || segments.name(lsn))? {
                        index.push(lsn, directory.batches.iter().map(|row| (&row.customer, row.id)));
                    }
                    from = next;
                }
                // A reader of the log reports the damage. The whole batches can still be found.
                LogStep::Damaged { next, rest, .. } => {
                    let rest = rest.map(|rest| parse_known(&rest, || segments.name(from))).transpose()?;
                    if let Some(Ok(directory)) = rest {
                        index.push(from, directory.batches.iter().map(|row| (&row.customer, row.id)));
                    }
                    from = next;
                }
                LogStep::End => break,
            }
        }
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Lane;
    use sluice_model::ids::BatchIds;

    fn sample() -> SegmentIndex {
        let (mut index, mut ids) = (SegmentIndex::default(), BatchIds::new(Lane::new(3).unwrap(), 0));
        for frame in 0..20 {
            let customers = [frame % 3, frame % 7].map(|n| CustomerId::from_u128(n.into()));
            let batches: Vec<_> =
                customers.iter().map(|customer| (customer, ids.next(1000 + frame))).collect();
            index.push(frame * 100, batches);
        }
        index
    }

    #[test]
    fn a_file_tells_its_times_and_its_index() {
        for index in [SegmentIndex::default(), sample()] {
            let bytes = index.encode();
            assert_eq!(read_times(&bytes[..HEAD_LEN]), Some(index.times()));
            assert_eq!(SegmentIndex::decode(&bytes), Some(index));
        }
    }

    #[test]
    fn a_changed_or_missing_byte_is_noticed() {
        let bytes = sample().encode();
        for offset in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[offset] ^= 0x20;
            let noticed = match offset < HEAD_LEN {
                true => read_times(&changed).is_none(),
                false => SegmentIndex::decode(&changed).is_none(),
            };
            assert!(noticed, "byte {offset}");
            assert_eq!(SegmentIndex::decode(&bytes[..offset]), None, "cut at {offset}");
        }
    }

    #[test]
    fn a_file_of_the_first_version_is_read() {
        let index = sample();
        let body = postcard::to_allocvec(&index).unwrap();
        let bytes = [&crc32c::crc32c(&body).to_le_bytes()[..], &body].concat();
        assert!(is_first_version(&bytes) && read_times(&bytes).is_none());
        assert_eq!(SegmentIndex::decode(&bytes), Some(index));
    }
}
