//! One thread that writes to a file of zeros and bypasses the page cache.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread::JoinHandle;

use rustix::fs::OFlags;
use tokio::sync::{mpsc, oneshot};

/// Direct writes begin and end at multiples of this, in the file and in memory.
const PAGE: usize = 4096;
/// The most writes that may wait; each belongs to a connection, which waits too.
const WAITING_MAX: usize = 1024;
/// The most bytes in one write, unless a single request is larger.
const WRITE_BYTES_MAX: usize = 4 << 20;

struct Write {
    bytes: Vec<u8>,
    done: oneshot::Sender<()>,
}

/// Hands bytes to the thread. Clones share it.
#[derive(Debug, Clone)]
pub struct DiskWriter {
    writes: mpsc::Sender<Write>,
}

impl DiskWriter {
    /// Returns true once the bytes are on the disk, false if they cannot be written.
    pub async fn write(&self, bytes: Vec<u8>) -> bool {
        let (done, written) = oneshot::channel();
        self.writes.send(Write { bytes, done }).await.is_ok() && written.await.is_ok()
    }
}

/// The thread and its file. The thread ends once every [`DiskWriter`] is gone.
#[derive(Debug)]
pub struct DiskThread {
    writes: mpsc::Sender<Write>,
    thread: JoinHandle<io::Result<()>>,
    direct: bool,
}

impl DiskThread {
    /// Makes an unnamed file of `file_bytes` zeros in `dir` and starts the thread.
    ///
    /// # Errors
    /// If the file cannot be made or filled.
    pub fn start(dir: &Path, file_bytes: u64) -> io::Result<Self> {
        let path = dir.join(format!(".sluice-baseline-{}", std::process::id()));
        let opened = zeroed(&path, file_bytes).and_then(|()| open(&path));
        // Unnamed from here on, so the space is freed however the process ends.
        let removed = std::fs::remove_file(&path);
        let (file, direct) = opened?;
        removed?;
        let (writes, waiting) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("disk".into())
            .spawn(move || write_all(&file, file_bytes, waiting))?;
        Ok(Self { writes, thread, direct })
    }

    /// Whether writes bypass the page cache; if not, each is followed by `fdatasync`.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// A handle on the thread.
    pub fn writer(&self) -> DiskWriter {
        DiskWriter { writes: self.writes.clone() }
    }

    /// Waits for the end of the thread, after the last writer is dropped.
    ///
    /// # Errors
    /// The error that ended the writing.
    pub fn join(self) -> io::Result<()> {
        drop(self.writes);
        self.thread.join().map_err(|_| io::Error::other("the disk thread panicked"))?
    }
}

fn zeroed(path: &Path, file_bytes: u64) -> io::Result<()> {
    let file = File::create_new(path)?;
    let zeros = vec![0; 1 << 20];
    let mut filled = 0;
    while filled < file_bytes {
        let len = zeros.len().min(usize::try_from(file_bytes - filled).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..len], filled)?;
        filled += len as u64;
    }
    file.sync_all()
}

fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.write(true);
    match options.custom_flags((OFlags::DIRECT | OFlags::DSYNC).bits().cast_signed()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((options.custom_flags(OFlags::DSYNC.bits().cast_signed()).open(path)?, false))
        }
        opened => Ok((opened?, true)),
    }
}

/// Writes all waiting requests in one write, page after page, and answers them.
fn write_all(file: &File, file_bytes: u64, mut waiting: mpsc::Receiver<Write>) -> io::Result<()> {
    let (mut position, mut pages) = (0, Vec::new());
    let mut answers = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        let mut bytes = first.bytes;
        answers.push(first.done);
        while bytes.len() < WRITE_BYTES_MAX
            && let Ok(next) = waiting.try_recv()
        {
            bytes.extend_from_slice(&next.bytes);
            answers.push(next.done);
        }
        let len = bytes.len().next_multiple_of(PAGE);
        if len as u64 > file_bytes {
            return Err(io::Error::other(format!("one write of {len} bytes is larger than the file")));
        }
        if position + len as u64 > file_bytes {
            position = 0;
        }
        file.write_all_at(aligned(&mut pages, &bytes, len), position)?;
        position += len as u64;
        for answer in answers.drain(..) {
            // A connection that is gone needs no answer.
            answer.send(()).ok();
        }
    }
    Ok(())
}

/// Returns the bytes padded with zeros, in memory that is aligned to a page.
fn aligned<'a>(pages: &'a mut Vec<u8>, bytes: &[u8], len: usize) -> &'a [u8] {
    if pages.len() < len + PAGE {
        *pages = vec![0; len.next_power_of_two() + PAGE];
    }
    let start = pages.as_ptr().align_offset(PAGE);
    let page = &mut pages[start..start + len];
    page[..bytes.len()].copy_from_slice(bytes);
    page[bytes.len()..].fill(0);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_are_answered_and_go_round_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let disk = DiskThread::start(dir.path(), 4 * PAGE as u64).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
        let writer = disk.writer();
        for len in [1, PAGE, PAGE + 1, 3 * PAGE] {
            assert!(writer.write(vec![7; len]).await);
        }
        assert!(!writer.write(vec![7; 5 * PAGE]).await, "more than the file holds");
        assert!(!writer.write(vec![7]).await, "nothing is taken after an error");
        drop(writer);
        assert!(disk.join().unwrap_err().to_string().contains("larger than the file"));
    }
}
