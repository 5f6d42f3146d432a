//! Making the next segment ahead of the writer.
//!
//! A thread prepares the next segment, so that a full disk is noticed there and not in the
//! middle of a frame: an append to a prepared segment never needs space. While no segment
//! can be made, appends are refused and the thread tries again. Some space of the disk is
//! left free for other programs.

use super::durable_file;
use super::page_file::{self, PageBuffer};
use super::segment::{SegmentHeader, segment_path};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The time between two attempts to prepare a segment.
const RETRY: Duration = Duration::from_millis(500);

/// The bytes of zeros that are written at a time.
const ZEROS_LEN: usize = 1 << 20;

const PREPARED: &str = "prepared.tmp";
const OVERSIZED: &str = "oversized.tmp";

/// The state of the next segment.
#[derive(Debug)]
enum PreparedState {
    /// It must be made.
    Wanted,
    /// It is ready.
    Ready,
    /// It cannot be made now, for this reason.
    Failing(io::ErrorKind, Arc<str>),
    /// The log is closed.
    Stopped,
}

/// Keeps one prepared segment ahead of the writer.
pub(crate) struct Preparer {
    shared: Arc<PreparerShared>,
    thread: Option<JoinHandle<()>>,
}

/// A handle that tells whether the next segment can be made.
#[derive(Clone)]
pub(crate) struct PreparerStatus(Arc<PreparerShared>);

struct PreparerShared {
    dir: PathBuf,
    size: u64,
    /// The bytes of the disk that stay free.
    reserve_bytes: u64,
    state: Mutex<PreparedState>,
    changed: Condvar,
    stopped: AtomicBool,
}

impl Preparer {
    pub(crate) fn start(dir: &Path, size: u64, reserve_bytes: u64) -> io::Result<Self> {
        let shared = Arc::new(PreparerShared {
            dir: dir.to_owned(),
            size,
            reserve_bytes,
            state: Mutex::new(PreparedState::Wanted),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        let worker = shared.clone();
        let thread = std::thread::Builder::new().name("sluice-prepare".into()).spawn(move || worker.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn status(&self) -> PreparerStatus {
        PreparerStatus(self.shared.clone())
    }

    /// Gives the prepared segment its header and its name in the log.
    pub(crate) fn adopt(&self, header: SegmentHeader) -> io::Result<File> {
        self.shared.wait()?;
        let adopted = adopt(&self.shared.dir, PREPARED, header);
        // Whether the prepared segment was used or spoiled, the next one is needed.
        *self.shared.state.lock() = PreparedState::Wanted;
        self.shared.changed.notify_all();
        adopted
    }

    /// Makes a segment for a frame that is too large for the prepared one. The
    /// prepared segment stays.
    pub(crate) fn adopt_oversized(&self, header: SegmentHeader) -> io::Result<File> {
        self.shared.make(OVERSIZED, header.size)?;
        adopt(&self.shared.dir, OVERSIZED, header)
    }
}

impl Drop for Preparer {
    /// Waits for the thread: it must not write once another log owns the directory.
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        *self.shared.state.lock() = PreparedState::Stopped;
        self.shared.changed.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(dir = %self.shared.dir.display(), "preparing segments ended in a panic");
        }
    }
}

impl PreparerStatus {
    /// The reason why no segment can be made now; `None` if one can.
    pub(crate) fn failing(&self) -> Option<Arc<str>> {
        match &*self.0.state.lock() {
            PreparedState::Failing(_, detail) => Some(detail.clone()),
            _ => None,
        }
    }
}

impl PreparerShared {
    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            match *state {
                PreparedState::Stopped => return,
                PreparedState::Ready => self.changed.wait(&mut state),
                PreparedState::Wanted | PreparedState::Failing(..) => {
                    let made = MutexGuard::unlocked(&mut state, || self.make(PREPARED, self.size));
                    if !matches!(*state, PreparedState::Stopped) {
                        self.made(&mut state, made);
                    }
                }
            }
        }
    }

    fn made(&self, state: &mut MutexGuard<'_, PreparedState>, made: io::Result<()>) {
        let Err(error) = made else {
            **state = PreparedState::Ready;
            self.changed.notify_all();
            return;
        };
        let detail = format!("make a segment in {}: {error}", self.dir.display());
        if !matches!(**state, PreparedState::Failing(..)) {
            tracing::error!(detail, "the next segment cannot be made; trying again");
        }
        **state = PreparedState::Failing(error.kind(), detail.into());
        self.changed.notify_all();
        self.changed.wait_for(state, RETRY);
    }

    /// Waits for the prepared segment. Fails at once if it cannot be made.
    fn wait(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        loop {
            match &*state {
                PreparedState::Ready => return Ok(()),
                PreparedState::Failing(kind, detail) => {
                    return Err(io::Error::new(*kind, detail.to_string()));
                }
                PreparedState::Wanted => self.changed.wait(&mut state),
                PreparedState::Stopped => return Err(io::Error::other("the log is closed")),
            }
        }
    }

    /// Makes a durable file of `size` zeros that is not part of the log yet.
    fn make(&self, name: &str, size: u64) -> io::Result<()> {
        let free = free_bytes(&self.dir)?;
        if free < size + self.reserve_bytes {
            let kept = self.reserve_bytes;
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{free} bytes are free, but a segment takes {size} and {kept} must stay free"),
            ));
        }
        let path = self.dir.join(name);
        let made = self.write_zeros(&path, size);
        if made.is_err() {
            // Frees the allocated space: a full disk must not stay full because of a failed write.
            if let Err(left) = durable_file::remove(&path) {
                tracing::warn!(path = %path.display(), %left, "a half-made segment stays behind");
            }
        }
        made
    }

    fn write_zeros(&self, path: &Path, size: u64) -> io::Result<()> {
        // A crash may have left a half-written file.
        durable_file::remove(path)?;
        let mut options = OpenOptions::new();
        durable_file::private(options.create_new(true).write(true));
        let file = page_file::open(&mut options, path)?;
        let mut buffer = PageBuffer::default();
        let zeros = buffer.room(ZEROS_LEN);
        let mut offset = 0;
        while offset < size {
            if self.stopped.load(Ordering::Acquire) {
                return Err(io::Error::other("the log is closed"));
            }
            let len = ZEROS_LEN.min((size - offset) as usize);
            file.write_all_at(&zeros[..len], offset)?;
            offset += len as u64;
        }
        file.sync_all()
    }
}

/// Makes a prepared file part of the log. If this fails after the file was renamed, the
/// next attempt replaces the file, which never held a frame.
fn adopt(dir: &Path, name: &str, header: SegmentHeader) -> io::Result<File> {
    let made = dir.join(name);
    let file = OpenOptions::new().read(true).write(true).open(&made)?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync_data()?;
    std::fs::rename(&made, segment_path(dir, header.base))?;
    durable_file::sync_dir(dir)?;
    Ok(file)
}

/// The bytes that an unprivileged process can still write to the disk of `dir`.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
