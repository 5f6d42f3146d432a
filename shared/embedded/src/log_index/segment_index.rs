//! The index of one segment: a row for each frame, and for each customer the
//! numbers of the frames that hold its batches.
//!
//! Batch ids of a lane ascend in log order, so a customer and a time are enough
//! to find a batch. Rows and frame numbers cost some tens of nanoseconds each,
//! where an entry for each batch in a key-value store would cost microseconds.
//!
//! The file `<first LSN, 20 digits>.idx` holds the CRC32C (4 bytes, little-endian)
//! of what follows, then [`SegmentIndex`] in postcard.

use crate::segments::{LogSegments, LogStep};
use foldhash::HashMap;
use serde::{Deserialize, Serialize};
use sluice_model::wire::record::RecordDirectory;
use sluice_model::{BatchId, CustomerId};
use std::io;

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
        let mut out = crc32c::crc32c(&body).to_le_bytes().to_vec();
        out.extend_from_slice(&body);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, body) = bytes.split_first_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        postcard::from_bytes(body).ok()
    }

    /// Reads the directories of a segment's frames.
    pub(super) fn scan(segments: &LogSegments, base: u64, end: u64) -> io::Result<Self> {
        let mut index = Self::default();
        let mut at = base;
        while at < end {
            match segments.read(at)? {
                LogStep::Frame { lsn, .. } if lsn >= end => break,
                LogStep::Frame { lsn, next, payload, .. } => {
                    if let Ok(directory) = RecordDirectory::parse(&payload) {
                        index.push(lsn, directory.batches.iter().map(|row| (&row.customer, row.id)));
                    }
                    at = next;
                }
                // A reader of the log reports the damage. The whole batches can still be found.
                LogStep::Damaged { next, rest, .. } => {
                    if let Some(directory) = rest.and_then(|rest| RecordDirectory::parse(&rest).ok()) {
                        index.push(at, directory.batches.iter().map(|row| (&row.customer, row.id)));
                    }
                    at = next;
                }
                LogStep::End => break,
            }
        }
        Ok(index)
    }
}
