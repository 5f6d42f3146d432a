//! The segments of one log: where its bytes are, and reading them.
//!
//! Frames are read by LSN. Whatever is not what was written is reported with
//! its place, and reading goes on at the next whole frame: nothing is skipped
//! silently. Segments tile the LSN space, each header says where the one
//! before it ended, files never change their size and `bounds` names the first
//! and the last, so a missing file, a cut file and a wiped frame are all told
//! from the log's end.

use super::bounds::{Bounds, BoundsFile, Noted};
use super::durable_file;
use super::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, Found};
use super::segment::{self, Segment, SegmentHeader, read_up_to, segment_path};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(test)]
pub(super) mod tests;

/// What stands at a place of the log.
pub(crate) enum Step {
    /// A whole frame; the next one is at `next` or beyond.
    Frame { lsn: u64, next: u64, payload: Bytes },
    /// Not what was written. `rest` is what there is of a frame whose header is whole.
    Damaged { next: u64, detail: String, rest: Option<Bytes> },
    /// The end of the log.
    End,
}

/// What opening a log found at its end.
pub(crate) struct Recovered {
    /// Where the log ends.
    pub end: u64,
    /// Whether the last segment can be written on; if not, the next frame starts a new one.
    pub clean: bool,
    /// What was found damaged, each with its place.
    pub findings: Vec<String>,
}

/// A frame's place that reading goes on at, and the missing LSNs before it.
struct Place {
    segment: Arc<Segment>,
    lsn: u64,
    missing: Option<(u64, u64)>,
}

type ByBase = BTreeMap<u64, Arc<Segment>>;

/// All segments of one log.
pub(crate) struct Segments {
    dir: PathBuf,
    by_base: RwLock<ByBase>,
    bounds: BoundsFile,
}

