//! Ledgers: files with the outcome of each request of a sender, or with each event
//! that a receiver took. They outlive the process that wrote them.
//!
//! A file is a header and frames, each appended by one write; numbers are
//! little-endian.
//!
//! | header | content |
//! |---|---|
//! | 0..8 | `SLUICELG` |
//! | 8 | version, 1 |
//! | 9 | 1 sender's, 2 receiver's |
//! | 10..12 | zero |
//! | 12..16 | CRC-32C of bytes 0..12 |
//!
//! | frame | content |
//! |---|---|
//! | 0..4 | n, the entries' bytes: a multiple of 40, at most 327,680 |
//! | 4..8 | CRC-32C of the entries |
//! | 8..8+n | entries |
//!
//! | entry | content |
//! |---|---|
//! | 0..8 | run |
//! | 8..16 | group: 0 for the sender; for the receiver the subscription's hash |
//! | 16..24 | first sequence number |
//! | 24..28 | stream |
//! | 28..32 | count: the entry is about first .. first + count |
//! | 32 | code, see [`Code`] |
//! | 33..40 | zero |
//!
//! Entries of one stream are in the order of their outcomes. A killed process may
//! leave a frame cut short at the end of the file: readers ignore it, and it is cut
//! off when the file is continued. Frames are written at least every 200 ms and not
//! synced: they survive the process, not the machine.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

mod buffer;

pub use buffer::LedgerBuffer;

const MAGIC: &[u8; 8] = b"SLUICELG";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 40;
/// Most entries in a frame.
pub const FRAME_ENTRIES_MAX: usize = 8192;

/// The side that wrote a ledger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LedgerKind {
    /// Outcomes of requests.
    Sent,
    /// Events in webhook deliveries.
    Received,
}

/// The outcome of an entry's events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Code {
    /// Sender: answered 2xx, must arrive.
    Acknowledged,
    /// Sender: answered 4xx, must not arrive.
    Refused,
    /// Sender: no answer, or no definite one; may arrive.
    Unknown,
    /// Receiver: taken (answered 2xx) in a delivery whose id was new.
    Taken,
    /// Receiver: taken in a delivery whose id an earlier one had.
    TakenAgain,
    /// Receiver: the checksum does not hold; the numbers may be wrong.
    Corrupted,
}

impl Code {
    const ALL: [(u8, Self); 6] = [
        (0x01, Self::Acknowledged),
        (0x02, Self::Refused),
        (0x03, Self::Unknown),
        (0x11, Self::Taken),
        (0x12, Self::TakenAgain),
        (0x13, Self::Corrupted),
    ];

    fn to_byte(self) -> u8 {
        Self::ALL.iter().find(|(_, code)| *code == self).map_or(0, |(byte, _)| *byte)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == byte).map(|(_, code)| *code)
    }
}

/// Consecutive events of a stream with the same outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LedgerEntry {
    /// The sender's run.
    pub run: u64,
    /// The receiver's subscription, hashed; 0 in a sender's ledger.
    pub group: u64,
    /// The sender's stream.
    pub stream: u32,
    /// First sequence number.
    pub first: u64,
    /// How many.
    pub count: u32,
    /// Their outcome.
    pub code: Code,
}

impl LedgerEntry {
    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[0..8].copy_from_slice(&self.run.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.group.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.stream.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.count.to_le_bytes());
        bytes[32] = self.code.to_byte();
        bytes
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let number = |offset: usize| bytes[offset..].first_chunk().map(|field| u64::from_le_bytes(*field));
        let short = |offset: usize| bytes[offset..].first_chunk().map(|field| u32::from_le_bytes(*field));
        Some(Self {
            run: number(0)?,
            group: number(8)?,
            first: number(16)?,
            stream: short(24)?,
            count: short(28)?,
            code: Code::from_byte(bytes[32])?,
        })
    }

    /// Takes `next` in if it continues this entry; returns true if it did.
    fn extend(&mut self, next: &Self) -> bool {
        let continues = self.first + u64::from(self.count) == next.first
            && (self.run, self.group, self.stream, self.code)
                == (next.run, next.group, next.stream, next.code);
        let count = self.count.checked_add(next.count);
        if let (true, Some(count)) = (continues, count) {
            self.count = count;
        }
        continues && count.is_some()
    }
}

/// Why a ledger cannot be written or read.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The file cannot be opened, read or written.
    #[error("{action} the ledger {}", path.display())]
    File {
        /// The attempted action.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is not a ledger, or has another version or kind.
    #[error("{} is not a ledger of this version of {expected}", path.display())]
    Header {
        /// Which file.
        path: PathBuf,
        /// The side whose ledger was expected.
        expected: &'static str,
    },
    /// A frame before the last is damaged.
    #[error("the ledger {} is damaged at byte {at}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where the bad frame starts.
        at: u64,
    },
}

