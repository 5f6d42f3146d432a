//! Random choices that can be repeated.

use super::{setting, tell};
use std::hash::BuildHasher;

/// SplitMix64, seeded from `SLUICE_TEST_SEED` or the system.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Prints the seed on stderr, so that the choices can be repeated.
    pub(crate) fn new(test: &str) -> Self {
        let given =
            setting("SLUICE_TEST_SEED").map(|seed| seed.parse().expect("SLUICE_TEST_SEED is a number"));
        let seed = given.unwrap_or_else(|| std::hash::RandomState::new().hash_one(test) >> 16);
        tell(&format!("{test}: SLUICE_TEST_SEED={seed}"));
        Self(seed)
    }

    /// Choices that follow from a given seed.
    pub(crate) const fn from(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