impl Segments {
    /// Opens the segments of `dir` and finds the log's end.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Recovered)> {
        durable_file::create_dir(dir)?;
        let mut findings = Vec::new();
        let (mut segments, mut headers) = (ByBase::new(), BTreeMap::new());
        for base in segment::list(dir)? {
            let (segment, header) = Segment::open(dir, base, &mut findings)?;
            headers.extend(header.map(|header| (base, header)));
            segments.insert(base, Arc::new(segment));
        }
        set_ends(&segments, &headers)?;
        let mut recovered = recover_tail(dir, &segments, findings)?;
        if let Some(last) = segments.values().next_back() {
            last.set_end(recovered.end);
            // What a killed process wrote may not be on disk yet; from here on it counts.
            last.file.sync_data()?;
        }
        let (bounds, noted) = BoundsFile::open(dir)?;
        let this = Self { dir: dir.to_owned(), by_base: RwLock::new(segments), bounds };
        this.check_bounds(&noted, &mut recovered)?;
        Ok((this, recovered))
    }

    /// Compares the files with the note of them.
    fn check_bounds(&self, noted: &Noted, recovered: &mut Recovered) -> io::Result<()> {
        let segments = self.all();
        let there = segments.first().zip(segments.last()).map(|(first, last)| Bounds {
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
            Noted::Known(noted) => *noted,
            Noted::Missing | Noted::Damaged => {
                if there.is_some() || matches!(noted, Noted::Damaged) {
                    let path = self.dir.join("bounds");
                    findings
                        .push(format!("{}: missing or damaged; taken from what is there", path.display()));
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
            // A crash came between making a segment, or deleting one, and the note of it.
            let oldest = noted.oldest.min(there.oldest);
            self.bounds.change(|bounds| *bounds = Bounds { oldest, ..there })?;
        }
        Ok(())
    }

    fn missing(&self, from: u64, to: u64) -> String {
        format!("{}: a segment is missing: nothing holds the log from {from} to {to}", self.dir.display())
    }

    /// The file and the byte in it where `lsn` is, for people.
    pub(crate) fn name(&self, lsn: u64) -> String {
        let base = self.by_base.read().range(..=lsn).next_back().map_or(0, |(base, _)| *base);
        format!("{}: frame at byte {}", segment_path(&self.dir, base).display(), lsn - base)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds the segment that is written from now on.
    pub(crate) fn push(&self, segment: Arc<Segment>) -> io::Result<()> {
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
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.by_base.read().values().cloned().collect()
    }

    pub(crate) fn last(&self) -> Option<Arc<Segment>> {
        self.by_base.read().values().next_back().cloned()
    }

    /// Where the log ends.
    pub(crate) fn end(&self) -> u64 {
        self.last().map_or(0, |last| last.end())
    }

    /// Deletes the oldest segment, if it is this one and not the last.
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

    /// The segment at or after `lsn` that has something to read, and where.
    fn place(&self, lsn: u64) -> Option<Place> {
        let segments = self.by_base.read();
        let (_, here) = segments.range(..=lsn).next_back().unzip();
        // Where what is known ends: from there on to the next segment, something is missing.
        let mut known = match here {
            Some(segment) if lsn < segment.limit() => {
                let lsn = lsn.max(segment.first_frame());
                if lsn < segment.end() {
                    return Some(Place { segment: segment.clone(), lsn, missing: None });
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
                return Some(Place { segment: segment.clone(), lsn: segment.first_frame(), missing });
            }
            known = segment.limit();
        }
        None
    }

    /// What stands at `lsn`, or next after it. Blocks on the disk.
    pub(crate) fn read(&self, lsn: u64) -> io::Result<Step> {
        let Some(Place { segment, lsn: at, missing }) = self.place(lsn) else { return Ok(Step::End) };
        if let Some((from, to)) = missing {
            return Ok(Step::Damaged { next: to, detail: self.missing(from, to), rest: None });
        }
        let end = segment.end();
        let place = |next: u64| {
            let path = segment_path(&self.dir, segment.base);
            format!("{}: damaged from byte {} to {}", path.display(), at - segment.base, next - segment.base)
        };
        match segment.header_at(at)? {
            Found::Header(header) => {
                let next = header.next_lsn();
                Ok(match segment.payload(header)? {
                    Ok(payload) => Step::Frame { lsn: at, next, payload },
                    Err(rest) => {
                        let next = next.min(end);
                        Step::Damaged { next, detail: place(next), rest: Some(rest) }
                    }
                })
            }
            Found::Nothing | Found::Damage => {
                let next = segment.resync(at + FRAME_ALIGN, end)?.unwrap_or(end);
                Ok(Step::Damaged { next, detail: place(next), rest: None })
            }
        }
    }

    /// Reads bytes of a frame's payload without checking the frame: what is
    /// read has checksums of its own. `NotFound` where its segment was deleted.
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

/// Each segment but the last ends where the next one's header says, or where
/// its last written byte is if that header is damaged or of another segment.
fn set_ends(segments: &ByBase, headers: &BTreeMap<u64, SegmentHeader>) -> io::Result<()> {
    for (segment, next) in segments.values().zip(segments.keys().skip(1)) {
        let end = match headers.get(next).map(|header| header.previous_end) {
            Some(end) if (segment.first_frame()..=segment.limit()).contains(&end) => end,
            _ => segment.last_written(segment.first_frame())?.next_multiple_of(FRAME_ALIGN),
        };
        segment.set_end(end);
    }
    Ok(())
}

/// Finds the end of the last segment.
fn recover_tail(dir: &Path, segments: &ByBase, mut findings: Vec<String>) -> io::Result<Recovered> {
    let Some(last) = segments.values().next_back() else {
        return Ok(Recovered { end: 0, clean: false, findings });
    };
    let path = segment_path(dir, last.base);
    let limit = last.limit();
    let mut at = last.first_frame();
    let mut clean = last.file.metadata()?.len() == last.size;
    let mut written = None;
    while at + FRAME_HEADER_LEN as u64 <= limit {
        let search_from = match last.header_at(at)? {
            Found::Header(header) => {
                if last.payload(header)?.is_ok() {
                    at = header.next_lsn();
                    continue;
                }
                header.next_lsn()
            }
            Found::Damage | Found::Nothing => at + FRAME_ALIGN,
        };
        let written = match written {
            Some(written) => written,
            None => *written.insert(last.last_written(at)?),
        };
        if written <= at {
            break;
        }
        let Some(next) = last.resync(search_from, written)? else {
            findings.push(format!(
                "{}: unfinished or damaged from byte {} to {}, the end of the log",
                path.display(),
                at - last.base,
                written - last.base,
            ));
            clean = false;
            at = written.next_multiple_of(FRAME_ALIGN).min(limit);
            break;
        };
        // A whole frame behind it: what is here was once synced.
        findings.push(format!(
            "{}: damaged from byte {} to {}",
            path.display(),
            at - last.base,
            next - last.base
        ));
        at = next;
    }
    Ok(Recovered { end: at, clean, findings })
}
