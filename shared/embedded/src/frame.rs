//! The frames of a segment. Integers are little-endian.
//!
//! ```text
//!  0  4  magic "SFR1"
//!  4  4  payload length
//!  8  8  LSN of the frame, so that bytes copied from another place of the
//!        log do not pass for a frame
//! 16  8  when it was appended, in milliseconds since the Unix epoch
//! 24  4  CRC32C of the payload
//! 28  4  CRC32C of bytes 0..28
//! 32     payload, then zeros up to a multiple of 8
//! ```

use sluice_model::wire::bytes_reader::BytesReader;

/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER_LEN: usize = 32;
/// Frames begin at multiples of this number of bytes.
pub(crate) const FRAME_ALIGN: u64 = 8;

const MAGIC: [u8; 4] = *b"SFR1";

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub payload_len: u32,
    pub lsn: u64,
    pub appended_ms: u64,
    pub payload_crc: u32,
}

/// The content of a place where a frame may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundFrame {
    /// A frame's header.
    Header(FrameHeader),
    /// Zeros: nothing was written here.
    Nothing,
    /// Neither a header nor zeros.
    Damage,
}

impl FrameHeader {
    pub(crate) fn encode(self) -> [u8; FRAME_HEADER_LEN] {
        let mut out = [0; FRAME_HEADER_LEN];
        out[0..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        out[8..16].copy_from_slice(&self.lsn.to_le_bytes());
        out[16..24].copy_from_slice(&self.appended_ms.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[..28]);
        out[28..32].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the bytes at `lsn`.
    pub(crate) fn find(bytes: &[u8; FRAME_HEADER_LEN], lsn: u64) -> FoundFrame {
        if bytes.iter().all(|byte| *byte == 0) {
            return FoundFrame::Nothing;
        }
        match Self::decode(bytes) {
            Some(header) if header.lsn == lsn => FoundFrame::Header(header),
            Some(_) | None => FoundFrame::Damage,
        }
    }

    fn decode(bytes: &[u8; FRAME_HEADER_LEN]) -> Option<Self> {
        let mut reader = BytesReader::new(bytes);
        let magic = reader.array().ok()?;
        let payload_len = reader.u32().ok()?;
        let (lsn, appended_ms) = (reader.u64().ok()?, reader.u64().ok()?);
        let (payload_crc, crc) = (reader.u32().ok()?, reader.u32().ok()?);
        let whole = magic == MAGIC && crc == crc32c::crc32c(&bytes[..28]);
        whole.then_some(Self { payload_len, lsn, appended_ms, payload_crc })
    }

    /// The LSN at which the next frame begins.
    pub(crate) const fn next_lsn(self) -> u64 {
        (self.lsn + FRAME_HEADER_LEN as u64 + self.payload_len as u64).next_multiple_of(FRAME_ALIGN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_only_whole_and_in_its_place() {
        let header = FrameHeader { payload_len: 5, lsn: 64, appended_ms: 9, payload_crc: 3 };
        let bytes = header.encode();
        assert_eq!(FrameHeader::find(&bytes, 64), FoundFrame::Header(header));
        assert_eq!(FrameHeader::find(&bytes, 72), FoundFrame::Damage);
        assert_eq!(FrameHeader::find(&[0; FRAME_HEADER_LEN], 64), FoundFrame::Nothing);
        assert_eq!(header.next_lsn(), 104);
        for offset in 0..FRAME_HEADER_LEN {
            let mut bad = bytes;
            bad[offset] ^= 1;
            assert_eq!(FrameHeader::find(&bad, 64), FoundFrame::Damage, "byte {offset}");
        }
    }
}
