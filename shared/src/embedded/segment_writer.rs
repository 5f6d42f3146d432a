//! Appending to a log: one frame and one `fdatasync` a call.
//!
//! The next segment is prepared ahead by a thread, so that space runs out
//! there and not half-way through a frame: an append to a prepared segment
//! never needs space. While no segment can be prepared, appends answer
//! [`WriteError::NotTaken`] and the thread tries on.

use super::frame::{FRAME_HEADER_LEN, FrameHeader};
use super::segment::{self, SEGMENT_HEADER_LEN, SegmentHeader};
use super::segments::{Recovered, Segment, Segments};
use crate::clock;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long between two tries to prepare a segment.
const PREPARE_RETRY: Duration = Duration::from_millis(500);

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
    pub lsn: u64,
    pub next: u64,
    /// The first LSN of the segment that this frame closed behind it, if it began a new one.
    pub sealed: Option<u64>,
}

/// Appends frames to the end of a log.
pub(crate) struct SegmentWriter {
    segments: Arc<Segments>,
    segment_bytes: u64,
    /// The segment that is written, or none where the next frame starts one.
    active: Option<Arc<Segment>>,
    at: u64,
    buffer: Vec<u8>,
    preparer: Arc<Preparer>,
}

impl SegmentWriter {
    /// A writer at the recovered end of the log.
    pub(crate) fn new(segments: Arc<Segments>, recovered: &Recovered, segment_bytes: u64) -> Self {
        let preparer = Preparer::start(segments.dir().to_owned(), segment_bytes);
        Self {
            active: segments.last().filter(|_| recovered.clean),
            at: recovered.end,
            segments,
            segment_bytes,
            buffer: Vec::new(),
            preparer,
        }
    }

    /// Makes the next frame's LSN larger than `lsn`.
    pub(crate) fn skip_to(&mut self, lsn: u64) {
        if lsn > self.at {
            self.active = None;
            self.at = lsn;
        }
    }

    /// Whether space is missing for the next segment.
    pub(crate) fn preparer(&self) -> Arc<Preparer> {
        self.preparer.clone()
    }

    /// Appends a frame whose payload `fill` writes, and waits until it is on disk.
    pub(crate) fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Result<Appended, WriteError> {
        self.buffer.clear();
        self.buffer.resize(FRAME_HEADER_LEN, 0);
        fill(&mut self.buffer);
        let payload_len = (self.buffer.len() - FRAME_HEADER_LEN) as u32;
        self.buffer.resize(self.buffer.len().next_multiple_of(8), 0);

        let mut sealed = None;
        let room = self.active.as_ref().map_or(0, |active| active.base + active.size - self.at);
        if room < self.buffer.len() as u64 {
            sealed = self.active.as_ref().map(|active| active.base);
            self.rotate().map_err(WriteError::NotTaken)?;
        }
        let active = self.active.clone().expect("rotate leaves an active segment");
        let header = FrameHeader {
            payload_len,
            lsn: self.at,
            appended_ms: clock::now_ms(),
            payload_crc: crc32c::crc32c(
                &self.buffer[FRAME_HEADER_LEN..FRAME_HEADER_LEN + payload_len as usize],
            ),
        };
        self.buffer[..FRAME_HEADER_LEN].copy_from_slice(&header.encode());
        let written = active
            .file
            .write_all_at(&self.buffer, self.at - active.base)
            .and_then(|()| active.file.sync_data());
        if let Err(error) = written {
            // What the file holds now is unknown, and a later sync could claim
            // success for lost pages: never write to it again.
            self.at = active.base + active.size;
            self.active = None;
            return Err(WriteError::Unknown(error));
        }
        let next = header.next_lsn();
        self.at = next;
        active.set_end(next);
        self.shrink();
        Ok(Appended { lsn: header.lsn, next, sealed })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let needed = SEGMENT_HEADER_LEN + self.buffer.len() as u64;
        let previous = self.segments.last();
        let base = previous.as_ref().map_or(0, |last| last.base + last.size).max(self.at).next_multiple_of(8);
        if needed > self.segment_bytes {
            self.preparer.discard();
            segment::prepare(self.segments.dir(), needed)?;
        } else {
            self.preparer.wait()?;
        }
        let header = SegmentHeader {
            base,
            size: needed.max(self.segment_bytes),
            previous_end: previous.map_or(0, |last| last.end()),
        };
        let file = segment::adopt(self.segments.dir(), header)?;
        self.preparer.next();
        let first = base + SEGMENT_HEADER_LEN;
        let segment = Arc::new(Segment::new(base, header.size, file, first));
        self.segments.push(segment.clone());
        self.active = Some(segment);
        self.at = first;
        Ok(())
    }

