//! Segment files: the pieces of a log, of one fixed size each.
//!
//! A segment is filled with zeros before it is used. Writing over the zeros does not change
//! the file's metadata, which makes `fdatasync` two to three times as fast as after an
//! append (measured: 0.15 against 0.31 ms at 4 KiB, 0.9 against 4.0 ms at 1 MiB). And since
//! the size never changes, a file of another size was cut.
//!
//! The file `<first LSN, 20 digits>.seg` holds, little-endian:
//!
//! ```text
//!  0  8  magic "SLSEG\0\0\1"; the last byte is the format's version
//!  8  8  first LSN: the LSN of this byte 0
//! 16  8  size of the file
//! 24  8  LSN at which the previous segment ended; 0 in the first one
//! 32  4  CRC32C of bytes 0..32
//! 36 28  zeros
//! 64     frames, then zeros
//! ```
//!
//! An LSN counts bytes from the log's beginning, over all segments.

use super::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, FoundFrame, FrameHeader};
use bytes::Bytes;
use sluice_model::wire::bytes_reader::BytesReader;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER_LEN: u64 = 64;

const MAGIC: [u8; 8] = *b"SLSEG\0\0\x01";

/// A segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub base: u64,
    pub size: u64,
    pub previous_end: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(self) -> [u8; SEGMENT_HEADER_LEN as usize] {
        let mut out = [0; SEGMENT_HEADER_LEN as usize];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.base.to_le_bytes());
        out[16..24].copy_from_slice(&self.size.to_le_bytes());
        out[24..32].copy_from_slice(&self.previous_end.to_le_bytes());
        let crc = crc32c::crc32c(&out[..32]);
        out[32..36].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; SEGMENT_HEADER_LEN as usize]) -> Option<Self> {
        let mut reader = BytesReader::new(bytes);
        let magic = reader.array().ok()?;
        let (base, size) = (reader.u64().ok()?, reader.u64().ok()?);
        let (previous_end, crc) = (reader.u64().ok()?, reader.u32().ok()?);
        (magic == MAGIC && crc == crc32c::crc32c(&bytes[..32])).then_some(Self { base, size, previous_end })
    }
}

/// The path of the segment that begins at `base`.
pub(crate) fn segment_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.seg"))
}

/// The segments of a directory by their first LSN, ascending.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let base = name.to_str().and_then(|name| name.strip_suffix(".seg")).map(str::parse);
        if let Some(Ok(base)) = base {
            bases.push(base);
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// One segment file.
pub(crate) struct LogSegment {
    pub base: u64,
    pub size: u64,
    pub file: File,
    /// The LSN at which the frames end. It grows while the segment is written.
    end: AtomicU64,
}

impl LogSegment {
    pub(crate) const fn new(base: u64, size: u64, file: File, end: u64) -> Self {
        Self { base, size, file, end: AtomicU64::new(end) }
    }

    /// Opens the file that begins at `base`, and returns the segment with its
    /// header. Damage is added to `findings`.
    pub(crate) fn open(
        dir: &Path,
        base: u64,
        findings: &mut Vec<String>,
    ) -> io::Result<(Self, Option<SegmentHeader>)> {
        let path = segment_path(dir, base);
        let file = File::options().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
        read_up_to(&file, &mut bytes, 0)?;
        let header = SegmentHeader::decode(&bytes).filter(|header| header.base == base);
        if header.is_none() {
            findings.push(format!(
                "{}: damaged from byte 0 to {SEGMENT_HEADER_LEN}, the segment's header",
                path.display()
            ));
        }
        let size = header.map_or(length.max(SEGMENT_HEADER_LEN), |header| header.size);
        if length != size {
            findings.push(format!("{}: cut: damaged from byte {length} to {size}", path.display()));
        }
        Ok((Self::new(base, size, file, 0), header))
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// The LSN of the segment's first frame.
    pub(crate) const fn first_frame(&self) -> u64 {
        self.base + SEGMENT_HEADER_LEN
    }

    /// The LSN behind the segment's last byte.
    pub(crate) const fn limit(&self) -> u64 {
        self.base + self.size
    }

    pub(crate) fn header_at(&self, lsn: u64) -> io::Result<FoundFrame> {
        let mut bytes = [0; FRAME_HEADER_LEN];
        match self.file.read_exact_at(&mut bytes, lsn - self.base) {
            Ok(()) => Ok(FrameHeader::find(&bytes, lsn)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(FoundFrame::Nothing),
            Err(error) => Err(error),
        }
    }

    /// The payload of a frame: `Ok` if it is whole, else its readable bytes.
    pub(crate) fn payload(&self, header: FrameHeader) -> io::Result<Result<Bytes, Bytes>> {
        let start = header.lsn - self.base + FRAME_HEADER_LEN as u64;
        let there = self.size.saturating_sub(start).min(u64::from(header.payload_len));
        let mut bytes = vec![0; there as usize];
        let read = read_up_to(&self.file, &mut bytes, start)?;
        bytes.truncate(read);
        let whole = read == header.payload_len as usize && crc32c::crc32c(&bytes) == header.payload_crc;
        Ok(if whole { Ok(bytes.into()) } else { Err(bytes.into()) })
    }

    /// The LSN of the first whole frame header in `from..to`.
    pub(crate) fn resync(&self, from: u64, to: u64) -> io::Result<Option<u64>> {
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
                if lsn < to && matches!(FrameHeader::find(head, lsn), FoundFrame::Header(_)) {
                    return Ok(Some(lsn));
                }
            }
            at += CHUNK as u64;
        }
        Ok(None)
    }

    /// The LSN behind the last byte that is not zero, from `from` on.
    pub(crate) fn last_written(&self, from: u64) -> io::Result<u64> {
        let mut bytes = vec![0; 1 << 20];
        let (mut offset, mut last) = (from - self.base, from);
        loop {
            let read = read_up_to(&self.file, &mut bytes, offset)?;
            if read == 0 {
                return Ok(last);
            }
            if let Some(i) = bytes[..read].iter().rposition(|byte| *byte != 0) {
                last = self.base + offset + i as u64 + 1;
            }
            offset += read as u64;
        }
    }
}

/// Reads into `bytes` from byte `offset` of the file, up to the file's end. Returns
/// how many bytes were read.
pub(crate) fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64)? {
            0 => break,
            n => read += n,
        }
    }
    Ok(read)
}
