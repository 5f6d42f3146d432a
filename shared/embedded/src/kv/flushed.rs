//! The LSN up to which the ledger is in the state cache's tables, and a proof of
//! which tables these are.
//!
//! The file `flushed`, little-endian:
//!
//! ```text
//!  0  8  magic "SLFLUSH\x01"
//!  8  8  ledger LSN: everything below is in the tables
//! 16  4  proof of the tables
//! 20  4  CRC32C of bytes 0..20
//! ```

use super::cache::Proof;
use crate::durable_file;
use std::io;
use std::path::Path;

const MAGIC: [u8; 8] = *b"SLFLUSH\x01";

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flushed {
    pub lsn: u64,
    pub proof: Proof,
}

impl Flushed {
    /// Reads the file. A missing or damaged file is an error.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged");
        let bytes: [u8; 24] = bytes.try_into().map_err(|_wrong_length| damaged())?;
        if bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..20]).to_le_bytes() != bytes[20..] {
            return Err(damaged());
        }
        let lsn = u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes"));
        let proof = u32::from_le_bytes(bytes[16..20].try_into().expect("four bytes"));
        Ok(Self { lsn, proof: Proof(proof) })
    }

    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.lsn.to_le_bytes());
        bytes.extend_from_slice(&self.proof.0.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        durable_file::replace(path, &bytes)
    }
}
