//! The mark in every generated event, by which a receiver finds loss, repetition,
//! disorder and damage without parsing JSON.
//!
//! A mark is one JSON string in the payload, of hex digits and dots only, so that
//! any pipeline passes it on unchanged. Byte by byte:
//!
//! | bytes | content |
//! |---|---|
//! | 0..6 | `!slt1.`: the prefix to search for, with the format's version |
//! | 6..22, `.` | run: 64 bits, drawn by each sender when it starts |
//! | 23..31, `.` | stream: 32 bits, the events of one connection for one customer |
//! | 32..44, `.` | seq: 48 bits, counts a stream's events from 0 without gaps |
//! | 45..61, `.` | `sent_ns`: 64 bits, Unix time in ns at which the event was meant to be sent |
//! | 62..68, `.` | tail length: 24 bits, how many bytes after the mark the checksum covers |
//! | 69..77 | CRC-32C of bytes 6..69 and of the tail |
//!
//! The tail starts at the mark's closing quote and ends with the payload, so
//! the payload's other fields cannot change unseen.

use crate::hex;

/// The first bytes of a mark. `!` is rare in JSON, which keeps the search fast.
pub const PREFIX: &[u8; 6] = b"!slt1.";
/// Length of a mark in bytes.
pub const MARK_BYTES: usize = 77;
/// Longest tail that a mark can cover, in bytes.
pub const TAIL_BYTES_MAX: usize = 0xff_ffff;
/// Sequence numbers stay below this.
pub const SEQUENCE_END: u64 = 1 << 48;

const RUN: usize = 6;
const STREAM: usize = 23;
const SEQUENCE: usize = 32;
const SENT_NS: usize = 45;
const TAIL: usize = 62;
const CHECKSUM: usize = 69;

/// The numbers in a mark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// The sender's run.
    pub run: u64,
    /// The stream: the events of one connection for one customer.
    pub stream: u32,
    /// Place in the stream, from 0.
    pub sequence: u64,
    /// When the event was meant to be sent, Unix time in ns.
    pub sent_ns: u64,
}

/// A mark found in a body, and whether the bytes under its checksum are intact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FoundMark {
    /// The numbers, to be believed only if `intact`.
    pub mark: Mark,
    /// True if the checksum holds.
    pub intact: bool,
}

/// Writes the parts that stay the same for a whole run.
pub fn write_fixed(mark: &mut [u8; MARK_BYTES], run: u64, tail_bytes: usize) {
    debug_assert!(tail_bytes <= TAIL_BYTES_MAX, "the event's size is checked");
    mark.fill(b'.');
    mark[..RUN].copy_from_slice(PREFIX);
    mark[RUN..RUN + 16].copy_from_slice(&hex::encode_16(run));
    mark[TAIL..TAIL + 6].copy_from_slice(&hex::encode_8(tail_bytes as u32)[2..]);
}

/// Writes the parts that differ between events. `event` starts with a mark
/// made by [`write_fixed`] and goes on with its tail of `tail_bytes`.
pub fn write_varying(event: &mut [u8], stream: u32, sequence: u64, sent_ns: u64, tail_bytes: usize) {
    event[STREAM..STREAM + 8].copy_from_slice(&hex::encode_8(stream));
    event[SEQUENCE..SEQUENCE + 12].copy_from_slice(&hex::encode_16(sequence)[4..]);
    event[SENT_NS..SENT_NS + 16].copy_from_slice(&hex::encode_16(sent_ns));
    let sum = checksum(event, tail_bytes);
    event[CHECKSUM..CHECKSUM + 8].copy_from_slice(&hex::encode_8(sum));
}

fn checksum(event: &[u8], tail_bytes: usize) -> u32 {
    let numbers = crc32c::crc32c(&event[RUN..CHECKSUM]);
    crc32c::crc32c_append(numbers, &event[MARK_BYTES..MARK_BYTES + tail_bytes])
}

/// Reads the mark at the start of `bytes`; `None` if there is no whole mark.
pub fn read(bytes: &[u8]) -> Option<FoundMark> {
    let mark = bytes.first_chunk::<MARK_BYTES>()?;
    if !mark.starts_with(PREFIX) || [22, 31, 44, 61, 68].iter().any(|&dot| mark[dot] != b'.') {
        return None;
    }
    let tail_bytes = decode_padded(&mark[TAIL..TAIL + 6])? as usize;
    let sum = hex::decode_8(*mark[CHECKSUM..].first_chunk()?)?;
    let numbers = Mark {
        run: hex::decode_16(*mark[RUN..].first_chunk()?)?,
        stream: hex::decode_8(*mark[STREAM..].first_chunk()?)?,
        sequence: decode_padded(&mark[SEQUENCE..SEQUENCE + 12])?,
        sent_ns: hex::decode_16(*mark[SENT_NS..].first_chunk()?)?,
    };
    let whole = bytes.len() >= MARK_BYTES + tail_bytes;
    Some(FoundMark { mark: numbers, intact: whole && checksum(bytes, tail_bytes) == sum })
}

/// Reads up to sixteen hex digits.
fn decode_padded(digits: &[u8]) -> Option<u64> {
    let mut padded = [b'0'; 16];
    let start = padded.len().checked_sub(digits.len())?;
    padded[start..].copy_from_slice(digits);
    hex::decode_16(padded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOLDEN: &[u8] =
        b"!slt1.0123456789abcdef.0000002a.00000000000c.18abcdef01234567.00000a.cac9c0be\",\"user\":1}";
    const GOLDEN_MARK: Mark =
        Mark { run: 0x0123_4567_89ab_cdef, stream: 42, sequence: 12, sent_ns: 0x18ab_cdef_0123_4567 };

    fn event(mark: Mark, tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; MARK_BYTES];
        let fixed = bytes.first_chunk_mut().expect("a mark's room");
        write_fixed(fixed, mark.run, tail.len());
        bytes.extend_from_slice(tail);
        write_varying(&mut bytes, mark.stream, mark.sequence, mark.sent_ns, tail.len());
        bytes
    }

    #[test]
    fn the_format_stays_readable() {
        let written = event(GOLDEN_MARK, b"\",\"user\":1");
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&GOLDEN[..87]));
        let found = read(GOLDEN).expect("a mark");
        assert_eq!(found, FoundMark { mark: GOLDEN_MARK, intact: true });
    }

    #[test]
    fn a_cut_mark_is_no_mark_and_a_cut_tail_is_damage() {
        let whole = event(GOLDEN_MARK, b"\",\"user\":1");
        for cut in 0..whole.len() {
            let found = read(&whole[..cut]);
            assert_eq!(found.is_some(), cut >= MARK_BYTES);
            assert!(found.is_none_or(|found| !found.intact));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(run: u64, stream: u32, sequence in 0..SEQUENCE_END, sent_ns: u64, tail: Vec<u8>) {
            let mark = Mark { run, stream, sequence, sent_ns };
            prop_assert_eq!(read(&event(mark, &tail)), Some(FoundMark { mark, intact: true }));
        }

        #[test]
        fn any_changed_byte_is_found(at in 0_usize..87, flip in 1_u8..) {
            let mut bytes = event(GOLDEN_MARK, b"\",\"user\":1");
            bytes[at] ^= flip;
            prop_assert!(read(&bytes).is_none_or(|found| !found.intact));
        }
    }
}
