//! All segments of one log, and reading its frames by LSN.
//!
//! Damaged bytes are reported with their place, and reading continues at the next whole
//! frame: nothing is skipped silently. A missing file, a cut file and a wiped frame are all
//! told from the log's end: segments tile the LSN space, each header says where the
//! previous segment ended, files never change their size, and `bounds` names the first and
//! the last segment.

mod recovery;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use recovery::RecoveredEnd;

use super::bounds::{BoundsFile, NotedBounds, SegmentBounds};
use super::durable_file;
use super::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, FoundFrame};
use super::segment::{self, LogSegment, read_up_to, segment_path};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The content of a place of the log.
pub(crate) enum LogStep {
    /// A whole frame; the next one is at `next` or beyond.
    Frame { lsn: u64, next: u64, payload: Bytes },
    /// Damaged bytes. If the header of a frame is whole, `rest` is the readable part of its
    /// payload.
    Damaged { next: u64, detail: String, rest: Option<Bytes> },
    /// The end of the log.
    End,
}

/// The place at which reading continues, and the range of missing LSNs before it.
struct FramePlace {
    segment: Arc<LogSegment>,
    lsn: u64,
    missing: Option<(u64, u64)>,
}

type ByBase = BTreeMap<u64, Arc<LogSegment>>;

/// All segments of one log.
pub(crate) struct LogSegments {
    dir: PathBuf,
    by_base: RwLock<ByBase>,
    bounds: BoundsFile,
}

