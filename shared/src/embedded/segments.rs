//! The segments of one log: where its bytes are, and reading them.
//!
//! Frames are read by LSN. Whatever is not what was written is reported with
//! its place, and reading goes on at the next whole frame: nothing is skipped
//! silently. Segments tile the LSN space, each header says where the one
//! before it ended, and files never change their size, so a missing file, a
//! cut file and a wiped frame are all told from the log's end.

use super::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, Found, FrameHeader};
use super::segment::{self, SEGMENT_HEADER_LEN};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One segment file.
pub(crate) struct Segment {
    pub base: u64,
    pub size: u64,
    pub file: File,
    /// The LSN at which its frames end; it moves while the segment is written.
    end: AtomicU64,
}

impl Segment {
    pub(crate) const fn new(base: u64, size: u64, file: File, end: u64) -> Self {
        Self { base, size, file, end: AtomicU64::new(end) }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    const fn first_frame(&self) -> u64 {
        self.base + SEGMENT_HEADER_LEN
    }

    const fn limit(&self) -> u64 {
        self.base + self.size
    }

    fn header_at(&self, lsn: u64) -> io::Result<Found> {
        let mut bytes = [0; FRAME_HEADER_LEN];
        match self.file.read_exact_at(&mut bytes, lsn - self.base) {
            Ok(()) => Ok(FrameHeader::find(&bytes, lsn)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The payload of a frame: whole, or what is there of it.
    fn payload(&self, header: FrameHeader) -> io::Result<Result<Bytes, Bytes>> {
        let start = header.lsn - self.base + FRAME_HEADER_LEN as u64;
        let there = self.size.saturating_sub(start).min(u64::from(header.payload_len));
        let mut bytes = vec![0; there as usize];
        let mut read = 0;
        while read < bytes.len() {
            match self.file.read_at(&mut bytes[read..], start + read as u64)? {
                0 => break,
                n => read += n,
            }
        }
        bytes.truncate(read);
        let whole = read == header.payload_len as usize && crc32c::crc32c(&bytes) == header.payload_crc;
        Ok(if whole { Ok(bytes.into()) } else { Err(bytes.into()) })
    }

    /// The first whole frame header in `from..to`, if there is one.
    fn resync(&self, from: u64, to: u64) -> io::Result<Option<u64>> {
        const CHUNK: usize = 1 << 20;
        let mut at = from.next_multiple_of(FRAME_ALIGN);
        let mut bytes = vec![0; CHUNK + FRAME_HEADER_LEN];
        while at < to {
            let read = read_up_to(&self.file, &mut bytes, at - self.base)?;
            if read < FRAME_HEADER_LEN {
                return Ok(None);
            }
            for offset in (0..=(read - FRAME_HEADER_LEN).min(CHUNK - 1)).step_by(FRAME_ALIGN as usize) {
                let lsn = at + offset as u64;
                let head = bytes[offset..offset + FRAME_HEADER_LEN].try_into().expect("a header's bytes");
                if lsn < to && matches!(FrameHeader::find(head, lsn), Found::Header(_)) {
                    return Ok(Some(lsn));
                }
            }
            at += CHUNK as u64;
        }
        Ok(None)
    }

    /// One past the last byte that is not zero, from `from` on.
    fn last_written(&self, from: u64) -> io::Result<u64> {
        let mut bytes = vec![0; 1 << 20];
        let (mut at, mut last) = (from - self.base, from);
        loop {
            let read = read_up_to(&self.file, &mut bytes, at)?;
            if read == 0 {
                return Ok(last);
            }
            if let Some(i) = bytes[..read].iter().rposition(|byte| *byte != 0) {
                last = self.base + at + i as u64 + 1;
            }
            at += read as u64;
        }
    }
}

fn read_up_to(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], at + read as u64)? {
            0 => break,
            n => read += n,
        }
    }
    Ok(read)
}

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

/// All segments of one log.
pub(crate) struct Segments {
    dir: PathBuf,
    by_base: RwLock<BTreeMap<u64, Arc<Segment>>>,
}

impl Segments {
    /// Opens the segments of `dir` and finds the log's end.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Recovered)> {
        std::fs::create_dir_all(dir)?;
        let mut findings = Vec::new();
        let mut segments: BTreeMap<u64, Arc<Segment>> = BTreeMap::new();
        let mut previous_ends = BTreeMap::new();
        for base in segment::list(dir)? {
            let path = segment::segment_path(dir, base);
            let file = File::options().read(true).write(true).open(&path)?;
            let length = file.metadata()?.len();
            let header = segment::read_header(&file, base)?;
            if header.is_none() {
                findings.push(format!("{}: the segment's header is damaged", path.display()));
            }
            let size = header.map_or(length.max(SEGMENT_HEADER_LEN), |header| header.size);
            if length != size {
                findings.push(format!("{}: {length} bytes of {size} are there", path.display()));
            }
            if let Some(header) = header {
                previous_ends.insert(base, header.previous_end);
            }
            segments.insert(base, Arc::new(Segment::new(base, size, file, 0)));
        }
        Self::set_ends(&segments, &previous_ends)?;
        let recovered = Self::recover_tail(dir, &segments, findings)?;
        if let Some(last) = segments.values().next_back() {
            last.set_end(recovered.end);
        }
        Ok((Self { dir: dir.to_owned(), by_base: RwLock::new(segments) }, recovered))
    }