impl LedgerKind {
    fn byte(self) -> u8 {
        match self {
            Self::Sent => 1,
            Self::Received => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sent => "a sender",
            Self::Received => "a receiver",
        }
    }

    fn header(self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8] = VERSION;
        header[9] = self.byte();
        let sum = crc32c::crc32c(&header[..12]);
        header[12..].copy_from_slice(&sum.to_le_bytes());
        header
    }
}

/// Appends frames to a ledger.
#[derive(Debug)]
pub struct LedgerWriter {
    file: File,
    path: PathBuf,
    frame: Vec<u8>,
}

impl LedgerWriter {
    /// Makes the file, or appends to the ledger of a former process.
    pub fn open(path: &Path, kind: LedgerKind) -> Result<Self, LedgerError> {
        let failed = |action| move |source| LedgerError::File { action, path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed("opening"))?;
        let length = file.metadata().map_err(failed("opening"))?.len();
        let whole = if length < HEADER_BYTES as u64 {
            file.set_len(0).map_err(failed("starting"))?;
            file.write_all(&kind.header()).map_err(failed("starting"))?;
            HEADER_BYTES as u64
        } else {
            let mut reader = LedgerReader::open(path, kind)?;
            while reader.next_frame()?.is_some() {}
            reader.at
        };
        file.set_len(whole).map_err(failed("cutting the torn end of"))?;
        file.seek(SeekFrom::Start(whole)).map_err(failed("opening"))?;
        Ok(Self { file, path: path.to_owned(), frame: Vec::new() })
    }

    /// Appends the entries, in frames.
    pub fn append(&mut self, entries: &[LedgerEntry]) -> Result<(), LedgerError> {
        for entries in entries.chunks(FRAME_ENTRIES_MAX) {
            self.frame.clear();
            self.frame.extend_from_slice(&((entries.len() * ENTRY_BYTES) as u32).to_le_bytes());
            self.frame.extend_from_slice(&[0; 4]);
            entries.iter().for_each(|entry| self.frame.extend_from_slice(&entry.encode()));
            let sum = crc32c::crc32c(&self.frame[8..]);
            self.frame[4..8].copy_from_slice(&sum.to_le_bytes());
            self.file.write_all(&self.frame).map_err(|source| LedgerError::File {
                action: "writing",
                path: self.path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// Reads a ledger frame by frame.
#[derive(Debug)]
pub struct LedgerReader {
    file: BufReader<File>,
    path: PathBuf,
    length: u64,
    /// Where the next frame starts.
    at: u64,
}

impl LedgerReader {
    /// Opens a ledger of this kind.
    pub fn open(path: &Path, kind: LedgerKind) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::File { action: "reading", path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut header = [0; HEADER_BYTES];
        let read = if length < HEADER_BYTES as u64 { Ok(()) } else { file.read_exact(&mut header) };
        read.map_err(failed)?;
        if header != kind.header() {
            return Err(LedgerError::Header { path: path.to_owned(), expected: kind.name() });
        }
        Ok(Self { file, path: path.to_owned(), length, at: HEADER_BYTES as u64 })
    }

    /// The next frame's entries; `None` at the end or at a torn last frame.
    pub fn next_frame(&mut self) -> Result<Option<Vec<LedgerEntry>>, LedgerError> {
        let left = self.length - self.at;
        if left < 8 {
            return Ok(None);
        }
        let (size, sum) = (self.read_u32()?, self.read_u32()?);
        let valid_size =
            (size as usize).is_multiple_of(ENTRY_BYTES) && size as usize <= FRAME_ENTRIES_MAX * ENTRY_BYTES;
        if !valid_size {
            return Err(self.damaged());
        }
        let frame_bytes = 8 + u64::from(size);
        if frame_bytes > left {
            return Ok(None);
        }
        let mut bytes = vec![0; size as usize];
        self.read(&mut bytes)?;
        if crc32c::crc32c(&bytes) != sum {
            return if frame_bytes == left { Ok(None) } else { Err(self.damaged()) };
        }
        let entries: Option<Vec<_>> = bytes.as_chunks().0.iter().map(LedgerEntry::decode).collect();
        let entries = entries.ok_or_else(|| self.damaged())?;
        self.at += frame_bytes;
        Ok(Some(entries))
    }

    fn read_u32(&mut self) -> Result<u32, LedgerError> {
        let mut bytes = [0; 4];
        self.read(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), LedgerError> {
        let path = &self.path;
        let failed = |source| LedgerError::File { action: "reading", path: path.clone(), source };
        self.file.read_exact(bytes).map_err(failed)
    }

    fn damaged(&self) -> LedgerError {
        LedgerError::Damaged { path: self.path.clone(), at: self.at }
    }
}

#[cfg(test)]
mod tests;
