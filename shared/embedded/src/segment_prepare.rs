//! Segments made ahead of the writer.
//!
//! A thread prepares the next segment, so that space runs out there and not
//! half-way through a frame: an append to a segment never needs space. While
//! none can be made, appends are refused and the thread tries on. Some space
//! is left free, so that the log does not take the last byte from what else
//! writes to the disk.

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

/// How long between two tries to prepare a segment.
const RETRY: Duration = Duration::from_millis(500);

/// Bytes of zeros written at a time.
const ZEROS_LEN: usize = 1 << 20;

const PREPARED: &str = "prepared.tmp";
const OVERSIZED: &str = "oversized.tmp";

/// What of a segment is ready.
#[derive(Debug)]
enum State {
    /// A segment is wanted.
    Wanted,
    /// It is there.
    Ready,
    /// It cannot be made now, said so.
    Failing(io::ErrorKind, Arc<str>),
    /// The writer is gone.
    Stopped,
}

/// Keeps one prepared segment ahead of the writer.
pub(crate) struct Preparer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Says whether the next segment can be made.
#[derive(Clone)]
pub(crate) struct PreparerStatus(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    size: u64,
    /// Bytes of the disk that stay free.
    reserve_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
}

impl Preparer {
    pub(crate) fn start(dir: &Path, size: u64, reserve_bytes: u64) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            size,
            reserve_bytes,
            state: Mutex::new(State::Wanted),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        let this = shared.clone();
        let thread = std::thread::Builder::new().name("sluice-prepare".into()).spawn(move || this.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn status(&self) -> PreparerStatus {
        PreparerStatus(self.shared.clone())
    }

    /// Gives the prepared segment its place in the log.
    pub(crate) fn adopt(&self, header: SegmentHeader) -> io::Result<File> {
        self.shared.wait()?;
        let adopted = adopt(&self.shared.dir, PREPARED, header);
        // Used or spoiled: either way another one is wanted.
        *self.shared.state.lock() = State::Wanted;
        self.shared.changed.notify_all();
        adopted
    }

    /// Makes a segment for a frame that is larger than the prepared one, which stays.
    pub(crate) fn adopt_oversized(&self, header: SegmentHeader) -> io::Result<File> {
        self.shared.make(OVERSIZED, header.size)?;
        adopt(&self.shared.dir, OVERSIZED, header)
    }
}

impl Drop for Preparer {
    /// Waits for the thread: it must not write once another log owns the directory.
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        *self.shared.state.lock() = State::Stopped;
        self.shared.changed.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(dir = %self.shared.dir.display(), "preparing segments ended in a panic");
        }
    }
}

impl PreparerStatus {
    /// Why no segment can be made now, if so.
    pub(crate) fn failing(&self) -> Option<Arc<str>> {
        match &*self.0.state.lock() {
            State::Failing(_, detail) => Some(detail.clone()),
            _ => None,
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            match *state {
                State::Stopped => return,
                State::Ready => self.changed.wait(&mut state),
                State::Wanted | State::Failing(..) => {
                    let made = MutexGuard::unlocked(&mut state, || self.make(PREPARED, self.size));
                    if !matches!(*state, State::Stopped) {
                        self.made(&mut state, made);
                    }
                }
            }
        }
    }

    fn made(&self, state: &mut MutexGuard<'_, State>, made: io::Result<()>) {
        let Err(error) = made else {
            **state = State::Ready;
            self.changed.notify_all();
            return;
        };
        if !matches!(**state, State::Failing(..)) {
            tracing::error!(dir = %self.dir.display(), %error, "the next segment cannot be made");
        }
        **state = State::Failing(error.kind(), error.to_string().into());
        self.changed.notify_all();
        self.changed.wait_for(state, RETRY);
    }

    /// Waits for the prepared segment; fails at once where it cannot be made.
    fn wait(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        loop {
            match &*state {
                State::Ready => return Ok(()),
                State::Failing(kind, detail) => return Err(io::Error::new(*kind, detail.to_string())),
                State::Wanted => self.changed.wait(&mut state),
                State::Stopped => return Err(io::Error::other("the log is closed")),
            }
        }
    }

    /// Makes a file of `size` zeros, durable, that has no place in the log yet.
    fn make(&self, name: &str, size: u64) -> io::Result<()> {
        let free = free_bytes(&self.dir)?;
        if free < size + self.reserve_bytes {
            let kept = self.reserve_bytes;
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{free} bytes are free where a segment takes {size} and {kept} stay free"),
            ));
        }
        let path = self.dir.join(name);
        let made = self.write_zeros(&path, size);
        if made.is_err() {
            // What was allocated goes back: a full disk must not stay full for nothing.
            if let Err(left) = durable_file::remove(&path) {
                tracing::warn!(path = %path.display(), %left, "a half-made segment stays behind");
            }
        }
        made
    }

    fn write_zeros(&self, path: &Path, size: u64) -> io::Result<()> {
        // A file of its own: a crash may have left one that is half-written.
        durable_file::remove(path)?;
        let file = page_file::open(OpenOptions::new().create_new(true).write(true), path)?;
        let mut buffer = PageBuffer::default();
        let zeros = buffer.room(ZEROS_LEN);
        let mut at = 0;
        while at < size {
            if self.stopped.load(Ordering::Acquire) {
                return Err(io::Error::other("the log is closed"));
            }
            let len = ZEROS_LEN.min((size - at) as usize);
            file.write_all_at(&zeros[..len], at)?;
            at += len as u64;
        }
        file.sync_all()
    }
}

/// Gives a made file its place in the log. If that fails after the file has
/// its name, the next try replaces it: no frame was ever in it.
fn adopt(dir: &Path, name: &str, header: SegmentHeader) -> io::Result<File> {
    let made = dir.join(name);
    let file = OpenOptions::new().read(true).write(true).open(&made)?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync_data()?;
    std::fs::rename(&made, segment_path(dir, header.base))?;
    durable_file::sync_dir(dir)?;
    Ok(file)
}

/// The bytes that an unprivileged process can still write to a disk.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
