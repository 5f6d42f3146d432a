//! Pseudorandom numbers, eight bytes in a nanosecond: good enough to defeat a
//! compressor, reproducible from a seed, not for secrets.

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// Numbers that depend on the seed only.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..end`; `end` is not 0. The bias is below 2^-32 for ends
    /// below 2^32.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Fills `text` with letters, digits, `-` and `_`: six random bits a byte.
    pub fn fill_text(&mut self, text: &mut [u8]) {
        for chunk in text.chunks_mut(10) {
            let mut bits = self.next_u64();
            let (pairs, last) = chunk.as_chunks_mut::<2>();
            for pair in pairs {
                *pair = PAIRS[(bits & 0xfff) as usize];
                bits >>= 12;
            }
            if let [byte] = last {
                *byte = ALPHABET[(bits & 0x3f) as usize];
            }
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Two letters a look-up: 8 KiB, which stays in the first-level cache.
static PAIRS: [[u8; 2]; 4096] = {
    let mut pairs = [[0; 2]; 4096];
    let mut index = 0;
    while index < pairs.len() {
        pairs[index] = [ALPHABET[index & 63], ALPHABET[index >> 6]];
        index += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers() {
        let mut random = SeededRandom::new(1234567);
        // The published first outputs of SplitMix64 for this seed.
        assert_eq!(random.next_u64(), 6457827717110365317);
        assert_eq!(random.next_u64(), 3203168211198807973);
    }

    #[test]
    fn text_of_any_length_is_filled_with_letters_of_the_alphabet() {
        let mut random = SeededRandom::new(1);
        for length in 0..70 {
            let mut text = vec![b' '; length];
            random.fill_text(&mut text);
            assert!(text.iter().all(|byte| ALPHABET.contains(byte)), "{text:?}");
        }
    }

    #[test]
    fn numbers_stay_below_their_end() {
        let mut random = SeededRandom::new(7);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert!((0..1000).map(|_| random.unit()).all(|unit| (0.0..1.0).contains(&unit)));
    }
}
