//! Ids as text: hyphenated UUIDs.

use super::{BatchId, EventId};

/// Bytes of an id in its text form, a hyphenated UUID (RFC 9562).
pub const ID_TEXT_LEN: usize = 36;

/// The text is not a hyphenated UUID, or not one of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected a hyphenated UUID of 36 characters")]
pub struct IdError;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes `value` as a hyphenated lower-case UUID.
pub fn write_uuid(value: u128, out: &mut [u8; ID_TEXT_LEN]) {
    let bytes = value.to_be_bytes();
    let mut offset = 0;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out[offset] = b'-';
            offset += 1;
        }
        out[offset] = HEX[usize::from(byte >> 4)];
        out[offset + 1] = HEX[usize::from(byte & 15)];
        offset += 2;
    }
}

pub(super) fn parse_uuid(text: &[u8]) -> Result<u128, IdError> {
    if text.len() != ID_TEXT_LEN {
        return Err(IdError);
    }
    let mut value = 0u128;
    for (i, c) in text.iter().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            if *c != b'-' {
                return Err(IdError);
            }
            continue;
        }
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            b'A'..=b'F' => c - b'A' + 10,
            _ => return Err(IdError),
        };
        value = value << 4 | u128::from(digit);
    }
    Ok(value)
}

/// Writes ids as text; the part that all ids of a batch share is written once.
#[derive(Debug, Clone, Default)]
pub struct IdText {
    spelled: Option<(BatchId, [u8; ID_TEXT_LEN])>,
}

impl IdText {
    /// The text of an id.
    pub fn of(&mut self, id: EventId) -> [u8; ID_TEXT_LEN] {
        let mut text = match &self.spelled {
            Some((batch, text)) if *batch == id.batch() => *text,
            _ => self.spelled.insert((id.batch(), id.text())).1,
        };
        let digits = [12, 8, 4, 0].map(|shift| HEX[usize::from(id.index() >> shift & 15)]);
        text[ID_TEXT_LEN - 4..].copy_from_slice(&digits);
        text
    }
}
