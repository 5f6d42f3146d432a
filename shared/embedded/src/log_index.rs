//! Which frames of a segment hold a customer's batches.
//!
//! Batch ids of a lane ascend in log order, so a batch is found by its time
//! and its customer: the index has a row a frame and a posting a (customer ×
//! frame), some tens of nanoseconds each, where an entry a batch in a
//! key-value store costs microseconds. It is kept in memory while a segment is
//! written, stored beside it (`<base>.idx`: CRC32C, then postcard) when it is
//! full, and made anew from the segment whenever it is missing or damaged.

use super::durable_file;
use super::segments::{Segments, Step};
use foldhash::HashMap;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use sluice_model::wire::record::RecordDirectory;
use sluice_model::{Batch, BatchId, CustomerId};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Indexes of full segments that are kept in memory.
const LOADED_MAX: usize = 16;

/// Where a frame is and what times it covers.
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
    /// Adds a frame with these batches.
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

    fn times(&self) -> (u64, u64) {
        let min = self.frames.iter().map(|row| row.min_ms).min().unwrap_or(u64::MAX);
        let max = self.frames.iter().map(|row| row.max_ms).max().unwrap_or(0);
        (min, max)
    }

    fn encode(&self) -> Vec<u8> {
        let body = postcard::to_allocvec(self).expect("an index is plain data");
        let mut out = crc32c::crc32c(&body).to_le_bytes().to_vec();
        out.extend_from_slice(&body);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, body) = bytes.split_first_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        postcard::from_bytes(body).ok()
    }

    /// Reads the directories of a segment's frames.
    fn scan(segments: &Segments, base: u64, end: u64) -> io::Result<Self> {
        let mut index = Self::default();
        let mut at = base;
        while at < end {
            match segments.read(at)? {
                Step::Frame { lsn, .. } if lsn >= end => break,
                Step::Frame { lsn, next, payload, .. } => {
                    if let Ok(directory) = RecordDirectory::parse(&payload) {
                        index.push(lsn, directory.batches.iter().map(|row| (&row.customer, row.id)));
                    }
                    at = next;
                }
                // Named by who reads the log; what is whole of it can still be found.
                Step::Damaged { next, rest, .. } => {
                    if let Some(directory) = rest.and_then(|rest| RecordDirectory::parse(&rest).ok()) {
                        index.push(at, directory.batches.iter().map(|row| (&row.customer, row.id)));
                    }
                    at = next;
                }
                Step::End => break,
            }
        }
        Ok(index)
    }
}

/// The times of a segment, and its index if it is the one being written.
struct Entry {
    base: u64,
    min_ms: u64,
    max_ms: u64,
    open: Option<SegmentIndex>,
}

/// The index of one shard of the log.
pub(crate) struct LogIndex {
    segments: Arc<Segments>,
    entries: RwLock<Vec<Entry>>,
    loaded: Mutex<VecDeque<(u64, Arc<SegmentIndex>)>>,
}

impl LogIndex {
    /// Loads the index of what the log holds; builds what is missing.
    pub(crate) fn open(segments: Arc<Segments>) -> io::Result<Self> {
        let this = Self { segments, entries: RwLock::default(), loaded: Mutex::default() };
        let all = this.segments.all();
        for (i, segment) in all.iter().enumerate() {
            let open = i + 1 == all.len();
            let (times, open) = if open {
                let index = SegmentIndex::scan(&this.segments, segment.base, segment.end())?;
                (index.times(), Some(index))
            } else {
                (this.sealed(segment.base)?.times(), None)
            };
            let (min_ms, max_ms) = times;
            this.entries.write().push(Entry { base: segment.base, min_ms, max_ms, open });
        }
        Ok(this)
    }

    /// The largest id time in the log.
    pub(crate) fn max_ms(&self) -> u64 {
        self.entries.read().iter().map(|entry| entry.max_ms).max().unwrap_or(0)
    }

    /// The smallest and the largest id time in a segment, if it has any.
    pub(crate) fn segment_times(&self, base: u64) -> Option<(u64, u64)> {
        let entries = self.entries.read();
        let entry = entries.iter().find(|entry| entry.base == base)?;
        (entry.min_ms <= entry.max_ms).then_some((entry.min_ms, entry.max_ms))
    }

    /// The largest id time in a segment, or in the next one that has any.
    pub(crate) fn newest_ms(&self, base: u64) -> Option<u64> {
        let entries = self.entries.read();
        let from = entries.iter().filter(|entry| entry.base >= base);
        from.filter(|entry| entry.min_ms <= entry.max_ms).map(|entry| entry.max_ms).next()
    }

