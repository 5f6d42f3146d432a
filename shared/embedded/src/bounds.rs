//! Which segments a log has: without a note of it, a missing first or last
//! file would look like a log that begins later or ends earlier.
//!
//! The file `bounds`, overwritten in place (a full disk cannot keep it from
//! changing), little-endian:
//!
//! ```text
//!  0  8  magic "SLBOUND\x01"
//!  8  8  first LSN of the oldest segment
//! 16  8  first LSN of the newest segment
//! 24  8  size of the newest segment
//! 32  4  CRC32C of bytes 0..32
//! ```
//!
//! It is changed after a segment is there and before its first frame is
//! acknowledged, and before a segment is deleted.

use super::durable_file;
use super::segment::read_up_to;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"SLBOUND\x01";
const LEN: usize = 36;

/// What the note says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub oldest: u64,
    pub newest: u64,
    pub newest_size: u64,
}

/// What stood in the file.
pub(crate) enum Noted {
    /// A note.
    Known(Bounds),
    /// Nothing: the log is new, or the file was deleted.
    Missing,
    /// Something else.
    Damaged,
}

/// The open file.
pub(crate) struct BoundsFile {
    dir: PathBuf,
    file: File,
    known: Mutex<Bounds>,
}

impl BoundsFile {
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Noted)> {
        let path = dir.join("bounds");
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
        let mut bytes = [0; LEN];
        let noted = match read_up_to(&file, &mut bytes, 0)? {
            0 => Noted::Missing,
            LEN => decode(&bytes).map_or(Noted::Damaged, Noted::Known),
            _ => Noted::Damaged,
        };
        let known = match noted {
            Noted::Known(bounds) => bounds,
            Noted::Missing | Noted::Damaged => Bounds::default(),
        };
        Ok((Self { dir: dir.to_owned(), file, known: Mutex::new(known) }, noted))
    }

    pub(crate) fn get(&self) -> Bounds {
        *self.known.lock()
    }

    /// Writes the note whatever was there, and makes the file itself durable.
    pub(crate) fn write(&self, bounds: Bounds) -> io::Result<()> {
        let mut known = self.known.lock();
        self.file.set_len(LEN as u64)?;
        self.file.write_all_at(&encode(bounds), 0)?;
        self.file.sync_all()?;
        durable_file::sync_dir(&self.dir)?;
        *known = bounds;
        Ok(())
    }

    /// Makes a changed note durable.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Bounds)) -> io::Result<()> {
        let mut known = self.known.lock();
        let mut changed = *known;
        change(&mut changed);
        if changed != *known {
            self.file.write_all_at(&encode(changed), 0)?;
            self.file.sync_data()?;
            *known = changed;
        }
        Ok(())
    }
}

fn encode(bounds: Bounds) -> [u8; LEN] {
    let mut out = [0; LEN];
    out[..8].copy_from_slice(&MAGIC);
    out[8..16].copy_from_slice(&bounds.oldest.to_le_bytes());
    out[16..24].copy_from_slice(&bounds.newest.to_le_bytes());
    out[24..32].copy_from_slice(&bounds.newest_size.to_le_bytes());
    let crc = crc32c::crc32c(&out[..32]);
    out[32..].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8; LEN]) -> Option<Bounds> {
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let whole = bytes[..8] == MAGIC && crc32c::crc32c(&bytes[..32]).to_le_bytes() == bytes[32..];
    whole.then(|| Bounds { oldest: u64_at(8), newest: u64_at(16), newest_size: u64_at(24) })
}
