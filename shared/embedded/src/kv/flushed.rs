//! The file `flushed`: the LSN up to which the ledger is in the state cache's tables, and a
//! proof of these tables.
//!
//! Little-endian:
//!
//! ```text
//!  0  8  magic "SLFLUSH\x01"
//!  8  8  ledger LSN: everything below is in the tables
//! 16  4  proof of the tables
//! 20  4  CRC32C of bytes 0..20
//! ```

use super::cache::Proof;
use crate::durable_file;
use sluice_model::wire::bytes_reader::BytesReader;
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
        Self::decode(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "damaged"))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = BytesReader::new(bytes);
        let magic = reader.array().ok()?;
        let (lsn, proof, crc) = (reader.u64().ok()?, reader.u32().ok()?, reader.u32().ok()?);
        let whole = reader.position() == bytes.len() && magic == MAGIC && crc == crc32c::crc32c(&bytes[..20]);
        whole.then_some(Self { lsn, proof: Proof(proof) })
    }

    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.lsn.to_le_bytes());
        bytes.extend_from_slice(&self.proof.0.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        durable_file::replace(path, &bytes)
    }
}
