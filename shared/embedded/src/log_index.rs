//! The index of a shard: the frames that hold a customer's batches in a range of time.
//!
//! The index of the segment that is written is in memory. When the segment is
//! full, its index is stored beside it, see [`segment_index`]. A missing or
//! damaged index is made anew from its segment.

mod segment_index;

use super::durable_file;
use super::segment::read_up_to;
use super::segments::LogSegments;
use parking_lot::{Mutex, RwLock};
use segment_index::{FrameRow, HEAD_LEN, SegmentIndex, is_first_version, read_times};
use sluice_model::{Batch, CustomerId};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Indexes of full segments that are kept in memory.
const LOADED_MAX: usize = 16;

/// The times of a segment, and the index of the segment that is written.
struct IndexedSegment {
    base: u64,
    min_ms: u64,
    max_ms: u64,
    open: Option<SegmentIndex>,
}

/// The index of one shard of the log.
pub(crate) struct LogIndex {
    segments: Arc<LogSegments>,
    entries: RwLock<Vec<IndexedSegment>>,
    loaded: Mutex<VecDeque<(u64, Arc<SegmentIndex>)>>,
}

impl LogIndex {
    /// Reads the times of each segment's index, and builds the indexes that are missing.
    pub(crate) fn open(segments: Arc<LogSegments>) -> io::Result<Self> {
        let opened = Self { segments, entries: RwLock::default(), loaded: Mutex::default() };
        let all = opened.segments.all();
        for (i, segment) in all.iter().enumerate() {
            let open = i + 1 == all.len();
            let (times, open) = if open {
                let index = SegmentIndex::scan(&opened.segments, segment.base, segment.end())?;
                (index.times(), Some(index))
            } else {
                (opened.sealed_times(segment.base)?, None)
            };
            let (min_ms, max_ms) = times;
            opened.entries.write().push(IndexedSegment { base: segment.base, min_ms, max_ms, open });
        }
        Ok(opened)
    }

    /// The largest id time in the log.
    pub(crate) fn max_ms(&self) -> u64 {
        self.entries.read().iter().map(|entry| entry.max_ms).max().unwrap_or(0)
    }

    /// The smallest and the largest id time in a segment; `None` if it holds no batch.
    pub(crate) fn segment_times(&self, base: u64) -> Option<(u64, u64)> {
        let entries = self.entries.read();
        let entry = entries.iter().find(|entry| entry.base == base)?;
        (entry.min_ms <= entry.max_ms).then_some((entry.min_ms, entry.max_ms))
    }

    /// The largest id time in a segment, or in the next segment that holds batches.
    pub(crate) fn newest_ms(&self, base: u64) -> Option<u64> {
        let entries = self.entries.read();
        let from = entries.iter().filter(|entry| entry.base >= base);
        from.filter(|entry| entry.min_ms <= entry.max_ms).map(|entry| entry.max_ms).next()
    }

    /// Adds an appended frame of the segment that begins at `base`. If that is a
    /// new segment, the index of the one before is stored.
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
            entries.push(IndexedSegment { base, min_ms: u64::MAX, max_ms: 0, open });
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

    /// Removes the index of a deleted segment.
    pub(crate) fn remove(&self, base: u64) {
        self.entries.write().retain(|entry| entry.base != base);
        self.loaded.lock().retain(|(kept, _)| *kept != base);
        if let Err(error) = durable_file::remove(&self.path(base)) {
            tracing::warn!(base, %error, "the index of a deleted segment stays behind");
        }
    }

    /// Gives `each` the frames that may hold a customer's batches of these times,
    /// one segment at a time, until it returns false. Blocks on the disk.
    pub(crate) fn frames(
        &self,
        customer: CustomerId,
        from_ms: u64,
        until_ms: u64,
        descending: bool,
        mut each: impl FnMut(Vec<FrameRow>) -> io::Result<bool>,
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
                    // Retention has deleted the segment since.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                },
            };
            if descending {
                rows.reverse();
            }
            if !rows.is_empty() && !each(rows)? {
                break;
            }
        }
        Ok(())
    }

    fn sealed_times(&self, base: u64) -> io::Result<(u64, u64)> {
        let mut head = [0; HEAD_LEN];
        let read = match File::open(self.path(base)) {
            Ok(file) => read_up_to(&file, &mut head, 0)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        match read_times(&head[..read]) {
            Some(times) => Ok(times),
            None => Ok(self.sealed(base)?.times()),
        }
    }

    fn sealed(&self, base: u64) -> io::Result<Arc<SegmentIndex>> {
        if let Some((_, index)) = self.loaded.lock().iter().find(|(kept, _)| *kept == base) {
            return Ok(index.clone());
        }
        let path = self.path(base);
        let stored = match std::fs::read(&path) {
            Ok(bytes) => {
                let index = SegmentIndex::decode(&bytes);
                if is_first_version(&bytes)
                    && let Some(index) = &index
                {
                    self.store(base, index);
                }
                index
            }
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

    /// Stores the index of a full segment. It is not synced, since it can be made
    /// anew at any time.
    fn store(&self, base: u64, index: &SegmentIndex) {
        let path = self.path(base);
        let temporary = path.with_extension("idx.tmp");
        let stored = durable_file::write(&temporary, &index.encode())
            .and_then(|_file| std::fs::rename(&temporary, &path));
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
