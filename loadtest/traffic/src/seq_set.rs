//! A compressed set of sequence numbers that were mostly seen in order: a
//! stretch without holes takes no memory, one with few holes a few bytes a hole,
//! one with many a bit a number.

use std::collections::VecDeque;

mod chunk;

use chunk::{CHUNK, SequenceChunk};

/// How far ahead of the first missing number another may be: 2^30.
pub const SPAN_MAX: u64 = 262_144 * CHUNK;

/// A set of `u64`, dense from 0.
#[derive(Clone, Debug, Default)]
pub struct SequenceSet {
    /// All chunks before this one are full and not kept.
    complete: u64,
    chunks: VecDeque<SequenceChunk>,
    length: u64,
}

/// A number is more than [`SPAN_MAX`] ahead of the first missing one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooFarAhead;

impl SequenceSet {
    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.length
    }

    /// How many bytes are kept to tell which numbers are there.
    #[cfg(test)]
    fn kept_bytes(&self) -> usize {
        self.chunks.iter().map(SequenceChunk::kept_bytes).sum()
    }

    /// Returns true if the number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let Some(ahead) = (number / CHUNK).checked_sub(self.complete) else { return true };
        self.chunks.get(ahead as usize).is_some_and(|chunk| chunk.contains((number % CHUNK) as u16))
    }

    /// Adds `first..first + count` and returns how many of them were new.
    pub fn insert_range(&mut self, first: u64, count: u64) -> Result<u64, TooFarAhead> {
        let end = first.checked_add(count).ok_or(TooFarAhead)?;
        if end.saturating_sub(self.complete * CHUNK) > SPAN_MAX {
            return Err(TooFarAhead);
        }
        let (mut at, mut new) = (first.max(self.complete * CHUNK), 0);
        while at < end {
            let chunk_end = ((at / CHUNK + 1) * CHUNK).min(end);
            let ahead = (at / CHUNK - self.complete) as usize;
            if self.chunks.len() <= ahead {
                self.chunks.resize(ahead + 1, SequenceChunk::Empty);
            }
            let within = (at % CHUNK) as u16;
            new += u64::from(self.chunks[ahead].insert(within, within + (chunk_end - at - 1) as u16));
            at = chunk_end;
        }
        while matches!(self.chunks.front(), Some(SequenceChunk::Full)) {
            self.chunks.pop_front();
            self.complete += 1;
        }
        self.length += new;
        Ok(new)
    }

    /// The stretches of this set that `other` lacks, in order, as first and count.
    pub fn missing_from<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u64, u64)> + 'a {
        let mut position = 0;
        std::iter::from_fn(move || {
            let first = self.next_difference(other, position, true)?;
            let end = self.next_difference(other, first, false).unwrap_or_else(|| self.end());
            position = end;
            Some((first, end - first))
        })
    }

    /// The first number from `at` on that is in this set and not in `other`, or
    /// (without `wanted`) the first for which that is not so.
    fn next_difference(&self, other: &Self, at: u64, wanted: bool) -> Option<u64> {
        let mut at = at;
        while at < self.end() {
            if at.is_multiple_of(64) {
                let differing = self.word(at) & !other.word(at);
                let skipped = if wanted { differing == 0 } else { differing == u64::MAX };
                if skipped {
                    // Whole stretches below both sets' complete parts differ nowhere.
                    let both = self.complete.min(other.complete) * CHUNK;
                    at = if wanted && at < both { both } else { at + 64 };
                    continue;
                }
            }
            if (self.contains(at) && !other.contains(at)) == wanted {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// The bits of `at..at + 64`; `at` is a multiple of 64.
    fn word(&self, at: u64) -> u64 {
        let Some(ahead) = (at / CHUNK).checked_sub(self.complete) else { return u64::MAX };
        self.chunks.get(ahead as usize).map_or(0, |chunk| chunk.word((at % CHUNK) as u16))
    }

    /// A bound above every number of the set.
    fn end(&self) -> u64 {
        (self.complete + self.chunks.len() as u64) * CHUNK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn stretches(missing: &BTreeSet<u64>) -> Vec<(u64, u64)> {
        let mut stretches: Vec<(u64, u64)> = Vec::new();
        for &number in missing {
            match stretches.last_mut() {
                Some((first, count)) if *first + *count == number => *count += 1,
                _ => stretches.push((number, 1)),
            }
        }
        stretches
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_set(
            ranges in prop::collection::vec((0_u64..20_000, 0_u64..9_000), 0..12),
            // Enough to turn a chunk's runs into bits.
            specks in prop::collection::vec((0_u64..5_000, 0_u64..20), 0..80),
        ) {
            let (mut set, mut model) = (SequenceSet::default(), BTreeSet::new());
            for (first, count) in ranges.into_iter().chain(specks) {
                let new = (first..first + count).filter(|&number| model.insert(number)).count();
                prop_assert_eq!(set.insert_range(first, count), Ok(new as u64));
            }
            prop_assert_eq!(set.count(), model.len() as u64);
            for number in 0..30_000 {
                prop_assert_eq!(set.contains(number), model.contains(&number), "{}", number);
            }
        }

        #[test]
        fn what_another_set_lacks_is_listed(
            sent in prop::collection::vec((0_u64..20_000, 0_u64..9_000), 0..6),
            received in prop::collection::vec((0_u64..20_000, 0_u64..9_000), 0..6),
        ) {
            let numbers = |ranges: &[(u64, u64)]| -> BTreeSet<u64> {
                ranges.iter().flat_map(|&(first, count)| first..first + count).collect()
            };
            let set = |ranges: &[(u64, u64)]| {
                let mut set = SequenceSet::default();
                ranges.iter().for_each(|&(first, count)| { set.insert_range(first, count).expect("near"); });
                set
            };
            let lost = &numbers(&sent) - &numbers(&received);
            let (sent, received) = (set(&sent), set(&received));
            prop_assert_eq!(sent.missing_from(&received).collect::<Vec<_>>(), stretches(&lost));
        }
    }

    #[test]
    fn a_stream_without_holes_keeps_no_bits() {
        let mut set = SequenceSet::default();
        for number in 0..10 * CHUNK {
            assert_eq!(set.insert_range(number, 1), Ok(1));
            assert!(set.kept_bytes() <= 16, "one run");
        }
        assert_eq!(set.kept_bytes(), 0);
        assert_eq!(set.insert_range(5, 2), Ok(0));
    }

    #[test]
    fn a_set_with_many_holes_costs_a_bit_a_number() {
        let (mut set, numbers) = (SequenceSet::default(), 100 * CHUNK);
        (1..numbers).step_by(2).for_each(|number| assert_eq!(set.insert_range(number, 1), Ok(1)));
        assert_eq!(set.count(), numbers / 2);
        assert_eq!(set.kept_bytes() as u64, numbers / 8);
        assert_eq!(set.insert_range(0, numbers), Ok(numbers / 2));
        assert_eq!(set.kept_bytes(), 0);
    }

    #[test]
    fn a_wild_number_is_refused_rather_than_kept() {
        let mut set = SequenceSet::default();
        assert_eq!(set.insert_range(SPAN_MAX, 1), Err(TooFarAhead));
        assert_eq!(set.insert_range(u64::MAX, 2), Err(TooFarAhead));
        assert_eq!(set.insert_range(SPAN_MAX - 1, 1), Ok(1));
    }
}