impl LogSegments {
    /// Opens the segments of `dir` and finds the log's end.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, RecoveredEnd)> {
        durable_file::create_dir(dir)?;
        let mut findings = Vec::new();
        let (mut segments, mut headers) = (ByBase::new(), BTreeMap::new());
        for base in segment::list(dir)? {
            let (segment, header) = LogSegment::open(dir, base, &mut findings)?;
            headers.extend(header.map(|header| (base, header)));
            segments.insert(base, Arc::new(segment));
        }
        recovery::set_ends(&segments, &headers)?;
        let mut recovered = recovery::recover_tail(dir, &segments, findings)?;
        if let Some(last) = segments.values().next_back() {
            last.set_end(recovered.end);
            // Frames of a killed process may not be on disk yet. From here on they count as
            // durable.
            last.file.sync_data()?;
        }
        let (bounds, noted) = BoundsFile::open(dir)?;
        let opened = Self { dir: dir.to_owned(), by_base: RwLock::new(segments), bounds };
        opened.check_bounds(&noted, &mut recovered)?;
        Ok((opened, recovered))
    }

    /// Compares the files with the note in `bounds`.
    fn check_bounds(&self, noted: &NotedBounds, recovered: &mut RecoveredEnd) -> io::Result<()> {
        let segments = self.all();
        let there = segments.first().zip(segments.last()).map(|(first, last)| SegmentBounds {
            oldest: first.base,
            newest: last.base,
            newest_size: last.size,
        });
        let findings = &mut recovered.findings;
        for pair in segments.windows(2) {
            if pair[0].limit() < pair[1].base {
                findings.push(self.missing(pair[0].limit(), pair[1].base));
            }
        }
        let noted = match noted {
            NotedBounds::Known(noted) => *noted,
            NotedBounds::Missing | NotedBounds::Damaged => {
                if there.is_some() || matches!(noted, NotedBounds::Damaged) {
                    let path = self.dir.join("bounds");
                    findings
                        .push(format!("{}: missing or damaged; made anew from the segments", path.display()));
                }
                return self.bounds.write(there.unwrap_or_default());
            }
        };
        if noted.newest_size == 0 && there.is_none() {
            return Ok(());
        }
        if there.is_none_or(|there| there.newest < noted.newest) {
            let limit = noted.newest + noted.newest_size;
            findings.push(self.missing(there.map_or(noted.oldest, |_| recovered.end), limit));
            recovered.end = limit;
            recovered.clean = false;
        } else if let Some(there) = there {
            if noted.oldest < there.oldest {
                findings.push(self.missing(noted.oldest, there.oldest));
            }
            // A crash may come between making or deleting a segment and changing the note.
            let oldest = noted.oldest.min(there.oldest);
            self.bounds.change(|bounds| *bounds = SegmentBounds { oldest, ..there })?;
        }
        Ok(())
    }

    fn missing(&self, from: u64, to: u64) -> String {
        format!("{}: a segment is missing: nothing holds the log from {from} to {to}", self.dir.display())
    }

    /// The file and the byte at which the frame at `lsn` begins, for messages.
    pub(crate) fn name(&self, lsn: u64) -> String {
        let base = self.by_base.read().range(..=lsn).next_back().map_or(0, |(base, _)| *base);
        format!("{}: frame at byte {}", segment_path(&self.dir, base).display(), lsn - base)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds a new last segment.
    pub(crate) fn push(&self, segment: Arc<LogSegment>) -> io::Result<()> {
        let first = self.last().is_none();
        self.bounds.change(|bounds| {
            if first && bounds.newest_size == 0 {
                bounds.oldest = segment.base;
            }
            (bounds.newest, bounds.newest_size) = (segment.base, segment.size);
        })?;
        self.by_base.write().insert(segment.base, segment);
        Ok(())
    }

    /// The segments, ascending.
    pub(crate) fn all(&self) -> Vec<Arc<LogSegment>> {
        self.by_base.read().values().cloned().collect()
    }

    pub(crate) fn last(&self) -> Option<Arc<LogSegment>> {
        self.by_base.read().values().next_back().cloned()
    }

    /// Whether the file of a segment that ends above `lsn` was deleted.
    pub(crate) fn is_file_missing(&self, lsn: u64) -> io::Result<bool> {
        for segment in self.all().iter().filter(|segment| segment.limit() > lsn) {
            if rustix::fs::fstat(&segment.file)?.st_nlink == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The LSN at which the log ends.
    pub(crate) fn end(&self) -> u64 {
        self.last().map_or(0, |last| last.end())
    }

    /// Deletes the segment that begins at `base`, if it is the oldest and not the last.
    pub(crate) fn remove_oldest(&self, base: u64) -> io::Result<()> {
        let next = {
            let segments = self.by_base.read();
            let mut bases = segments.keys();
            (bases.next() == Some(&base)).then(|| bases.next().copied()).flatten()
        };
        let Some(next) = next else { return Ok(()) };
        self.bounds.change(|bounds| bounds.oldest = next)?;
        durable_file::remove(&segment_path(&self.dir, base))?;
        self.by_base.write().remove(&base);
        Ok(())
    }

    /// The first place at or after `lsn` that has something to read.
    fn place(&self, lsn: u64) -> Option<FramePlace> {
        let segments = self.by_base.read();
        let (_, here) = segments.range(..=lsn).next_back().unzip();
        // The end of the known LSNs: those from here to the next segment are missing.
        let mut known = match here {
            Some(segment) if lsn < segment.limit() => {
                let lsn = lsn.max(segment.first_frame());
                if lsn < segment.end() {
                    return Some(FramePlace { segment: segment.clone(), lsn, missing: None });
                }
                segment.limit()
            }
            Some(segment) => segment.limit().max(lsn),
            // Segments before the oldest one were deleted because they were not needed.
            None => self.bounds.get().oldest.max(lsn),
        };
        for segment in segments.range(lsn + 1..).map(|(_, segment)| segment) {
            if segment.first_frame() < segment.end() || known < segment.base {
                let missing = (known < segment.base).then_some((known, segment.base));
                return Some(FramePlace { segment: segment.clone(), lsn: segment.first_frame(), missing });
            }
            known = segment.limit();
        }
        None
    }

    /// Reads the frame at `lsn`, or the next one behind it. Blocks on the disk.
    pub(crate) fn read(&self, lsn: u64) -> io::Result<LogStep> {
        let Some(FramePlace { segment, lsn: at, missing }) = self.place(lsn) else { return Ok(LogStep::End) };
        if let Some((from, to)) = missing {
            return Ok(LogStep::Damaged { next: to, detail: self.missing(from, to), rest: None });
        }
        let end = segment.end();
        let place = |next: u64| {
            let path = segment_path(&self.dir, segment.base);
            format!("{}: damaged from byte {} to {}", path.display(), at - segment.base, next - segment.base)
        };
        match segment.header_at(at)? {
            FoundFrame::Header(header) => {
                let next = header.next_lsn();
                Ok(match segment.payload(header)? {
                    Ok(payload) => LogStep::Frame { lsn: at, next, payload },
                    Err(rest) => {
                        let next = next.min(end);
                        LogStep::Damaged { next, detail: place(next), rest: Some(rest) }
                    }
                })
            }
            FoundFrame::Nothing | FoundFrame::Damage => {
                let next = segment.resync(at + FRAME_ALIGN, end)?.unwrap_or(end);
                Ok(LogStep::Damaged { next, detail: place(next), rest: None })
            }
        }
    }

    /// Reads bytes of a frame's payload without checking the frame's checksum, since the
    /// payload has its own. `NotFound` if the segment was deleted.
    pub(crate) fn read_payload(&self, lsn: u64, offset: usize, len: usize) -> io::Result<Vec<u8>> {
        let segment = self.by_base.read().range(..=lsn).next_back().map(|(_, segment)| segment.clone());
        let segment = segment.filter(|segment| lsn < segment.limit()).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; len];
        let at = lsn - segment.base + FRAME_HEADER_LEN as u64 + offset as u64;
        let read = read_up_to(&segment.file, &mut bytes, at)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
