//! Fixed-width lower-case hexadecimal, eight digits a step without a table or a branch,
//! since the sender writes and the receiver reads five numbers an event.

const LOW_BYTES: u64 = 0x0101_0101_0101_0101;

/// The eight hex digits of `value`.
pub(crate) fn encode_8(value: u32) -> [u8; 8] {
    let mut spread = u64::from(value);
    spread = ((spread << 16) | spread) & 0x0000_ffff_0000_ffff;
    spread = ((spread << 8) | spread) & 0x00ff_00ff_00ff_00ff;
    spread = ((spread << 4) | spread) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((spread + 6 * LOW_BYTES) >> 4) & LOW_BYTES;
    let digits = spread + u64::from(b'0') * LOW_BYTES + letters * u64::from(b'a' - b'0' - 10);
    digits.to_be_bytes()
}

/// The sixteen hex digits of `value`.
pub(crate) fn encode_16(value: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&encode_8((value >> 32) as u32));
    digits[8..].copy_from_slice(&encode_8(value as u32));
    digits
}

/// Reads eight lower-case hex digits; `None` for any other byte.
pub(crate) fn decode_8(digits: [u8; 8]) -> Option<u32> {
    let text = u64::from_be_bytes(digits);
    let letters = (text >> 6) & LOW_BYTES;
    let mut nibbles = (text & 0x0f0f_0f0f_0f0f_0f0f).wrapping_add(letters.wrapping_mul(9));
    nibbles = (nibbles | (nibbles >> 4)) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | (nibbles >> 8)) & 0x0000_ffff_0000_ffff;
    let value = (nibbles | (nibbles >> 16)) as u32;
    // Bytes that are not digits decode to a value that encodes to other bytes.
    (encode_8(value) == digits).then_some(value)
}

/// Reads sixteen lower-case hex digits; `None` for any other byte.
pub(crate) fn decode_16(digits: [u8; 16]) -> Option<u64> {
    let (high, low) = digits.split_first_chunk::<8>()?;
    let low = low.first_chunk::<8>()?;
    Some(u64::from(decode_8(*high)?) << 32 | u64::from(decode_8(*low)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(value: u64) {
            prop_assert_eq!(encode_16(value).to_vec(), format!("{value:016x}").into_bytes());
            prop_assert_eq!(decode_16(encode_16(value)), Some(value));
        }

        #[test]
        fn only_lower_case_hex_digits_are_read(digits: [u8; 8]) {
            let valid = digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            prop_assert_eq!(decode_8(digits).is_some(), valid);
        }

        #[test]
        fn one_wrong_byte_is_refused(value: u32, at in 0_usize..8, byte: u8) {
            let mut digits = encode_8(value);
            digits[at] = byte;
            let valid = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            prop_assert_eq!(decode_8(digits).is_some(), valid);
        }
    }
}
