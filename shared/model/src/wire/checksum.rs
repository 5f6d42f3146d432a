//! Joining CRC32C checksums without reading the bytes again.
//!
//! A CRC is a polynomial over GF(2) modulo P. Appending `len` bytes to a message multiplies
//! its CRC by x^(8·len), and the CRC of the whole is the sum of that product and the CRC of
//! the appended bytes. The power is a product of the powers x^(2^n), one for each bit of the
//! exponent, so a join takes a few hundred steps. (The library's own function squares
//! matrices, which takes ten times as many.)

/// The reflected polynomial of CRC32C (RFC 3720, appendix B.4).
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial 1, reflected.
const ONE: u32 = 1 << 31;

/// Bits of a length in bits.
const LENGTH_BITS: usize = usize::BITS as usize + 3;

/// x^(2^n) modulo P, for each bit of a length in bits.
const POWERS: [u32; LENGTH_BITS] = {
    let mut powers = [0; LENGTH_BITS];
    let mut power = 1 << 30;
    let mut n = 0;
    while n < LENGTH_BITS {
        powers[n] = power;
        power = product(power, power);
        n += 1;
    }
    powers
};

/// The product of two polynomials modulo P.
const fn product(left: u32, mut right: u32) -> u32 {
    let (mut sum, mut left) = (0, left);
    while left != 0 {
        // All ones where the highest bit of `left` is set: no branch on data.
        sum ^= right & (left >> 31).wrapping_neg();
        right = (right >> 1) ^ (POLYNOMIAL & (right & 1).wrapping_neg());
        left <<= 1;
    }
    sum
}

/// The CRC32C of two messages, the second appended to the first. `len` is the length of the
/// second in bytes.
pub(crate) fn joined(first: u32, second: u32, len: usize) -> u32 {
    let mut power = ONE;
    let mut left = len;
    while left != 0 {
        power = product(POWERS[left.trailing_zeros() as usize + 3], power);
        left &= left - 1;
    }
    product(power, first) ^ second
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn two_messages_have_the_checksum_of_both(
            first in prop::collection::vec(any::<u8>(), 0..300),
            second in prop::collection::vec(any::<u8>(), 0..70_000),
        ) {
            let both = crc32c::crc32c(&[first.clone(), second.clone()].concat());
            prop_assert_eq!(joined(crc32c::crc32c(&first), crc32c::crc32c(&second), second.len()), both);
        }

        #[test]
        fn any_length_is_joined_as_the_library_does(first: u32, second: u32, len in 0usize..1 << 31) {
            prop_assert_eq!(joined(first, second, len), crc32c::crc32c_combine(first, second, len));
        }
    }
}
