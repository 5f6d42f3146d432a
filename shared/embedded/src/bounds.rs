//! The first and the last segment of a log. Without this note, a log whose first
//! or last file is missing would look like one that begins later or ends earlier.
//!
//! The file `bounds`, little-endian. It is overwritten in place, which needs no space on
//! a full disk:
//!
//! ```text
//!  0  8  magic "SLBOUND\x01"
//!  8  8  first LSN of the oldest segment
//! 16  8  first LSN of the newest segment
//! 24  8  size of the newest segment
//! 32  4  CRC32C of bytes 0..32
//! ```
//!
//! The note changes after a new segment is durable and before the first frame
//! in that segment is acknowledged, and before a segment is deleted.

use super::durable_file;
use super::segment::read_up_to;
use parking_lot::Mutex;
use sluice_model::wire::bytes_reader::BytesReader;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"SLBOUND\x01";
const LEN: usize = 36;

/// The content of the note.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SegmentBounds {
    pub oldest: u64,
    pub newest: u64,
    pub newest_size: u64,
}

/// The content of the file when it was opened.
pub(crate) enum NotedBounds {
    /// The note is whole.
    Known(SegmentBounds),
    /// The file is empty: the log is new, or the file was deleted.
    Missing,
    /// The file is damaged.
    Damaged,
}

/// The open file.
pub(crate) struct BoundsFile {
    path: PathBuf,
    file: Mutex<File>,
    known: Mutex<SegmentBounds>,
}

impl BoundsFile {
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, NotedBounds)> {
        let path = dir.join("bounds");
        let file = open(&path)?;
        let mut bytes = [0; LEN];
        let noted = match read_up_to(&file, &mut bytes, 0)? {
            0 => NotedBounds::Missing,
            LEN => decode(&bytes).map_or(NotedBounds::Damaged, NotedBounds::Known),
            _ => NotedBounds::Damaged,
        };
        let known = match noted {
            NotedBounds::Known(bounds) => bounds,
            NotedBounds::Missing | NotedBounds::Damaged => SegmentBounds::default(),
        };
        Ok((Self { path, file: Mutex::new(file), known: Mutex::new(known) }, noted))
    }

    pub(crate) fn get(&self) -> SegmentBounds {
        *self.known.lock()
    }

    /// Writes the note over whatever the file holds, and makes the file durable.
    pub(crate) fn write(&self, bounds: SegmentBounds) -> io::Result<()> {
        let mut known = self.known.lock();
        let file = self.file.lock();
        file.set_len(LEN as u64)?;
        file.write_all_at(&encode(bounds), 0)?;
        file.sync_all()?;
        durable_file::sync_parent(&self.path)?;
        *known = bounds;
        Ok(())
    }

    /// Changes the note durably.
    pub(crate) fn change(&self, change: impl FnOnce(&mut SegmentBounds)) -> io::Result<()> {
        let mut known = self.known.lock();
        let mut changed = *known;
        change(&mut changed);
        if changed == *known {
            return Ok(());
        }
        let mut file = self.file.lock();
        if rustix::fs::fstat(&*file)?.st_nlink == 0 {
            // The file was deleted, perhaps with its directory, which is there again.
            *file = open(&self.path)?;
            durable_file::sync_parent(&self.path)?;
        }
        file.write_all_at(&encode(changed), 0)?;
        file.sync_data()?;
        *known = changed;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    durable_file::private(File::options().create(true).truncate(false).read(true).write(true)).open(path)
}

fn encode(bounds: SegmentBounds) -> [u8; LEN] {
    let mut out = [0; LEN];
    out[..8].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&bounds.oldest.to_le_bytes());
    out[16..24].copy_from_slice(&bounds.newest.to_le_bytes());
    out[24..32].copy_from_slice(&bounds.newest_size.to_le_bytes());
    let crc = crc32c::crc32c(&out[..32]);
    out[32..].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8; LEN]) -> Option<SegmentBounds> {
    let mut reader = BytesReader::new(bytes);
    let magic = reader.array().ok()?;
    let (oldest, newest) = (reader.u64().ok()?, reader.u64().ok()?);
    let (newest_size, crc) = (reader.u64().ok()?, reader.u32().ok()?);
    let whole = magic == MAGIC && crc == crc32c::crc32c(&bytes[..32]);
    whole.then_some(SegmentBounds { oldest, newest, newest_size })
}
