//! Appending frames to a log. Each call writes one frame and syncs it.

use super::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, FrameHeader};
use super::page_file::{PAGE, PageAppender};
use super::segment::{LogSegment, SEGMENT_HEADER_LEN, SegmentHeader, segment_path};
use super::segment_prepare::{Preparer, PreparerStatus};
use super::segments::{LogSegments, RecoveredEnd};
use sluice_model::clock;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why a frame was not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The frame is not in the log, and never will be.
    #[error("nothing was written: {0}")]
    NotTaken(#[source] io::Error),
    /// The frame may or may not be readable after a restart.
    #[error("a write failed and its outcome is unknown: {0}")]
    Unknown(#[source] io::Error),
}

/// A frame that is on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppendedFrame {
    /// The first LSN of its segment.
    pub base: u64,
    pub lsn: u64,
    pub next: u64,
}

struct Active {
    segment: Arc<LogSegment>,
    pages: PageAppender,
}

impl Active {
    /// Opens a segment for writing from the LSN `at` on.
    fn open(dir: &Path, segment: Arc<LogSegment>, at: u64) -> io::Result<Self> {
        let pages = PageAppender::open(&segment_path(dir, segment.base), at - segment.base)?;
        Ok(Self { segment, pages })
    }
}

/// Appends frames to the end of a log.
pub(crate) struct SegmentWriter {
    segments: Arc<LogSegments>,
    segment_bytes: u64,
    /// The segment that is written. If `None`, the next frame starts a segment.
    active: Option<Active>,
    at: u64,
    /// Whether the last write failed and no segment was started since.
    undecided: bool,
    buffer: Vec<u8>,
    preparer: Preparer,
}

impl SegmentWriter {
    /// A writer that continues at the recovered end of the log, or at `beyond` if that is
    /// higher. It leaves `reserve_bytes` of the disk free.
    pub(crate) fn start(
        segments: Arc<LogSegments>,
        recovered: &RecoveredEnd,
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
            undecided: false,
            segments,
            segment_bytes,
            buffer: Vec::new(),
            preparer,
        })
    }

    /// A handle that tells whether the next segment can be made.
    pub(crate) fn status(&self) -> PreparerStatus {
        self.preparer.status()
    }

    /// Appends a frame whose payload `fill` writes, and waits until it is on disk.
    pub(crate) fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<AppendedFrame, WriteError> {
        self.buffer.clear();
        self.buffer.resize(FRAME_HEADER_LEN, 0);
        fill(&mut self.buffer);
        let payload = &self.buffer[FRAME_HEADER_LEN..];
        let payload_len = u32::try_from(payload.len())
            .map_err(|_too_long| WriteError::NotTaken(io::Error::other("a frame has 4 GiB or more")))?;
        let payload_crc = crc32c::crc32c(payload);
        self.buffer.resize(self.buffer.len().next_multiple_of(FRAME_ALIGN as usize), 0);

        let frame_len = self.buffer.len() as u64;
        if self.active.as_ref().is_none_or(|active| active.segment.limit() - self.at < frame_len) {
            self.start_segment(frame_len).map_err(WriteError::NotTaken)?;
        }
        let active = self.active.as_mut().expect("a segment with room");
        let header = FrameHeader { payload_len, lsn: self.at, appended_ms: clock::now_ms(), payload_crc };
        self.buffer[..FRAME_HEADER_LEN].copy_from_slice(&header.encode());
        if let Err(error) = active.pages.append(&self.buffer) {
            return Err(self.leave_segment(&error));
        }
        let next = header.next_lsn();
        self.at = next;
        active.segment.set_end(next);
        let base = active.segment.base;
        self.shrink();
        Ok(AppendedFrame { base, lsn: header.lsn, next })
    }

    /// Whether the last failed write may still turn out to be in the log.
    pub(crate) const fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// Leaves a segment after a failed write. The content of its file is unknown, and a later
    /// sync could report success for lost pages, so the segment is never written again. Once
    /// the next segment's header says that this one ended before the failed frame, the frame
    /// is certainly not in the log.
    fn leave_segment(&mut self, error: &io::Error) -> WriteError {
        let left = self.active.take().expect("a segment was written");
        self.at = left.segment.limit();
        self.undecided = true;
        let path = segment_path(self.segments.dir(), left.segment.base);
        let named = io::Error::new(error.kind(), format!("write {}: {error}", path.display()));
        match self.start_segment(FRAME_HEADER_LEN as u64) {
            Ok(()) => WriteError::NotTaken(named),
            Err(_neither) => WriteError::Unknown(named),
        }
    }

    /// Starts a new segment that has room for a frame of `frame_len` bytes.
    fn start_segment(&mut self, frame_len: u64) -> io::Result<()> {
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
        let segment = Arc::new(LogSegment::new(header.base, header.size, file, first));
        self.segments.push(segment.clone())?;
        self.undecided = false;
        self.at = first;
        self.active = Some(Active::open(self.segments.dir(), segment, first)?);
        Ok(())
    }

    /// Frees the buffer if a huge frame made it large.
    fn shrink(&mut self) {
        const KEEP: usize = 8 << 20;
        if self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }
}
