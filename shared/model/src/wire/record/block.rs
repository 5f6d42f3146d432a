//! Blocks: at most 64 KiB of raw bytes that are compressed together.

use super::{BLOCK_BYTES_MAX, BLOCK_ROW_LEN, RecordError};
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// How the blocks of a record are compressed. Every build reads both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockCodec {
    /// LZ4: about a third of zstd's time, about twice as many bytes.
    Lz4,
    /// zstd at a level from -50 to 19; negative levels are faster and pack less.
    Zstd(i32),
}

/// The encoding of a stored block, told by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockEncoding {
    Stored,
    Zstd,
    Lz4,
}

impl BlockEncoding {
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Stored),
            1 => Some(Self::Zstd),
            2 => Some(Self::Lz4),
            _ => None,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
            Self::Lz4 => 2,
        }
    }
}

/// Blocks with fewer bytes are stored uncompressed: compression would save nothing.
const COMPRESS_BYTES_MIN: usize = 512;

/// Compresses blocks, reusing its memory.
pub(super) struct BlockCompressor {
    codec: BlockCodec,
    /// `None` for LZ4.
    zstd: Option<Compressor<'static>>,
    /// A buffer with room for any compressed block.
    packed: Vec<u8>,
}

impl BlockCompressor {
    pub(super) fn new(codec: BlockCodec) -> std::io::Result<Self> {
        let zstd = match codec {
            BlockCodec::Lz4 => None,
            BlockCodec::Zstd(level) => Some(Compressor::new(level)?),
        };
        let room = lz4_flex::block::get_maximum_output_size(BLOCK_BYTES_MAX);
        Ok(Self { codec, zstd, packed: vec![0; room] })
    }

    /// Appends the block `raw` to `blocks`.
    fn compress(&mut self, raw: &[u8], blocks: &mut Blocks) {
        // Compressed bytes are kept only if they save at least a sixteenth.
        let worthwhile = raw.len() - raw.len() / 16;
        let packed = if raw.len() < COMPRESS_BYTES_MIN {
            None
        } else {
            self.try_compress(raw).filter(|(_, len)| *len <= worthwhile)
        };
        match packed {
            Some((encoding, len)) => blocks.push(encoding, &self.packed[..len], raw.len()),
            None => blocks.push(BlockEncoding::Stored, raw, raw.len()),
        }
    }

    /// Compresses `raw` into `packed`. Returns the number of compressed bytes.
    fn try_compress(&mut self, raw: &[u8]) -> Option<(BlockEncoding, usize)> {
        match &mut self.zstd {
            Some(zstd) => {
                let len = zstd.compress_to_buffer(raw, self.packed.as_mut_slice()).ok()?;
                Some((BlockEncoding::Zstd, len))
            }
            None => {
                let len = lz4_flex::block::compress_into(raw, &mut self.packed).ok()?;
                Some((BlockEncoding::Lz4, len))
            }
        }
    }
}

/// Compressed blocks and their rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    pub(super) rows: Vec<u8>,
    pub(super) data: Vec<u8>,
    /// Whether a block has an encoding that version 1 of the record lacks.
    pub(super) has_lz4: bool,
}

impl Blocks {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.data.clear();
        self.has_lz4 = false;
    }

    pub(super) fn count(&self) -> u32 {
        (self.rows.len() / BLOCK_ROW_LEN) as u32
    }

    fn push(&mut self, encoding: BlockEncoding, stored: &[u8], raw_len: usize) {
        self.data.extend_from_slice(stored);
        self.rows.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        self.rows.extend_from_slice(&(raw_len as u32).to_le_bytes());
        self.rows.extend_from_slice(&[encoding.byte(), 0, 0, 0]);
        self.has_lz4 |= encoding == BlockEncoding::Lz4;
    }

    /// Compresses `raw`, which is cut into as many blocks as it needs.
    pub(super) fn compress(&mut self, raw: &[u8], compressor: &mut BlockCompressor) {
        raw.chunks(BLOCK_BYTES_MAX).for_each(|block| compressor.compress(block, self));
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.rows.extend_from_slice(&other.rows);
        self.data.extend_from_slice(&other.data);
        self.has_lz4 |= other.has_lz4;
    }
}

thread_local! {
    /// The thread's compressor, for the codec of the last call.
    static COMPRESSOR: RefCell<Option<BlockCompressor>> = const { RefCell::new(None) };
    /// The thread's zstd context: making one costs as much as unpacking a block.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("zstd makes a context unless memory is at its end"));
}

/// Compresses `raw` with the thread's compressor.
pub(super) fn compress_here(raw: &[u8], codec: BlockCodec) -> std::io::Result<Blocks> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let mut compressor = match kept.take() {
            Some(compressor) if compressor.codec == codec => compressor,
            _ => BlockCompressor::new(codec)?,
        };
        let mut blocks = Blocks::default();
        blocks.compress(raw, &mut compressor);
        *kept = Some(compressor);
        Ok(blocks)
    })
}

/// Appends to `raw` the `raw_len` bytes of a block.
pub(super) fn unpack(
    encoding: BlockEncoding,
    stored: &[u8],
    raw_len: usize,
    raw: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let start = raw.len();
    let unpacked = match encoding {
        BlockEncoding::Stored => {
            raw.extend_from_slice(stored);
            return Ok(());
        }
        BlockEncoding::Zstd => {
            raw.resize(start + raw_len, 0);
            let unpack = |zstd: &mut Decompressor<'_>| zstd.decompress_to_buffer(stored, &mut raw[start..]);
            DECOMPRESSOR.with_borrow_mut(unpack).map_err(|_damaged| RecordError::Checksum("block (zstd)"))?
        }
        BlockEncoding::Lz4 => {
            raw.resize(start + raw_len, 0);
            lz4_flex::block::decompress_into(stored, &mut raw[start..])
                .map_err(|_damaged| RecordError::Checksum("block (LZ4)"))?
        }
    };
    if unpacked != raw_len {
        return Err(RecordError::Malformed("a block is not as long as its row says"));
    }
    Ok(())
}