    /// Each segment but the last ends where the next one's header says, or
    /// where its last written byte is if that header is damaged.
    fn set_ends(
        segments: &BTreeMap<u64, Arc<Segment>>,
        previous_ends: &BTreeMap<u64, u64>,
    ) -> io::Result<()> {
        for (segment, next) in segments.values().zip(segments.keys().skip(1)) {
            let end = match previous_ends.get(next) {
                Some(end) if (segment.base..=segment.limit()).contains(end) => *end,
                _ => segment.last_written(segment.first_frame())?.next_multiple_of(FRAME_ALIGN),
            };
            segment.set_end(end);
        }
        Ok(())
    }

    fn recover_tail(
        dir: &Path,
        segments: &BTreeMap<u64, Arc<Segment>>,
        mut findings: Vec<String>,
    ) -> io::Result<Recovered> {
        let Some(last) = segments.values().next_back() else {
            return Ok(Recovered { end: 0, clean: false, findings });
        };
        let path = segment::segment_path(dir, last.base);
        let mut at = last.first_frame();
        let mut clean = last.file.metadata()?.len() == last.size;
        while at + FRAME_HEADER_LEN as u64 <= last.limit() {
            let next = match last.header_at(at)? {
                Found::Header(header) if last.payload(header)?.is_ok() => {
                    at = header.next_lsn();
                    continue;
                }
                Found::Header(_) | Found::Damage | Found::Nothing => {
                    last.resync(at + FRAME_ALIGN, last.limit())?
                }
            };
            match next {
                // A whole frame behind it: what is here was once synced.
                Some(next) => {
                    findings.push(format!(
                        "{}: damaged from byte {} to {}",
                        path.display(),
                        at - last.base,
                        next - last.base
                    ));
                    at = next;
                }
                None => {
                    let written = last.last_written(at)?;
                    if written > at {
                        findings.push(format!(
                            "{}: unfinished or damaged from byte {} to {}, the end of the log",
                            path.display(),
                            at - last.base,
                            written - last.base,
                        ));
                        clean = false;
                        at = written.next_multiple_of(FRAME_ALIGN).min(last.limit());
                    }
                    break;
                }
            }
        }
        Ok(Recovered { end: at, clean, findings })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds the segment that is written from now on.
    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.by_base.write().insert(segment.base, segment);
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

    /// Deletes a segment that is not the last one.
    pub(crate) fn remove(&self, base: u64) -> io::Result<()> {
        let mut segments = self.by_base.write();
        if segments.keys().next_back() == Some(&base) {
            return Ok(());
        }
        std::fs::remove_file(segment::segment_path(&self.dir, base))?;
        segments.remove(&base);
        Ok(())
    }

    /// The segment at or after `lsn` that has something to read, and where.
    fn place(&self, mut lsn: u64) -> Option<(Arc<Segment>, u64, Option<u64>)> {
        let segments = self.by_base.read();
        let mut gap = None;
        loop {
            if let Some((_, segment)) = segments.range(..=lsn).next_back()
                && lsn < segment.limit()
                && lsn.max(segment.first_frame()) < segment.end()
            {
                return Some((segment.clone(), lsn.max(segment.first_frame()), gap));
            }
            // Behind the segment's end, or where no segment is: go to the next one.
            let here = segments.range(..=lsn).next_back();
            let (base, _) = segments.range(lsn + 1..).next()?;
            let reached = here.map_or(0, |(_, segment)| segment.limit());
            if here.is_some() && *base > reached {
                gap = Some(reached);
            }
            lsn = *base;
        }
    }

    /// What stands at `lsn`, or next after it. Blocks on the disk.
    pub(crate) fn read(&self, lsn: u64) -> io::Result<Step> {
        let Some((segment, at, gap)) = self.place(lsn) else { return Ok(Step::End) };
        if let Some(from) = gap {
            let detail = format!(
                "{}: a segment is missing: nothing holds {from} to {}",
                self.dir.display(),
                segment.base
            );
            return Ok(Step::Damaged { next: segment.base, detail, rest: None });
        }
        let end = segment.end();
        let place = |next: u64| {
            let path = segment::segment_path(&self.dir, segment.base);
            format!("{}: damaged from byte {} to {}", path.display(), at - segment.base, next - segment.base)
        };
        match segment.header_at(at)? {
            Found::Header(header) => {
                let next = header.next_lsn();
                Ok(match segment.payload(header)? {
                    Ok(payload) => Step::Frame { lsn: at, next, payload },
                    Err(rest) => {
                        let next = segment.resync(at + FRAME_ALIGN, end)?.unwrap_or(end).min(next);
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
    /// read has checksums of its own.
    pub(crate) fn read_payload(&self, lsn: u64, offset: usize, len: usize) -> io::Result<Vec<u8>> {
        let segment = self.by_base.read().range(..=lsn).next_back().map(|(_, segment)| segment.clone());
        let segment = segment.ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; len];
        let at = lsn - segment.base + FRAME_HEADER_LEN as u64 + offset as u64;
        let read = read_up_to(&segment.file, &mut bytes, at)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
