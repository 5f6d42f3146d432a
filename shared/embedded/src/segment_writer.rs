//! Appending to a log: one frame and one `fdatasync` a call.

use super::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, FrameHeader};
use super::page_file::{PAGE, PageAppender};
use super::segment::{SEGMENT_HEADER_LEN, Segment, SegmentHeader, segment_path};
use super::segment_prepare::{Preparer, PreparerStatus};
use super::segments::{Recovered, Segments};
use sluice_model::clock;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why a frame was not appended.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// Nothing was written.
    NotTaken(io::Error),
    /// The frame may or may not be readable after a restart.
    Unknown(io::Error),
}

/// A frame that is on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended {
    /// The first LSN of its segment.
    pub base: u64,
    pub lsn: u64,
    pub next: u64,
}

struct Active {
    segment: Arc<Segment>,
    pages: PageAppender,
}

impl Active {
    /// Goes on with a segment at an LSN.
    fn open(dir: &Path, segment: Arc<Segment>, at: u64) -> io::Result<Self> {
        let pages = PageAppender::open(&segment_path(dir, segment.base), at - segment.base)?;
        Ok(Self { segment, pages })
    }
}

/// Appends frames to the end of a log.
pub(crate) struct SegmentWriter {
    segments: Arc<Segments>,
    segment_bytes: u64,
    /// The segment that is written, or none where the next frame starts one.
    active: Option<Active>,
    at: u64,
    buffer: Vec<u8>,
    preparer: Preparer,
}

impl SegmentWriter {
    /// A writer at the recovered end of the log, and above `beyond`. It leaves
    /// `reserve_bytes` of the disk free.
    pub(crate) fn start(
        segments: Arc<Segments>,
        recovered: &Recovered,
        beyond: u64,
        segment_bytes: u64,
        reserve_bytes: u64,
    ) -> io::Result<Self> {
        let segment_bytes = segment_bytes.next_multiple_of(PAGE as u64);
        let preparer = Preparer::start(segments.dir(), segment_bytes, reserve_bytes)?;
        let go_on = recovered.clean && beyond <= recovered.end;
        let at = recovered.end.max(beyond);
        let last = segments.last().filter(|_| go_on);
        Ok(Self {
            active: last.map(|last| Active::open(segments.dir(), last, at)).transpose()?,
            at,
            segments,
            segment_bytes,
            buffer: Vec::new(),
            preparer,
        })
    }

    /// Whether space is missing for the next segment.
    pub(crate) fn status(&self) -> PreparerStatus {
        self.preparer.status()
    }

    /// Appends a frame whose payload `fill` writes, and waits until it is on disk.
    pub(crate) fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<Appended, WriteError> {
        self.buffer.clear();
        self.buffer.resize(FRAME_HEADER_LEN, 0);
        fill(&mut self.buffer);
        let payload = &self.buffer[FRAME_HEADER_LEN..];
        let payload_len = u32::try_from(payload.len())
            .map_err(|_too_long| WriteError::NotTaken(io::Error::other("a frame has 4 GiB or more")))?;
        let payload_crc = crc32c::crc32c(payload);
        self.buffer.resize(self.buffer.len().next_multiple_of(FRAME_ALIGN as usize), 0);

        self.make_room().map_err(WriteError::NotTaken)?;
        let active = self.active.as_mut().expect("a segment with room");
        let header = FrameHeader { payload_len, lsn: self.at, appended_ms: clock::now_ms(), payload_crc };
        self.buffer[..FRAME_HEADER_LEN].copy_from_slice(&header.encode());
        if let Err(error) = active.pages.append(&self.buffer) {
            // What the file holds now is unknown, and a later sync could claim
            // success for lost pages: never write to it again.
            self.at = active.segment.limit();
            self.active = None;
            return Err(WriteError::Unknown(error));
        }
        let next = header.next_lsn();
        self.at = next;
        active.segment.set_end(next);
        let base = active.segment.base;
        self.shrink();
        Ok(Appended { base, lsn: header.lsn, next })
    }

    /// Goes on with a new segment where the buffered frame does not fit the active one.
    fn make_room(&mut self) -> io::Result<()> {
        let frame_len = self.buffer.len() as u64;
        if self.active.as_ref().is_some_and(|active| active.segment.limit() - self.at >= frame_len) {
            return Ok(());
        }
        let previous = self.segments.last();
        let limit = previous.as_ref().map_or(0, |last| last.limit());
        let needed = SEGMENT_HEADER_LEN + frame_len;
        let header = SegmentHeader {
            base: limit.max(self.at).next_multiple_of(8),
            size: needed.max(self.segment_bytes).next_multiple_of(PAGE as u64),
            previous_end: previous.map_or(0, |last| last.end()),
        };
        let file = match needed > self.segment_bytes {
            true => self.preparer.adopt_oversized(header)?,
            false => self.preparer.adopt(header)?,
        };
        let first = header.base + SEGMENT_HEADER_LEN;
        let segment = Arc::new(Segment::new(header.base, header.size, file, first));
        self.segments.push(segment.clone())?;
        self.at = first;
        self.active = Some(Active::open(self.segments.dir(), segment, first)?);
        Ok(())
    }

    /// Lets the next frame be written elsewhere.
    #[cfg(test)]
    pub(crate) fn replace_file(&mut self, file: std::fs::File) {
        let active = self.active.as_mut().expect("a segment is written");
        active.pages = PageAppender::new(file, self.at - active.segment.base).expect("it can be read");
    }

    /// One huge frame must not hold its memory for ever.
    fn shrink(&mut self) {
        const KEEP: usize = 8 << 20;
        if self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }
}