    /// Adds an appended frame; `base` is the segment that it is in. What came
    /// before a new segment is stored.
    pub(crate) fn push(&self, base: u64, lsn: u64, batches: &[Arc<Batch>]) {
        let mut entries = self.entries.write();
        let mut full = None;
        if entries.last().is_none_or(|entry| entry.base != base) {
            if let Some(last) = entries.last_mut()
                && let Some(index) = last.open.take().map(Arc::new)
            {
                self.keep(last.base, index.clone());
                full = Some((last.base, index));
            }
            let open = Some(SegmentIndex::default());
            entries.push(Entry { base, min_ms: u64::MAX, max_ms: 0, open });
        }
        let entry = entries.last_mut().expect("just pushed");
        for batch in batches {
            entry.min_ms = entry.min_ms.min(batch.id.ms());
            entry.max_ms = entry.max_ms.max(batch.id.ms());
        }
        if let Some(index) = &mut entry.open {
            index.push(lsn, batches.iter().map(|batch| (&batch.customer, batch.id)));
        }
        drop(entries);
        if let Some((base, index)) = full {
            self.store(base, &index);
        }
    }

    /// Forgets a deleted segment.
    pub(crate) fn remove(&self, base: u64) {
        self.entries.write().retain(|entry| entry.base != base);
        self.loaded.lock().retain(|(kept, _)| *kept != base);
        if let Err(error) = durable_file::remove(&self.path(base)) {
            tracing::warn!(base, %error, "the index of a deleted segment stays behind");
        }
    }

    /// The frames that may hold a customer's batches of these times, in log
    /// order, a segment at a time: `more` says whether to go on. Blocks on the disk.
    pub(crate) fn frames(
        &self,
        customer: CustomerId,
        from_ms: u64,
        until_ms: u64,
        descending: bool,
        mut more: impl FnMut(Vec<FrameRow>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut bases: Vec<u64> = {
            let entries = self.entries.read();
            let wanted = entries.iter().filter(|entry| entry.max_ms >= from_ms && entry.min_ms < until_ms);
            wanted.map(|entry| entry.base).collect()
        };
        if descending {
            bases.reverse();
        }
        for base in bases {
            let open = {
                let entries = self.entries.read();
                let entry = entries.iter().find(|entry| entry.base == base);
                entry.and_then(|e| e.open.as_ref()).map(|index| index.frames(customer, from_ms, until_ms))
            };
            let mut rows = match open {
                Some(rows) => rows,
                None => match self.sealed(base) {
                    Ok(index) => index.frames(customer, from_ms, until_ms),
                    // Deleted since, by retention.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                },
            };
            if descending {
                rows.reverse();
            }
            if !rows.is_empty() && !more(rows)? {
                break;
            }
        }
        Ok(())
    }

    fn sealed(&self, base: u64) -> io::Result<Arc<SegmentIndex>> {
        if let Some((_, index)) = self.loaded.lock().iter().find(|(kept, _)| *kept == base) {
            return Ok(index.clone());
        }
        let path = self.path(base);
        let stored = match std::fs::read(&path) {
            Ok(bytes) => SegmentIndex::decode(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let index = match stored {
            Some(index) => index,
            None => {
                tracing::warn!(path = %path.display(), "missing or damaged: made anew from its segment");
                let segment = self.segments.all().into_iter().find(|segment| segment.base == base);
                let segment = segment.ok_or(io::ErrorKind::NotFound)?;
                let index = SegmentIndex::scan(&self.segments, base, segment.end())?;
                self.store(base, &index);
                index
            }
        };
        let index = Arc::new(index);
        self.keep(base, index.clone());
        Ok(index)
    }

    /// Stores the index of a full segment, unsynced: it can be made anew at any time.
    fn store(&self, base: u64, index: &SegmentIndex) {
        let path = self.path(base);
        let temporary = path.with_extension("idx.tmp");
        let stored =
            std::fs::write(&temporary, index.encode()).and_then(|()| std::fs::rename(&temporary, &path));
        if let Err(error) = stored {
            tracing::warn!(path = %path.display(), %error, "the index of a segment was not stored");
        }
    }

    fn keep(&self, base: u64, index: Arc<SegmentIndex>) {
        let mut loaded = self.loaded.lock();
        loaded.retain(|(kept, _)| *kept != base);
        loaded.push_back((base, index));
        if loaded.len() > LOADED_MAX {
            loaded.pop_front();
        }
    }

    fn path(&self, base: u64) -> PathBuf {
        self.segments.dir().join(format!("{base:020}.idx"))
    }
}