    /// One huge frame must not hold its memory for ever.
    fn shrink(&mut self) {
        const KEEP: usize = 8 << 20;
        if self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        self.preparer.stop();
    }
}

#[derive(Debug)]
enum Prepared {
    /// A segment is wanted.
    Wanted,
    /// It is there.
    Ready,
    /// It cannot be made now, said so.
    Failing(io::ErrorKind, String),
    /// The writer is gone.
    Stopped,
}

/// Keeps one prepared segment ahead of the writer.
pub(crate) struct Preparer {
    state: Mutex<Prepared>,
    changed: Condvar,
}

impl Preparer {
    fn start(dir: PathBuf, size: u64) -> Arc<Self> {
        let preparer = Arc::new(Self { state: Mutex::new(Prepared::Wanted), changed: Condvar::new() });
        let this = preparer.clone();
        std::thread::Builder::new()
            .name("sluice-prepare".into())
            .spawn(move || this.run(&dir, size))
            .expect("a thread can be started");
        preparer
    }

    fn run(&self, dir: &std::path::Path, size: u64) {
        loop {
            {
                let mut state = self.state.lock();
                while matches!(*state, Prepared::Ready) {
                    self.changed.wait(&mut state);
                }
                if matches!(*state, Prepared::Stopped) {
                    return;
                }
            }
            let made = segment::prepare(dir, size);
            let mut state = self.state.lock();
            if matches!(*state, Prepared::Stopped) {
                return;
            }
            match made {
                Ok(()) => *state = Prepared::Ready,
                Err(error) => {
                    if !matches!(*state, Prepared::Failing(..)) {
                        tracing::error!(dir = %dir.display(), %error, "no space for the next segment");
                    }
                    *state = Prepared::Failing(error.kind(), error.to_string());
                    self.changed.notify_all();
                    self.changed.wait_for(&mut state, PREPARE_RETRY);
                    if matches!(*state, Prepared::Stopped) {
                        return;
                    }
                    continue;
                }
            }
            self.changed.notify_all();
        }
    }

    /// Waits for the prepared segment; fails at once where it cannot be made.
    fn wait(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        loop {
            match &*state {
                Prepared::Ready => return Ok(()),
                Prepared::Failing(kind, detail) => return Err(io::Error::new(*kind, detail.clone())),
                Prepared::Wanted => self.changed.wait(&mut state),
                Prepared::Stopped => return Err(io::Error::other("the log is closed")),
            }
        }
    }

    /// The prepared segment was used: make another.
    fn next(&self) {
        let mut state = self.state.lock();
        if !matches!(*state, Prepared::Stopped) {
            *state = Prepared::Wanted;
        }
        self.changed.notify_all();
    }

    /// Lets a segment of another size take the prepared one's place.
    fn discard(&self) {
        let mut state = self.state.lock();
        while matches!(*state, Prepared::Wanted) {
            self.changed.wait(&mut state);
        }
    }

    /// Why no segment can be made now, if so.
    pub(crate) fn failing(&self) -> Option<String> {
        match &*self.state.lock() {
            Prepared::Failing(_, detail) => Some(detail.clone()),
            _ => None,
        }
    }

    fn stop(&self) {
        *self.state.lock() = Prepared::Stopped;
        self.changed.notify_all();
    }
}
