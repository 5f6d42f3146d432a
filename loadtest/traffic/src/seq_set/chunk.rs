//! 4096 consecutive numbers of a set.

/// Numbers in a chunk.
pub(super) const CHUNK: u64 = 4096;
const WORDS: usize = (CHUNK / 64) as usize;
const LAST: u16 = (CHUNK - 1) as u16;
/// With more runs than this, a bit a number takes less memory.
const RUNS_MAX: usize = 64;

/// Which numbers of a chunk are in the set, in the form that is smallest.
#[derive(Clone, Debug)]
pub(super) enum SequenceChunk {
    Empty,
    /// Few stretches, ascending, none touching another.
    Runs(Vec<NumberRun>),
    /// A bit a number, and how many are set.
    Bits(Box<Bits>),
    Full,
}

/// `first..=last`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NumberRun {
    first: u16,
    last: u16,
}

#[derive(Clone, Debug)]
pub(super) struct Bits {
    words: [u64; WORDS],
    count: u16,
}

impl NumberRun {
    fn len(self) -> u16 {
        self.last - self.first + 1
    }
}

impl SequenceChunk {
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        match self {
            Self::Empty | Self::Full => 0,
            Self::Runs(runs) => runs.capacity() * size_of::<NumberRun>(),
            Self::Bits(_) => WORDS * 8,
        }
    }

    pub(super) fn contains(&self, number: u16) -> bool {
        match self {
            Self::Empty => false,
            Self::Full => true,
            Self::Runs(runs) => {
                let index = runs.partition_point(|run| run.last < number);
                runs.get(index).is_some_and(|run| run.first <= number)
            }
            Self::Bits(bits) => bits.words[usize::from(number / 64)] & (1 << (number % 64)) != 0,
        }
    }

    /// Adds `first..=last` and returns how many of them were new.
    pub(super) fn insert(&mut self, first: u16, last: u16) -> u16 {
        let added = NumberRun { first, last };
        let new = match self {
            Self::Full => 0,
            Self::Empty => {
                *self = Self::Runs(vec![added]);
                added.len()
            }
            Self::Runs(runs) => {
                let new = insert_run(runs, added);
                if runs.len() > RUNS_MAX {
                    *self = Self::Bits(Box::new(Bits::of(runs)));
                }
                new
            }
            Self::Bits(bits) => bits.insert(added),
        };
        let full = match self {
            Self::Runs(runs) => runs[..] == [NumberRun { first: 0, last: LAST }],
            Self::Bits(bits) => u64::from(bits.count) == CHUNK,
            Self::Empty | Self::Full => false,
        };
        if full {
            *self = Self::Full;
        }
        new
    }

    /// The bits of `at..at + 64`; `at` is a multiple of 64.
    pub(super) fn word(&self, at: u16) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Full => u64::MAX,
            Self::Bits(bits) => bits.words[usize::from(at / 64)],
            Self::Runs(runs) => runs[runs.partition_point(|run| run.last < at)..]
                .iter()
                .take_while(|run| run.first <= at + 63)
                .fold(0, |word, run| word | mask(run.first.saturating_sub(at), run.last.min(at + 63) - at)),
        }
    }
}

/// Bits `from..=to` of a word.
fn mask(from: u16, to: u16) -> u64 {
    (u64::MAX >> (63 - (to - from))) << from
}

/// Adds a run, joined with those that it meets or touches. Returns how many
/// numbers were new.
fn insert_run(runs: &mut Vec<NumberRun>, added: NumberRun) -> u16 {
    // Mostly numbers come in order.
    if let Some(last) = runs.last_mut().filter(|last| last.last + 1 == added.first) {
        last.last = added.last;
        return added.len();
    }
    let from = runs.partition_point(|run| run.last + 1 < added.first);
    let to = from + runs[from..].partition_point(|run| run.first <= added.last + 1);
    let known: u16 = runs[from..to].iter().map(|run| run.len()).sum();
    let joined = runs[from..to].iter().fold(added, |joined, run| NumberRun {
        first: joined.first.min(run.first),
        last: joined.last.max(run.last),
    });
    runs.splice(from..to, [joined]);
    joined.len() - known
}

impl Bits {
    fn of(runs: &[NumberRun]) -> Self {
        let mut bits = Self { words: [0; WORDS], count: 0 };
        runs.iter().for_each(|run| {
            bits.insert(*run);
        });
        bits
    }

    fn insert(&mut self, run: NumberRun) -> u16 {
        let (mut at, mut new) = (run.first, 0);
        while at <= run.last {
            let last = (at | 63).min(run.last);
            let mask = mask(at % 64, last % 64);
            let word = &mut self.words[usize::from(at / 64)];
            new += (mask & !*word).count_ones() as u16;
            *word |= mask;
            at = last + 1;
        }
        self.count += new;
        new
    }
}
